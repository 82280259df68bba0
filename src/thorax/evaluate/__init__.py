"""From logits to decisions, metrics and calibration; works on tables alone.

Thresholds and the scaling of the logits are chosen on validation and then frozen in the bundle,
beside every fold's model: not where the weights are made, because another rule must not retrain.
Thresholds are on raw probabilities; the scaling rises, so it moves no decision.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thorax.artifacts import Estimate
from thorax.artifacts.data import DatasetInfo
from thorax.artifacts.evaluation import PredictionsInfo, Results, SubsetMetrics
from thorax.artifacts.model import AtThreshold, OperatingPoints, Scaling
from thorax.config import Evaluate, Paths
from thorax.dataset import open_dataset
from thorax.evaluate import curves
from thorax.evaluate.results import fold_metrics, subset_metrics
from thorax.evaluate.stress import stress_tests
from thorax.evaluate.subgroups import metadata_baseline, subgroup_metrics
from thorax.io import read_csv, sha256_file, write_json
from thorax.metrics.bootstrap import resample
from thorax.metrics.calibration import calibration
from thorax.metrics.predictions import Predictions, read_predictions
from thorax.metrics.scaling import fit_scaling
from thorax.metrics.thresholds import choose
from thorax.progress import parts
from thorax.provenance.looks import record_look
from thorax.tasks import Array

POINTS = "operating_points.json"
FIGURES = ("average_precision", "sensitivity", "f1", "accuracy", "loss")  # beside the AUROC
DOUBTS = ("contaminated", "leaky", "patients_unknown")  # the worst first
UNDECIDED = 0.5  # threshold of a class of which validation has a single class present


@dataclass(frozen=True)
class Frozen:
    """What is chosen on validation: thresholds with the interval of their choice, and scaling."""

    thresholds: dict[str, Estimate]
    scaling: dict[str, Scaling]

    @property
    def values(self) -> Array:
        """Thresholds [O]."""
        chosen = (threshold.value for threshold in self.thresholds.values())
        return np.array([UNDECIDED if value is None else value for value in chosen])


def evaluate(params: Evaluate, paths: Paths) -> None:
    """Choose thresholds and scaling on validation, and compute every metric of both subsets."""
    folder, tables = Path(paths.evaluation), Path(paths.predictions)
    info = PredictionsInfo.read(tables / "predictions.json")
    about = DatasetInfo.read(Path(paths.dataset))
    val, test = (
        read_predictions(tables / f"{subset}.csv", info.task, info.outputs)
        for subset in ("val", "test")
    )
    with parts("evaluate", 5) as begin:
        begin("thresholds")
        frozen = Frozen(choose_thresholds(params, val), choose_scaling(val, info))
        begin("metrics")
        folds = _by_fold(tables / "test_by_fold.csv", test)
        results = measure(params, info, val, test, folds, frozen, paths)
        write_json(Path(paths.metrics), headline(results))
        anonymous = test.write_anonymous(
            test.task.decide(test.p, frozen.values), Path(paths.test_predictions)
        )
        record_look(anonymous)
        begin("subgroups")
        evaluated = test if len(test.y) else val
        dataset = open_dataset(paths)
        subgroup_metrics(params, evaluated, frozen.values, dataset.table).model_copy(
            update={"metadata": metadata_baseline(dataset, evaluated, info.folds[0])}
        ).write(folder / "subgroups.json")
        begin("stress")
        stress_tests(evaluated, frozen.values, tables / "stress.csv").write(folder / "stress.json")
        begin("bundle")
        known = zip(info.outputs, frozen.values.tolist(), strict=True)
        write_bundle(
            Path(paths.bundle),
            [Path(paths.models) / str(fold) for fold in info.folds],
            OperatingPoints(
                rule=params.model_dump()["threshold"],
                thresholds={name: t for name, t in known if name in results.thresholds},
                scaling=frozen.scaling,
                atypical=info.atypical,
                for_ensemble=not info.out_of_fold,
                title=about.title,
                test_set=_described(results.test, patients_unknown=about.patients_unknown),
                performance={
                    name: AtThreshold(
                        sensitivity=each.metrics["sensitivity"],
                        specificity=each.metrics["specificity"],
                    )
                    for name, each in results.test.classes.items()
                },
                files={},
            ),
        )


def _described(subset: SubsetMetrics, *, patients_unknown: bool) -> str:
    if not subset.images or patients_unknown:
        return f"{subset.images:,} images" if subset.images else ""
    return f"{subset.images:,} images of {subset.patients:,} patients"


def measure(
    params: Evaluate,
    info: PredictionsInfo,
    val: Predictions,
    test: Predictions,
    folds: Mapping[int, Predictions],
    frozen: Frozen,
    paths: Paths,
) -> Results:
    """Write decisions, metrics, calibration and curves of both subsets, either of them empty.

    Args:
        params: prevalences, and what the results say of their settings.
        info: what the predictions are of.
        val: predictions of validation.
        test: of test.
        folds: test predictions of each fold's own model.
        frozen: thresholds and scaling.
        paths: of the data's description, and where the results go.
    """
    folder, thresholds = Path(paths.evaluation), frozen.values
    metrics = {}
    for subset, predictions in (("val", val), ("test", test)):
        decisions = predictions.task.decide(predictions.p, thresholds)
        predictions.write_decided(decisions, folder / f"{subset}.csv")
        metrics[subset] = subset_metrics(predictions, decisions, thresholds)
    results = Results(
        settings=params,
        out_of_fold=info.out_of_fold,
        leaky=info.leaky,
        contaminated=info.contaminated,
        patients_unknown=DatasetInfo.read(Path(paths.dataset)).patients_unknown,
        thresholds={} if test.task.exclusive else frozen.thresholds,
        val=metrics["val"],
        test=metrics["test"],
        folds=fold_metrics(folds, thresholds),
    )
    results.write(folder / "results.json")
    calibration(val, test, thresholds, frozen.scaling, params.prevalences).write(
        folder / "calibration.json"
    )
    curves.write({"val": val, "test": test}, results, Path(paths.plots))
    return results


def choose_thresholds(params: Evaluate, val: Predictions) -> dict[str, Estimate]:
    """Threshold of each output, from validation only."""
    replicates = resample(val.images["patient_id"], params.n_bootstrap, params.seed)
    return {
        name: choose(params.threshold, val.y[:, i], val.p[:, i], replicates)
        for i, name in enumerate(val.outputs)
    }


def choose_scaling(val: Predictions, info: PredictionsInfo) -> dict[str, Scaling]:
    """Scaling of each output, from validation only.

    The mean of several models is less extreme than each of them, so what is fitted to single
    models out of fold would make its probabilities worse.
    """
    if info.out_of_fold:
        reason = "validation is out of fold: no image tells how the mean of all models does"
        return dict.fromkeys(val.outputs, Scaling(slope=None, intercept=None, reason=reason))
    return fit_scaling(val)


def write_bundle(folder: Path, models: list[Path], points: OperatingPoints) -> None:
    """Copy finished models into a fresh folder and freeze the operating points beside them.

    Args:
        folder: the bundle; what was there is replaced.
        models: a folder per fold, with weights, description and what it was trained on.
        points: thresholds and scaling.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for model in models:
        shutil.copytree(model, folder / model.name, copy_function=shutil.copyfile)
    freeze(folder, points)


