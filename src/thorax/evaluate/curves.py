"""Tables behind `dvc plots` and the report: ROC, precision-recall, confusion, per-class bars."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from thorax.io import write_csv
from thorax.metrics.summary import Predictions

POINTS = 200  # of a curve: more cannot be seen


def write(parts: dict[str, Predictions], metrics: dict[str, Any], folder: Path) -> None:
    """Write `roc.csv`, `precision_recall.csv`, `confusion.csv` and `per_class.csv`."""
    roc, pr, confusion, bars = [], [], [], []
    for subset, part in parts.items():
        for i, name in enumerate(part.outputs):
            own = metrics[subset]["per_class"][name]
            bars.append(
                {
                    "subset": subset,
                    "class": name,
                    **{
                        k: own[k]
                        for k in ("auroc", "average_precision", "precision", "recall", "f1")
                    },
                }
            )
            if own["auroc"] is not None:
                known = ~np.isnan(part.y[:, i])
                y, p = part.y[known, i], part.p[known, i]
                false_positive, true_positive, _ = roc_curve(y, p)
                precision, recall, _ = precision_recall_curve(y, p, drop_intermediate=True)
                roc.append(_curve(subset, name, "fpr", false_positive, "tpr", true_positive))
                pr.append(
                    _curve(subset, name, "recall", recall[::-1], "precision", precision[::-1])
                )
        confusion += confusion_rows(subset, part, metrics[subset])
    write_csv(_join(roc, ["subset", "class", "fpr", "tpr"]), folder / "roc.csv")
    columns = ["subset", "class", "recall", "precision"]
    write_csv(_join(pr, columns), folder / "precision_recall.csv")
    write_csv(pd.DataFrame(confusion), folder / "confusion.csv")
    write_csv(pd.DataFrame(bars), folder / "per_class.csv")


def confusion_rows(subset: str, part: Predictions, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Counts of (actual, predicted): one matrix for exclusive classes, else one per class."""
    if part.exclusive:
        pairs = pd.DataFrame(
            {"a": part.y.argmax(axis=1), "p": part.p.argmax(axis=1)}
        ).value_counts()
        names = part.outputs
        return [
            {
                "subset": subset,
                "class": "all",
                "actual": a,
                "predicted": b,
                "count": pairs.get((i, j), 0),
            }
            for i, a in enumerate(names)
            for j, b in enumerate(names)
        ]
    rows = []
    for name in part.outputs:
        own = metrics["per_class"][name]
        for key, actual, predicted in (
            ("tp", "present", "present"),
            ("fn", "present", "absent"),
            ("fp", "absent", "present"),
            ("tn", "absent", "absent"),
        ):
            row = {"subset": subset, "class": name, "actual": actual, "predicted": predicted}
            rows.append(row | {"count": own[key]})
    return rows


def _curve(subset: str, name: str, x: str, xs: Any, y: str, ys: Any) -> pd.DataFrame:
    keep = np.unique(np.linspace(0, len(xs) - 1, min(POINTS, len(xs))).astype(int))
    columns = {"subset": subset, "class": name, x: xs[keep].round(4), y: ys[keep].round(4)}
    return pd.DataFrame(columns)


def _join(curves: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(curves) if curves else pd.DataFrame(columns=columns)
