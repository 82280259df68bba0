"""What each patient contributes to a metric: the metrics of `classification`, differentiated.

Shapes: N images, P patients. Labels y [N] are 1 or 0; scores and decisions [N].
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from thorax.metrics.intervals import Patients, Statistic, undefined
from thorax.tasks import Array

WITH, WITHOUT, CALLED, NOT_CALLED, ALL = (
    "with the finding", "without the finding", "predicted positive", "predicted negative",
    "with a label",
)  # fmt: skip
AREA_EDGE, SHARE_EDGE = 0.1, 2.0  # patients in error, by coverage (benchmarks/coverage.py)


def of_class(y: Array, score: Array, d: Array, patients: Patients) -> dict[str, Statistic]:
    """Every metric of `classification.PER_CLASS` of one class; labels may be NaN."""
    known = ~np.isnan(y)
    y, score, d, patients = y[known], score[known], d[known], patients.take(known)
    auroc, average_precision = areas(y, score, patients)
    right = (y == d).astype(float)
    return {
        "auroc": auroc,
        "average_precision": average_precision,
        "sensitivity": share(y * d, y, patients, WITH),
        "specificity": share((1 - y) * right, 1 - y, patients, WITHOUT),
        "precision": share(y * d, d, patients, CALLED),
        "npv": share((1 - d) * right, 1 - d, patients, NOT_CALLED),
        "accuracy": share(right, np.ones(len(y)), patients, ALL),
        # It counts false positives as well, but rests on the patients with the finding.
        "f1": replace(share(2 * y * d, y + d, patients, WITH), patients=patients.number(y == 1)),
    }


def areas(y: Array, score: Array, patients: Patients) -> tuple[Statistic, Statistic]:
    """AUROC and average precision; exact in ties, undefined without both outcomes."""
    positive = y == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        nothing = undefined(patients, WITHOUT if m else WITH)
        return nothing, nothing
    run = np.unique(-score, return_inverse=True)[1]  # of equal scores, the highest first
    present, absent = np.bincount(run, positive), np.bincount(run, ~positive)
    present_to, absent_to = np.cumsum(present), np.cumsum(absent)  # down to the end of each run

    won = np.where(
        positive,
        (n - absent_to + absent / 2)[run] / n,
        (present_to - present / 2)[run] / m,
    )
    auroc = won[positive].mean()
    by_image = (won - auroc) / np.where(positive, m, n)

    precision = present_to / (present_to + absent_to)
    average_precision = (precision * present).sum() / m
    # An image changes the precision at each positive that it outscores or equals.
    gained = _from_below(present / (present_to + absent_to))[run]
    lost = _from_below(present * precision / (present_to + absent_to))[run]
    of_positive = precision[run] - average_precision + gained
    precise = _area(average_precision, (positive * of_positive - lost) / m, positive, patients)
    return _area(auroc, by_image, positive, patients), replace(precise, biased_if_few=True)


def share(numerator: Array, denominator: Array, patients: Patients, basis: str) -> Statistic:
    """A sum over a sum of images [N]; it rests on the patients that the denominator counts."""
    counted = patients.number(denominator > 0)
    if not counted:
        return undefined(patients, basis)
    total = denominator.sum()
    value = numerator.sum() / total
    influence = patients.total((numerator - value * denominator) / total) * _small(counted)
    df = counted - 1
    return Statistic(float(value), influence, df, counted, basis, SHARE_EDGE, unit=patients.unit)


def _area(
    value: float, by_image: Array, positive: NDArray[np.bool_], patients: Patients
) -> Statistic:
    """Positive and negative images with a correction each, as of two samples (DeLong 1988)."""
    counts = {WITH: patients.number(positive), WITHOUT: patients.number(~positive)}
    influence = patients.total(by_image * positive) * _small(counts[WITH])
    influence += patients.total(by_image * ~positive) * _small(counts[WITHOUT])
    basis = min(counts, key=lambda name: counts[name])
    squares = influence**2
    df = float(counts[basis] - 1)
    if squares.any():
        # Near 1 few patients carry the variance: fewer degrees of freedom, by the fourth moment.
        tails = (squares**2).sum() / squares.sum() ** 2 - 1 / len(np.unique(patients.of_image))
        df = min(df, max(1.0, 2 / max(tails, 1e-9)))
    few = counts[basis]
    return Statistic(float(value), influence, df, few, basis, AREA_EDGE, unit=patients.unit)


def _small(count: int) -> float:
    """Correction of the standard deviation of a small sample."""
    return float(np.sqrt(count / max(count - 1, 1)))


def _from_below(values: Array) -> Array:
    total: Array = np.cumsum(values[::-1])[::-1]
    return total