def freeze(folder: Path, points: OperatingPoints) -> None:
    """Write the operating points of a bundle, with the checksums of the files that lie there."""
    (folder / POINTS).unlink(missing_ok=True)
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    points.model_copy(update={"files": files}).write(folder / POINTS)


def headline(results: Results) -> dict[str, Any]:
    """What `metrics/metrics.json` holds: 15 figures, and a flag for the worst doubt about them all.

    That fits one screen of `dvc exp show`, with validation first, by which to choose; everything
    else is in `evaluation/results.json`.
    """
    doubts = [name for name in DOUBTS if getattr(results, name)]
    test, val = _figures(results.test), _figures(results.val)
    del val["accuracy"]
    return {"val": val, "test": test, **dict.fromkeys(doubts[:1], True)}


def _figures(subset: SubsetMetrics) -> dict[str, float | None]:
    auroc = subset.metrics["auroc"]
    figures = {"auroc": auroc.value, "auroc_low": auroc.low, "auroc_high": auroc.high}
    return figures | {name: subset.metrics[name].value for name in FIGURES}


def _by_fold(path: Path, test: Predictions) -> dict[int, Predictions]:
    """Test predictions of each fold's own model."""
    columns = [f"logit_{name}" for name in test.outputs]
    table = read_csv(path, numbers=["fold", *columns])
    if table.empty:
        return {}
    return {
        int(str(fold)): Predictions(
            test.task_name, test.outputs, test.images, test.y, rows[columns].to_numpy(float)
        )
        for fold, rows in table.astype({"fold": int}).groupby("fold")
    }
