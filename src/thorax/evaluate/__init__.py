"""From logits to decisions, metrics and calibration; works on tables alone.

Thresholds and the temperature are chosen on validation and then frozen in the bundle, beside every
fold's model: not where the weights are made, because another rule must not retrain. Thresholds are
on raw probabilities, before the temperature.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thorax.artifacts.data import DatasetInfo
from thorax.artifacts.evaluation import PredictionsInfo, Results, SubsetMetrics
from thorax.artifacts.model import OperatingPoints
from thorax.config import Evaluate, Paths
from thorax.evaluate import curves
from thorax.evaluate.results import fold_metrics, subset_metrics
from thorax.evaluate.subgroups import subgroup_metrics
from thorax.io import read_csv, write_json
from thorax.metrics.calibration import calibration, fit_temperature
from thorax.metrics.predictions import Predictions, read_predictions
from thorax.metrics.thresholds import choose

POINTS = "operating_points.json"
FIGURES = ("average_precision", "sensitivity", "f1", "accuracy", "loss")  # beside the AUROC
DOUBTS = ("contaminated", "leaky", "patients_unknown")  # the worst first
UNDECIDED = 0.5  # threshold of a class of which validation has a single class present


def evaluate(params: Evaluate, paths: Paths) -> None:
    """Choose thresholds and temperature on validation, and compute every metric of both subsets."""
    folder, tables = Path(paths.evaluation), Path(paths.predictions)
    info = PredictionsInfo.read(tables / "predictions.json")
    val, test = (
        read_predictions(tables / f"{subset}.csv", info.task, info.outputs)
        for subset in ("val", "test")
    )
    thresholds = choose_thresholds(params, val)
    temperature, reason = fit_temperature(val)
    decisions = {
        subset: predictions.task.decide(predictions.p, thresholds)
        for subset, predictions in _named(val, test)
    }
    for subset, predictions in _named(val, test):
        predictions.write_decided(decisions[subset], folder / f"{subset}.csv")
    results = Results(
        settings=params,
        leaky=info.leaky,
        contaminated=info.contaminated,
        patients_unknown=DatasetInfo.read(Path(paths.dataset)).patients_unknown,
        val=subset_metrics(val, decisions["val"], thresholds, params),
        test=subset_metrics(test, decisions["test"], thresholds, params),
        folds=fold_metrics(_by_fold(tables / "test_by_fold.csv", test), thresholds),
    )
    results.write(folder / "results.json")
    write_json(Path(paths.metrics), headline(results))
    calibration(val, test, thresholds, temperature, reason, params.prevalences).write(
        folder / "calibration.json"
    )
    subset, evaluated = ("test", test) if len(test.y) else ("val", val)
    subgroup_metrics(params, evaluated, decisions[subset], info.folds[0], paths).write(
        folder / "subgroups.json"
    )
    curves.write({"val": val, "test": test}, results, Path(paths.plots))
    write_bundle(
        Path(paths.bundle),
        [Path(paths.models) / str(fold) for fold in info.folds],
        OperatingPoints(
            rule=params.model_dump()["threshold"],
            thresholds=dict(zip(info.outputs, thresholds.tolist(), strict=True)),
            temperature=temperature,
        ),
    )


def choose_thresholds(params: Evaluate, val: Predictions) -> NDArray[np.float64]:
    """Threshold of each output [O], from validation only."""
    chosen = (choose(params.threshold, val.y[:, i], val.p[:, i]) for i in range(len(val.outputs)))
    return np.array([UNDECIDED if threshold is None else threshold for threshold in chosen])


def write_bundle(folder: Path, models: list[Path], points: OperatingPoints) -> None:
    """Copy finished models into a fresh folder and freeze the operating points beside them.

    Args:
        folder: the bundle; what was there is replaced.
        models: a folder per fold, with weights, description and what it was trained on.
        points: thresholds and temperature.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for model in models:
        shutil.copytree(model, folder / model.name, copy_function=shutil.copyfile)
    points.write(folder / POINTS)


def headline(results: Results) -> dict[str, Any]:
    """What `metrics/metrics.json` holds: 15 figures, and a flag for the worst doubt about them all.

    That fits one screen of `dvc exp show`; everything else is in `evaluation/results.json`.
    """
    doubts = [name for name in DOUBTS if getattr(results, name)]
    test, val = _figures(results.test), _figures(results.val)
    del val["accuracy"]
    return {"test": test, "val": val, **dict.fromkeys(doubts[:1], True)}


def _figures(subset: SubsetMetrics) -> dict[str, float | None]:
    auroc = subset.metrics["auroc"]
    figures = {"auroc": auroc.value, "auroc_low": auroc.low, "auroc_high": auroc.high}
    return figures | {name: subset.metrics[name].value for name in FIGURES}


def _named(val: Predictions, test: Predictions) -> list[tuple[str, Predictions]]:
    return [("val", val), ("test", test)]


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
