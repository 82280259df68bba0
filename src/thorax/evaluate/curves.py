"""Tables behind `dvc plots` and the report: ROC, precision-recall, confusion, per-class bars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from thorax.artifacts.evaluation import ClassMetrics, Results
from thorax.io import write_csv
from thorax.metrics.predictions import Predictions

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
                fpr, tpr, _ = roc_curve(y, p)
                precision, recall, _ = precision_recall_curve(y, p, drop_intermediate=True)
                roc.append(_curve(keys, fpr=fpr, tpr=tpr))
                precision_recall.append(
                    _curve(keys, recall=recall[::-1], precision=precision[::-1])
                )
        confusion += (
            _one_matrix(subset, predictions)
            if predictions.task.exclusive
            else _matrices(subset, classes)
        )
    write_csv(_joined(roc, ["subset", "class", "fpr", "tpr"]), folder / "roc.csv")
    columns = ["subset", "class", "recall", "precision"]
    write_csv(_joined(precision_recall, columns), folder / "precision_recall.csv")
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


def _curve(keys: dict[str, str], **axes: Any) -> pd.DataFrame:
    length = len(next(iter(axes.values())))
    keep = np.unique(np.linspace(0, length - 1, min(POINTS, length)).astype(int))
    return pd.DataFrame(keys | {name: values[keep].round(4) for name, values in axes.items()})


def _joined(curves: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(curves) if curves else pd.DataFrame(columns=columns)
