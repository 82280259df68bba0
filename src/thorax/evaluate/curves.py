"""Tables behind `dvc plots` and the report: ROC, precision-recall, confusion, per-class bars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from thorax.artifacts.evaluation import ClassMetrics, Results
from thorax.io import write_csv
from thorax.metrics import bands
from thorax.metrics.intervals import Patients
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

POINTS = 200  # of a curve: more cannot be seen


def write(subsets: Mapping[str, Predictions], results: Results, folder: Path) -> None:
    """Write `roc.csv`, `precision_recall.csv`, `confusion.csv` and `per_class.csv`."""
    roc, precision_recall, confusion, bars = [], [], [], []
    for subset, predictions in subsets.items():
        classes = results.subset(subset).classes
        for i, (name, metrics) in enumerate(classes.items()):
            keys = {"subset": subset, "class": name}
            bars.append(keys | {"auroc": metrics.metrics["auroc"].value})
            if metrics.positives and metrics.negatives:
                known = ~np.isnan(predictions.y[:, i])
                y, p = predictions.y[known, i], predictions.p[known, i]
                patients = Patients.of(predictions.images["patient_id"][known])
                roc.append(pd.DataFrame(keys | _roc(y, p, patients)))
                precision_recall.append(pd.DataFrame(keys | _precision_recall(y, p, patients)))
        confusion += (
            _one_matrix(subset, predictions)
            if predictions.task.exclusive
            else _matrices(subset, classes)
        )
    for name, curves, axes in (
        ("roc", roc, ["fpr", "tpr"]),
        ("precision_recall", precision_recall, ["recall", "precision"]),
    ):
        columns = ["subset", "class", *axes, "low", "high"]
        table = pd.concat(curves) if curves else pd.DataFrame(columns=columns)
        write_csv(table, folder / f"{name}.csv")
    write_csv(pd.DataFrame(confusion), folder / "confusion.csv")
    write_csv(pd.DataFrame(bars), folder / "per_class.csv")


def _one_matrix(subset: str, predictions: Predictions) -> list[dict[str, Any]]:
    """Counts of (actual, predicted) of classes that exclude each other."""
    pairs = zip(predictions.y.argmax(axis=1), predictions.p.argmax(axis=1), strict=True)
    counts = pd.Series(list(pairs), dtype=object).value_counts()
    keys = {"subset": subset, "class": "all"}
    return [
        keys | {"actual": a, "predicted": b, "count": int(counts.get((i, j), 0))}
        for i, a in enumerate(predictions.outputs)
        for j, b in enumerate(predictions.outputs)
    ]


def _matrices(subset: str, classes: Mapping[str, ClassMetrics]) -> list[dict[str, Any]]:
    """Counts of (actual, predicted), a matrix a class."""
    return [
        {"subset": subset, "class": name, "actual": actual, "predicted": predicted, "count": count}
        for name, metrics in classes.items()
        for actual, predicted, count in (
            ("present", "present", metrics.tp),
            ("present", "absent", metrics.fn),
            ("absent", "present", metrics.fp),
            ("absent", "absent", metrics.tn),
        )
    ]


def _roc(y: Array, p: Array, patients: Patients) -> dict[str, Array]:
    """False positive rate, sensitivity and the band of that [K]."""
    fpr, tpr, thresholds = roc_curve(y, p)
    keep = _few(len(fpr))
    low, high = bands.roc(y, p, thresholds[keep], patients)
    return _rounded(fpr=fpr[keep], tpr=tpr[keep], low=low, high=high)


def _precision_recall(y: Array, p: Array, patients: Patients) -> dict[str, Array]:
    """Recall, precision and the band of that [K]."""
    curve = precision_recall_curve(y, p, drop_intermediate=True)
    thresholds = np.append(curve[2], np.inf)  # scikit-learn ends where nothing is predicted
    keep = _few(len(thresholds))
    precision, recall, thresholds = (each[::-1][keep] for each in (*curve[:2], thresholds))
    low, high = bands.precision_recall(y, p, thresholds, patients)
    return _rounded(recall=recall, precision=precision, low=low, high=high)


def _few(length: int) -> NDArray[np.int64]:
    """Places of at most `POINTS` of so many points, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, length - 1, min(POINTS, length)).astype(np.int64))


def _rounded(**axes: Array) -> dict[str, Array]:
    return {name: values.round(4) for name, values in axes.items()}
