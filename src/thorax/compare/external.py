"""The command `thorax evaluate BUNDLE`: a finished bundle on other images, nothing chosen again.

Models, preprocessing, thresholds and classes are the bundle's; the data are those of `params.yaml`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from thorax.artifacts import Estimate
from thorax.artifacts.data import DatasetInfo
from thorax.artifacts.evaluation import PredictionsInfo, Results
from thorax.artifacts.headline import doubts, headline
from thorax.artifacts.model import ModelFile
from thorax.bundle.about import Bundle
from thorax.config import Data, Paths, load_params, load_paths
from thorax.contamination import is_contaminated
from thorax.dataset import NEVER, Dataset, cached_images, open_images
from thorax.download import download
from thorax.errors import ConfigError, DataError, marked
from thorax.evaluate import Frozen, measure
from thorax.evaluate.subgroups import subgroup_metrics
from thorax.io import LABEL
from thorax.models.inference import DESCRIPTION
from thorax.predict import ensemble, flagged, labeled, run_models
from thorax.preprocess import preprocess
from thorax.report import external_report
from thorax.tasks import TASKS

ADVICE = "Evaluate it on other patients, or pass --forced, which marks every number."


def evaluate_bundle(bundle: Path, overrides: Sequence[str], to: Path, *, forced: bool) -> str:
    """Evaluate a bundle on the data that `params.yaml` and the overrides describe.

    Writes into `to` what the pipeline writes into a project, under the same names; the report too.

    Args:
        bundle: as the evaluate stage writes it.
        overrides: `data.path=…` and its like, on top of `params.yaml`.
        to: where the results go.
        forced: go on though the bundle was trained on some of these patients or images; every
            number is then marked as contaminated.

    Returns:
        The headline metrics as a table.

    Raises:
        ConfigError: an override that is not of the section `data`.
        DataError: no bundle, or data without any of its classes.
        IntegrityError: the bundle was trained on some of it, and nothing says that it may.
    """
    opened = Bundle.open(bundle)
    points, models = opened.points, opened.models
    params = load_params(overrides=_of_data(overrides))
    written = {name: str(to / path) for name, path in load_paths()}
    paths = Paths(**(written | {"models": str(bundle), "bundle": str(bundle)}))
    dataset = prepare(params.data, ModelFile.read(models[0] / DESCRIPTION), paths)
    rows = np.arange(len(dataset.table))
    info = PredictionsInfo(
        task=dataset.task,
        outputs=dataset.outputs,
        folds=[int(model.name) for model in models],
        out_of_fold=False,
        leaky=False,
        contaminated=is_contaminated(
            models, dataset.patient_namespace, dataset.table, allowed=forced, advice=ADVICE
        ),
        atypical=flagged(dataset, models, rows),
    )
    logits = np.stack([z for (z,) in run_models(dataset, models, [[rows]] * len(models))])
    test = labeled(dataset, rows, ensemble(dataset.task, logits))
    test.write(Path(paths.predictions) / "test.csv")
    info.write(Path(paths.predictions) / "predictions.json")
    # Where the most likely class is predicted there are no thresholds, and none is used.
    thresholds = {name: Estimate(value=points.thresholds.get(name)) for name in test.outputs}
    frozen = Frozen(thresholds, points.scaling)
    nothing = test.take(pd.Series(False, index=rows))
    folds = {k: replace(test, z=z) for k, z in zip(info.folds, logits, strict=True)}
    results = measure(params.evaluate, info, nothing, test, folds, frozen, paths)
    subgroup_metrics(params.evaluate, test, frozen.values, dataset.table).write(
        Path(paths.evaluation) / "subgroups.json"
    )
    external_report(params.report, paths, dataset)
    return _summary(results, paths)


def _of_data(overrides: Sequence[str]) -> Sequence[str]:
    """The overrides, if all of them are about the data."""
    for override in overrides:
        if not override.lstrip("+~").startswith("data."):
            allowed = ", ".join(f"data.{name}" for name in Data.model_fields)
            raise ConfigError(f"-S {override}: only the data may be chosen here: {allowed}.")
    return overrides


def prepare(data: Data, model: ModelFile, paths: Paths) -> Dataset:
    """All images of the data, preprocessed as the model's were, with labels of its classes."""
    download(data, paths)
    about = DatasetInfo.read(Path(paths.dataset))
    if not set(about.classes) & set(model.outputs):
        raise DataError(
            f"The data has none of the bundle's classes ({', '.join(model.outputs)}); it has"
            f" {', '.join(about.classes)}."
        )
    preprocess(model.preprocess, paths)
    rows = cached_images(paths).assign(subset="test", fold=NEVER)
    targets = rows.reindex(columns=[LABEL + name for name in model.outputs]).to_numpy(float)
    images = open_images(Path(paths.cache))
    if TASKS[model.task].exclusive:  # a class that is not there is absent, not unknown
        targets = np.nan_to_num(targets)
        kept = targets.sum(axis=1) == 1
        if not kept.all():
            print(f"{(~kept).sum():,} images of other classes are left out.")
            rows, targets, images = rows[kept].reset_index(drop=True), targets[kept], images[kept]
    return Dataset(about.patient_namespace, images, rows, model.task, model.outputs, targets)


def _summary(results: Results, paths: Paths) -> str:
    whose = "unknown" if results.patients_unknown else f"{results.test.patients:,}"
    return "\n".join(
        [
            f"{results.test.images:,} images of {whose} patients",
            headline({"external": results.test}),
            *map(marked, doubts(results)),
            f"Results: {Path(paths.evaluation).absolute()}",
            f"Report: {Path(paths.report).absolute()}",
        ]
    )
