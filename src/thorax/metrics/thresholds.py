"""Decision thresholds, chosen on validation predictions alone and then frozen."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from thorax.artifacts import Estimate
from thorax.config import AtSensitivity, AtSpecificity
from thorax.metrics.bootstrap import Replicates, over_replicates, percentiles
from thorax.tasks import Array

Rule = str | float | AtSensitivity | AtSpecificity


def choose(rule: Rule, y: Array, p: Array, replicates: Replicates) -> Estimate:
    """Threshold of one class: decide for it where p >= threshold.

    The largest Youden index or F1 of a sample often lies on a wide plateau, where a single image
    decides which end of it is taken. So these two are bagged (Breiman 1996): the mean over the
    replicates on the logit scale. A target is met exactly on validation itself. All carry the 95%
    interval of the choice over patients.

    Args:
        rule: `youden` (largest sensitivity + specificity - 1, Youden 1950), `f1` (largest F1), the
            sensitivity or specificity to reach, or the threshold itself.
        y: validation labels [N], NaN for unknown.
        p: validation probabilities [N].
        replicates: of the patients of these N images.

    Returns:
        A number between 0 and 1, or None where a single class is present in validation. Just over
        the highest score where none is high enough for the specificity: never predicted positive.
    """
    if isinstance(rule, int | float):
        return Estimate(value=rule)
    falling = np.argsort(-p, kind="stable")
    falling = falling[~np.isnan(y[falling])]
    y, p = y[falling], p[falling]
    if len(np.unique(y)) < 2:
        return Estimate(value=None, reason="a single class present in validation: 0.5")

    def best(weights: Array) -> dict[str, Array]:
        return {"threshold": _best(rule, y, p, weights)}

    value = best(np.ones((1, len(y))))["threshold"][0]
    chosen = over_replicates(best, replicates.take(falling))["threshold"]
    low, high, undefined = percentiles(chosen)
    if rule in ("youden", "f1") and low is not None:
        value = expit(np.nanmean(logit(np.clip(chosen, 1e-300, 1 - 1e-16))))
    return Estimate(value=float(value), low=low, high=high, undefined_replicates=undefined)


def _best(rule: Rule, y: Array, p: Array, weights: Array) -> Array:
    """The best threshold [R] under each row of image weights [R, N]; NaN with a single class.

    Scores fall. Equal ones cannot be parted, and below the best cut ends a run with a positive
    image: a negative one more only adds a false positive. Only a specificity may end elsewhere.
    """
    run = np.cumsum(np.append(False, p[1:] != p[:-1]))
    ends = np.flatnonzero(np.append(p[1:] != p[:-1], True))
    if not isinstance(rule, AtSpecificity):
        ends = ends[np.bincount(run, y) > 0]
    starts = np.append(0, ends[:-1] + 1)
    called = np.cumsum(np.add.reduceat(weights[:, : ends[-1] + 1], starts, axis=1), axis=1)
    positive = np.flatnonzero(y == 1)
    so_far = np.cumsum(weights[:, positive], axis=1)
    tp = so_far[:, np.searchsorted(positive, ends, side="right") - 1]
    if positive[0] > ends[0]:
        tp[:, ends < positive[0]] = 0
    fp, present = called - tp, so_far[:, -1:]
    absent = weights.sum(axis=1, keepdims=True) - present
    with np.errstate(invalid="ignore", divide="ignore"):
        if isinstance(rule, AtSensitivity):
            cut = np.argmax(tp / present >= rule.sensitivity, axis=1)
        elif isinstance(rule, AtSpecificity):  # -1: over all scores
            cut = (((absent - fp) / absent) >= rule.specificity).sum(axis=1) - 1
        elif rule == "youden":
            cut = np.argmax(tp / present - fp / absent, axis=1)
        else:
            cut = np.argmax(2 * tp / (tp + fp + present), axis=1)
    thresholds = np.append(_between(p)[ends], np.nextafter(p[0], 2))[cut]
    return np.where((present > 0) & (absent > 0), thresholds[:, None], np.nan)[:, 0]


def _between(scores: Array) -> NDArray[np.float64]:
    """Half way from each falling score to the next: the same decisions, and no image on the edge.

    The lowest score stays, and so do neighboring floating-point numbers: there is none between.
    """
    lower = np.append(scores[1:], scores[-1])
    half = (scores + lower) / 2
    return np.where((lower < half) & (half <= scores), half, scores)
