"""The command `thorax evaluate BUNDLE`: a finished bundle on other images, nothing chosen anew.

Models, preprocessing, thresholds and classes are the bundle's; the data and how many replicates
stand behind an interval are `params.yaml`'s.
"""

from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from thorax.compare.summary import headline
from thorax.config import Data, Evaluate, Params, Paths, Preprocess, check, parse_yaml, read_yaml
from thorax.dataset.dataset import Cohort
from thorax.dataset.loader import open_images
from thorax.download import prepare
from thorax.errors import ConfigError, DataError
from thorax.evaluate import collect
from thorax.io import LABEL, class_names, read_csv, read_json, read_manifest, write_csv, write_json
from thorax.metrics.summary import Predictions, intervals, subset_metrics
from thorax.models.bundle import POINTS
from thorax.models.inference import Bundle, open_model, predict
from thorax.models.trained_on import refuse_contaminated
from thorax.preprocess import preprocess
from thorax.tasks import TASKS


def evaluate_bundle(folder: Path, settings: list[str], to: Path, *, forced: bool) -> str:
    """Judge a bundle on the data that `params.yaml` and the settings describe.

    Writes `metrics.json`, `predictions.csv`, `intervals.json` and `undefined.json` into `to`.

    Args:
        folder: as `evaluate` writes it.
        settings: `data.path=…` and its like, over those of `params.yaml`.
        to: where the results go.
        forced: go on though the bundle was trained on some of these patients or images; every
            number is then marked as contaminated.

    Returns:
        The headline metrics as a table.

    Raises:
        ConfigError: a setting is not one of the section `data`.
        DataError: no bundle, or data without any of its classes.
        IntegrityError: the bundle was trained on some of it, and nothing says that it may.
    """
    points = read_json(folder / POINTS)  # a DataError when it is no bundle
    models = sorted(path.parent for path in folder.glob("*/model.json"))
    if not models:
        raise DataError(f"{folder} has operating points, but no model. Copy the whole bundle.")
    bundle = Bundle(**read_json(models[0] / "model.json"))
    params = with_data(settings)
    paths = Paths(**{name: str(to / name) for name in Paths.model_fields} | {"models": str(folder)})
    cohort = read_cohort(params.data, bundle, paths)
    contaminated = refuse_contaminated(
        models,
        cohort.people,
        cohort.table,
        marked=forced,
        advice="Judge it on other patients, or say --forced, which marks every number.",
    )
    part = predicted(cohort, [int(model.name) for model in models], paths)
    metrics = judged(part, points, params.evaluate, to)
    protocol = {"contaminated": contaminated, "bundle": bundle.fingerprint}
    write_json(to / "metrics.json", {"external": metrics, "protocol": protocol})
    lines = [f"{metrics['images']:,} images of {metrics['patients']:,} patients"]
    lines.append(headline({"external": metrics}))
    if contaminated:
        lines.append("CONTAMINATED: the bundle was trained on some of these patients or images.")
    return "\n".join([*lines, f"Results: {to.absolute()}"])


def with_data(settings: list[str]) -> Params:
    """`params.yaml` with settings of its section `data` replaced."""
    values = read_yaml(Path("params.yaml"))
    for setting in settings:
        key, _, value = setting.partition("=")
        section, _, name = key.partition(".")
        if section != "data" or name not in Data.model_fields:
            allowed = ", ".join(f"data.{each}" for each in Data.model_fields)
            raise ConfigError(f"-S {setting}: only the data may be chosen here: {allowed}.")
        values["data"][name] = parse_yaml(value)
    return check(values, Params, "params.yaml with -S")


def read_cohort(data: Data, bundle: Bundle, paths: Paths) -> Cohort:
    """All images of the data, prepared as the bundle's were, with labels of its classes."""
    prepare(data, paths)
    manifest = read_manifest(Path(paths.manifest)).set_index("image_id", drop=False)
    if not any(LABEL + name in manifest for name in bundle.outputs):
        raise DataError(
            f"The data has none of the bundle's classes ({', '.join(bundle.outputs)}); it has"
            f" {', '.join(class_names(manifest))}."
        )
    preprocess(check(bundle.preprocess, Preprocess, "model.json"), paths)
    index = read_csv(Path(paths.cache) / "index.csv")
    rows = manifest.loc[index["image_id"]].reset_index(drop=True)
    targets = rows.reindex(columns=[LABEL + name for name in bundle.outputs]).to_numpy(float)
    kept = np.ones(len(rows), bool)
    if bundle.task == "multi-class":  # a class that is not there is absent, not unknown
        targets = np.nan_to_num(targets)
        kept = targets.sum(axis=1) == 1
        print(f"{(~kept).sum():,} images of other classes are left out.")
    table = rows[["image_id", "patient_id", "sha256"]].assign(subset="test", fold=-1)
    people = read_json(Path(paths.dataset))["people"]
    images = open_images(Path(paths.cache))
    images = images if kept.all() else images[kept]
    table = table[kept].reset_index(drop=True)
    return Cohort(people, images, table, bundle.task, bundle.outputs, targets[kept])


def predicted(cohort: Cohort, folds: list[int], paths: Paths) -> Predictions:
    """Mean probabilities of all folds' models for every image."""
    fabric, rows = Fabric(devices=1), np.arange(len(cohort.table))
    each: list[NDArray[np.float64]] = []
    for fold in folds:
        network, batches = open_model(cohort, fold, fabric, paths)
        each.append(predict(fabric, network, batches, rows, cohort.task, f"fold {fold}"))
    return collect(cohort, rows, np.mean(each, axis=0))


def judged(
    part: Predictions, points: dict[str, Any], params: Evaluate, folder: Path
) -> dict[str, Any]:
    """Metrics with intervals at the bundle's thresholds; writes the tables behind them."""
    thresholds = np.array([points["thresholds"][name] for name in part.outputs])
    decisions = TASKS[part.task].decide(part.p, thresholds)
    bounds, per_class = intervals(part, decisions, params)
    undefined: dict[str, str] = {}
    metrics = subset_metrics(part, decisions, thresholds, bounds, "external", undefined)
    write_csv(part.table(decisions), folder / "predictions.csv")
    write_json(folder / "intervals.json", per_class)
    write_json(folder / "undefined.json", undefined)
    return metrics
