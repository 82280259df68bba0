"""Decision thresholds, chosen on validation predictions alone and then frozen."""

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from thorax.config import AtSensitivity, AtSpecificity
from thorax.tasks import Array

Rule = str | float | AtSensitivity | AtSpecificity


def choose(rule: Rule, y: Array, p: Array) -> float | None:
    """Threshold of one class: decide for it where p >= threshold.

    Args:
        rule: `youden` (largest sensitivity + specificity - 1, Youden 1950), `f1` (largest F1), the
            sensitivity or specificity to reach, or the threshold itself.
        y: validation labels [N], NaN for unknown.
        p: validation probabilities [N].

    Returns:
        A number between 0 and 1, or None where a single class is present in validation. Just over
        the highest score where none is high enough for the specificity: never predicted positive.
    """
    if isinstance(rule, int | float):
        return rule
    known = ~np.isnan(y)
    y, p = y[known], p[known]
    if len(np.unique(y)) < 2:
        return None
    if isinstance(rule, AtSensitivity):
        return _at_sensitivity(rule.sensitivity, p[y == 1])
    if isinstance(rule, AtSpecificity):
        return _at_specificity(rule.specificity, p[y == 0], np.unique(p))
    if rule == "youden":
        false_positive, true_positive, candidates = roc_curve(y, p, drop_intermediate=False)
        # The first candidate is infinity: nobody is predicted positive. A model worse than chance
        # would take it, and a threshold must be a number.
        gain, candidates = (true_positive - false_positive)[1:], candidates[1:]
    else:
        precision, recall, candidates = precision_recall_curve(y, p)
        gain = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        gain = gain[:-1]
    return _below(float(candidates[: len(gain)][gain.argmax()]), p)


def _at_sensitivity(least: float, present: Array) -> float:
    """The highest threshold that predicts at least this fraction of the positives positive."""
    scores = np.unique(present)[::-1]
    positive = len(present) - np.searchsorted(np.sort(present), scores)
    return float(scores[np.argmax(positive / len(present) >= least)])


def _at_specificity(least: float, absent: Array, scores: Array) -> float:
    """The lowest threshold that predicts at least this fraction of the negatives negative."""
    negative = np.searchsorted(np.sort(absent), scores) / len(absent)
    enough = scores[negative >= least]
    return _below(float(enough[0]), scores) if len(enough) else float(np.nextafter(scores[-1], 2))


def _below(score: float, p: Array) -> float:
    """Half way to the next lower score: the same decisions, no bias toward the positives."""
    lower = p[p < score]
    if not len(lower):
        return score
    half = (score + float(lower.max())) / 2
    # Between neighboring floating-point numbers there is none.
    return half if lower.max() < half <= score else score
