"""Whether probabilities mean what they say, and what decisions by them are worth.

Shapes: N images, O outputs. Functions of one class take its known labels only.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax
from scipy.stats import binomtest

from thorax.io import rounded
from thorax.metrics.classification import log_loss

Array = NDArray[np.float64]

BINS = 15  # of equal counts, for the calibration error
SHOWN_BINS = 10  # of equal counts, for the reliability diagram
SMALLEST = 1e-7  # probabilities are kept this far from 0 and 1, as in the loss
RANGE = (0.01, 100.0)  # searched for the temperature


def scaled(p: Array, temperature: float, exclusive: bool) -> Array:
    """Probabilities [N, O] at a temperature; over 1 they become less sure.

    Args:
        p: raw probabilities [N, O].
        temperature: what the logits are divided by.
        exclusive: exactly one class is true of an image (softmax), else each on its own (sigmoid).
    """
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    result: Array
    result = (
        softmax(np.log(p) / temperature, axis=1) if exclusive else expit(logit(p) / temperature)
    )
    return result


def fit_temperature(y: Array, p: Array, exclusive: bool) -> tuple[float | None, str]:
    """The temperature with the least log loss of known labels, one for all classes.

    Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.

    Args:
        y: validation labels [N, O].
        p: validation probabilities [N, O].
        exclusive: as in `scaled`.

    Returns:
        The temperature and an empty reason, or None and why there is none.
    """
    if len(np.unique(y[~np.isnan(y)])) < 2:
        return None, "validation has one outcome only"

    def loss(log_temperature: float) -> float:
        p_scaled = scaled(p, float(np.exp(log_temperature)), exclusive)
        value = log_loss(y, p_scaled, exclusive=exclusive)
        assert value is not None
        return value

    low, high = np.log(RANGE)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-7}).x
    # Without a mistake the loss falls to the clipping of the probabilities, and stays there.
    if loss(low) - loss(best) < 10 * SMALLEST:
        return None, "validation is told apart without a mistake: no temperature is the best"
    if high - best < 1e-3:
        return None, "validation is told no better than by chance: no temperature is the best"
    return round(float(np.exp(best)), 4), ""


def brier(y: Array, p: Array) -> float | None:
    """Mean squared difference between known labels and probabilities of one class [N]."""
    return float(np.mean((p - y) ** 2)) if len(y) else None


def equal_mass(p: Array, bins: int) -> NDArray[np.int64]:
    """Bin of each score [N]: bins of equal counts, but equal scores share the bin of the first."""
    count = len(p)
    sizes = [count // bins + (i < count % bins) for i in range(bins)]
    starts = np.cumsum([0, *sizes[:-1]])
    first = np.searchsorted(np.sort(p), p)
    return np.searchsorted(starts, first, side="right") - 1


def calibration_error(y: Array, p: Array) -> float | None:
    """Expected calibration error of one class [N], 15 bins of equal mass.

    Bins of equal counts are less biased than those of equal width (Nguyen and O'Connor 2015,
    section 3; Roelofs et al. 2022, section 4).
    """
    if not len(y):
        return None
    bins = equal_mass(p, min(BINS, len(y)))
    return float(np.abs(np.bincount(bins, p - y)).sum() / len(y))


def reliability(y: Array, p: Array) -> list[dict[str, Any]]:
    """Bins of the reliability diagram: mean predicted, observed share, Wilson interval, count."""
    bins = equal_mass(p, max(1, min(SHOWN_BINS, len(y))))
    rows = []
    for bin_ in np.unique(bins):
        own = bins == bin_
        present, count = int(y[own].sum()), int(own.sum())
        low, high = wilson(present, count)
        rows.append({"predicted": rounded(float(p[own].mean())), "observed": ratio(present, count),
                     "low": low, "high": high, "count": count})  # fmt: skip
    return rows


def wilson(part: int, whole: int) -> tuple[float | None, float | None]:
    """95 % interval of a share (Wilson 1927), images taken as independent; None of nothing."""
    if not whole:
        return None, None
    bounds = binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return rounded(bounds.low), rounded(bounds.high)


def net_benefit(y: Array, p: Array, risks: Array) -> Array:
    """True positives less false positives at the odds of the threshold, per image, [R].

    Vickers and Elkin 2006, Decision Curve Analysis. An image is called where p >= risk.

    Args:
        y: known labels of one class [N].
        p: its probabilities [N].
        risks: threshold probabilities [R], each between 0 and 1.
    """
    true = (y == 1).sum() - np.searchsorted(np.sort(p[y == 1]), risks)
    false = (y == 0).sum() - np.searchsorted(np.sort(p[y == 0]), risks)
    result: Array = (true - false * risks / (1 - risks)) / len(y)
    return result


def predictive_values(
    sensitivity: float | None, specificity: float | None, prevalence: float
) -> tuple[float | None, float | None]:
    """PPV and NPV at a prevalence by Bayes' rule; None where nothing is called, or all is."""
    if sensitivity is None or specificity is None:
        return None, None
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    missed, cleared = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
    return ratio(true, true + false), ratio(cleared, cleared + missed)


def ratio(part: float, whole: float) -> float | None:
    """A share with four decimals, None of nothing."""
    return rounded(part / whole) if whole else None
