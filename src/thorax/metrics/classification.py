"""The plain metrics of a set of predictions, by scikit-learn; undefined ones are None.

Shapes: y [N, L] with 1, 0 and NaN for unknown; p [N, L] probabilities; d [N, L] decisions.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

Array = NDArray[np.float64]
Scores = dict[str, float | None]

HEADLINE = ("loss", "accuracy", "precision", "recall", "f1", "auroc", "average_precision")


def log_loss(y: Array, p: Array, *, exclusive: bool) -> float | None:
    """Mean cross-entropy, natural logarithm: per image for exclusive classes, else per label."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    if exclusive and y.shape[1] > 1:
        return float(-(y * np.log(p)).sum(axis=1).mean()) if len(y) else None
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    return float(np.nanmean(loss)) if np.isfinite(loss).any() else None


def auroc(y: Array, p: Array) -> float | None:
    """Area under the ROC curve of one class [N]; None unless both outcomes occur."""
    known = ~np.isnan(y)
    if len(np.unique(y[known])) < 2:
        return None
    return float(sk.roc_auc_score(y[known], p[known]))


def average_precision(y: Array, p: Array) -> float | None:
    """Area under the precision-recall steps of one class [N]; None unless both outcomes occur."""
    known = ~np.isnan(y)
    if len(np.unique(y[known])) < 2:
        return None
    return float(sk.average_precision_score(y[known], p[known]))


def confusion(y: Array, d: Array) -> dict[str, int]:
    """True and false positives and negatives of one class [N] among its known labels."""
    known = ~np.isnan(y)
    y, d = y[known], d[known]
    return {
        "tp": int((y * d).sum()),
        "fp": int(((1 - y) * d).sum()),
        "tn": int(((1 - y) * (1 - d)).sum()),
        "fn": int((y * (1 - d)).sum()),
    }


def ratios(tp: float, fp: float, tn: float, fn: float) -> Scores:
    """Accuracy, precision, recall and F1 from counts; None where the denominator is 0."""
    return {
        "accuracy": _divide(tp + tn, tp + fp + tn + fn),
        "precision": _divide(tp, tp + fp),
        "recall": _divide(tp, tp + fn),
        "f1": _divide(2 * tp, 2 * tp + fp + fn),
    }


def per_class(y: Array, p: Array, d: Array) -> Scores:
    """All metrics of one class [N]."""
    return {
        **ratios(**confusion(y, d)),
        "auroc": auroc(y, p),
        "average_precision": average_precision(y, p),
    }


def macro(scores: list[Scores]) -> Scores:
    """Mean over the classes in which a metric is defined; None where it is in none."""
    return {name: _mean([s[name] for s in scores]) for name in scores[0]}


def overall(y: Array, p: Array, d: Array, *, exclusive: bool) -> Scores:
    """Headline metrics: macro over classes; accuracy by image if classes exclude each other."""
    classes = [per_class(y[:, i], p[:, i], d[:, i]) for i in range(y.shape[1])]
    scores = {"loss": log_loss(y, p, exclusive=exclusive), **macro(classes)}
    known = ~np.isnan(y)
    if exclusive and y.shape[1] > 1:
        scores["accuracy"] = _divide(float((y * d).sum()), len(y))
    else:
        scores["accuracy"] = _divide(float((y == d)[known].sum()), float(known.sum()))
    return scores


def micro(y: Array, d: Array) -> Scores:
    """Accuracy, precision, recall and F1 over all known labels of all classes together."""
    return ratios(**confusion(y.ravel(), d.ravel()))


def beats(name: str, value: float | None, other: float | None) -> bool:
    """Whether `value` of a metric beats `other`; an undefined value never does."""
    if value is None:
        return False
    if other is None:
        return True
    return value < other if name == "loss" else value > other


def _divide(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
