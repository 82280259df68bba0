"""Pointwise 95% bands of ROC and precision-recall curves, from what each patient contributes.

A point of a curve says what its threshold gives (up) where a threshold has a given rate (across).
Other patients would change the first directly, and by moving the threshold to where it has that
rate, which changes the first by the slope of the curve: the variance of Hsieh and Turnbull 1996
(Annals of Statistics 24), with patients in place of images. The interval at each point is that of
`intervals`; how often it holds the truth is measured in benchmarks/bands.py.

Shapes: N images, P patients, K thresholds. Labels y [N] are 1 or 0.
"""

import numpy as np
from numpy.typing import NDArray

from thorax.metrics.intervals import Patients, Statistic
from thorax.tasks import Array

REACH = 2.0  # standard errors to either side, over which the slope of a curve of steps is taken

Band = tuple[Array, Array]  # lower and upper bounds [K], NaN where there are none


def roc(y: Array, score: Array, thresholds: Array, patients: Patients) -> Band:
    """Bounds of the sensitivity at the false positive rate of each threshold, which fall."""
    hits, alarms = _called(y, score, thresholds, patients)
    with_it, without = patients.number(y == 1), patients.number(y == 0)
    rests = np.full(len(thresholds), with_it)
    alarm_rate = _share(alarms, patients.total(1 - y)[:, None])
    sensitivity = _share(hits, patients.total(y)[:, None])
    low, high = _band(alarm_rate, sensitivity, rests, np.minimum(rests, without) - 1)
    # The curve rises: what bounds it here from below, bounds it there, and the reverse from above.
    return np.fmax.accumulate(low), np.fmin.accumulate(high[::-1])[::-1]


def precision_recall(y: Array, score: Array, thresholds: Array, patients: Patients) -> Band:
    """Bounds of the precision at the recall of each threshold, which fall."""
    hits, alarms = _called(y, score, thresholds, patients)
    rests = (hits + alarms > 0).sum(axis=0)
    recall = _share(hits, patients.total(y)[:, None])
    precision = _share(hits, hits + alarms)
    return _band(recall, precision, rests, np.minimum(rests, patients.number(y == 1)) - 1)


def _called(y: Array, score: Array, thresholds: Array, patients: Patients) -> tuple[Array, Array]:
    """Positives and negatives of each patient that reach each threshold, [P, K] each."""
    first = np.searchsorted(-thresholds, -score)  # the highest threshold that an image reaches
    cells = (patients.count, len(thresholds) + 1)
    at = patients.of_image * cells[1] + first
    hits, alarms = (
        np.bincount(at, label, cells[0] * cells[1]).reshape(cells).cumsum(axis=1)[:, :-1]
        for label in (y, 1 - y)
    )
    return hits, alarms


def _share(numerator: Array, denominator: Array) -> tuple[Array, Array]:
    """A sum over a sum [K], NaN of nothing, and what each patient contributes to it [P, K]."""
    total, counted = denominator.sum(axis=0), (denominator > 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = numerator.sum(axis=0) / total
        influence = (numerator - value * denominator) / total
    return value, influence * np.sqrt(counted / np.maximum(counted - 1, 1))


def _band(
    across: tuple[Array, Array],
    up: tuple[Array, Array],
    patients: NDArray[np.int64],
    df: NDArray[np.int64],
) -> Band:
    """Bounds of `up` at fixed values of `across`, which rise; each rests on so many patients."""
    (x, moved), (y, influence) = across, up
    reach = REACH * np.sqrt((moved**2).sum(axis=0))
    left, right = np.clip([x - reach, x + reach], 0, 1)
    known = np.isfinite(y)
    rise = np.interp(right, x[known], y[known]) - np.interp(left, x[known], y[known])
    influence = influence - moved * rise / np.maximum(right - left, 1e-9)
    bounds = [
        Statistic(float(y[k]), influence[:, k], df[k], patients[k], "").interval()
        for k in range(len(y))
    ]
    low, high = np.array(bounds, dtype=float).T
    return low, high
