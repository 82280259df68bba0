"""Decision thresholds, chosen on validation predictions alone and then frozen."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

Array = NDArray[np.float64]


def choose(rule: str | float, y: Array, p: Array) -> float | None:
    """Threshold of one class: decide for it where p >= threshold.

    Args:
        rule: `youden` (largest sensitivity + specificity - 1, Youden 1950), `f1` (largest F1), or
            the threshold itself.
        y: validation labels [N], NaN for unknown.
        p: validation probabilities [N].

    Returns:
        A number between 0 and 1, or None where only one outcome occurs in validation.
    """
    if not isinstance(rule, str):
        return rule
    known = ~np.isnan(y)
    y, p = y[known], p[known]
    if len(np.unique(y)) < 2:
        return None
    if rule == "youden":
        false_positive, true_positive, candidates = roc_curve(y, p, drop_intermediate=False)
        # The first candidate is infinity: nobody is called positive. A model worse than chance
        # would take it, and a threshold must be a number.
        gain, candidates = (true_positive - false_positive)[1:], candidates[1:]
    else:
        precision, recall, candidates = precision_recall_curve(y, p)
        gain = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        gain = gain[:-1]
    score = float(candidates[: len(gain)][gain.argmax()])
    # Half way to the next lower score: the same decisions here, no bias towards the positives.
    lower = p[p < score]
    return round((score + float(lower.max())) / 2 if len(lower) else score, 6)
