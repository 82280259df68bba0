"""Whether probabilities mean what they say, and what decisions by them are worth.

The scaling comes from validation; test is only described. Shapes: N images, O outputs. Functions
of one class take its known labels only.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from thorax.artifacts.evaluation import (
    Bin,
    Calibration,
    ClassCalibration,
    NetBenefit,
    PredictiveValues,
    Scaled,
    SubsetCalibration,
)
from thorax.artifacts.model import Scaling
from thorax.io import rounded
from thorax.metrics.classification import counts, number, ones, rates
from thorax.metrics.intervals import wilson
from thorax.metrics.predictions import Predictions
from thorax.metrics.scaling import intercept_and_slope, scale
from thorax.tasks import Array

ECE_BINS = 15  # of equal counts
DRAWS = 100  # of all labels; the mean of so many is certain to about a twentieth of itself
RELIABILITY_BINS = 10  # of equal counts
HISTOGRAM_BINS = 20  # of equal width
# Threshold probabilities of the decision curve; beyond them nobody would decide by a score.
RISKS = np.round(np.arange(1, 100) / 100, 2)


def calibration(
    val: Predictions,
    test: Predictions,
    thresholds: Array,
    scaling: dict[str, Scaling],
    prevalences: Sequence[float],
) -> Calibration:
    """Calibration of each subset and class.

    Args:
        val: validation.
        test: the held-out images; they are described and choose nothing.
        thresholds: on raw probabilities, chosen on validation [O].
        scaling: as from `fit_scaling`; a class without leaves what depends on it undefined.
        prevalences: for which PPV and NPV are also stated.
    """
    return Calibration(
        scaling=scaling,
        risks=RISKS.tolist(),
        val=_subset(val, thresholds, scaling, prevalences),
        test=_subset(test, thresholds, scaling, prevalences),
    )


def _subset(
    predictions: Predictions,
    thresholds: Array,
    scaling: dict[str, Scaling],
    prevalences: Sequence[float],
) -> SubsetCalibration:
    z = scale(predictions.z, scaling)
    p, after = predictions.p, predictions.task.activation(z)
    d = predictions.task.decide(p, thresholds)
    classes = {}
    for i, name in enumerate(predictions.outputs):
        known = ~np.isnan(predictions.y[:, i])
        y = predictions.y[known, i]
        scaled = None if scaling[name].slope is None else after[known, i]
        classes[name] = _class(y, p[known, i], scaled, d[known, i], prevalences)
    losses: list[float | None] = [None, None]
    if np.isfinite(predictions.y).any():
        losses = [rounded(log_loss(predictions, z)) for z in (predictions.z, z)]
    return SubsetCalibration(log_loss=Scaled(raw=losses[0], scaled=losses[1]), classes=classes)


def _class(
    y: Array, p: Array, scaled: Array | None, d: Array, prevalences: Sequence[float]
) -> ClassCalibration:
    """Everything of one class.

    Args:
        y: known labels [N].
        p: raw probabilities [N].
        scaled: calibrated probabilities [N], None without a scaling.
        d: decisions [N].
        prevalences: for which PPV and NPV are stated.
    """
    present = int(y.sum())
    both = 0 < present < len(y)
    scaled = scaled if len(y) else None
    lines = [(None, None) if s is None else intercept_and_slope(y, s) for s in (p, scaled)]
    intercept, slope = (Scaled(raw=raw, scaled=after) for raw, after in zip(*lines, strict=True))
    reasons = {}
    if not both:
        counted = f"{present} present and {len(y) - present} absent labels"
        reasons = dict.fromkeys(("net_benefit", "intercept", "slope"), counted)
    elif slope.raw is None:
        reasons["slope"] = "the scores separate the labels without an error"
    if not len(y):
        reasons |= dict.fromkeys(("brier", "ece", "reliability"), "no known label")
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    return ClassCalibration(
        known=len(y),
        present=present,
        predictive_values=_stated(y, d, prevalences),
        brier=_scaled(brier, y, p, scaled),
        ece=_scaled(calibration_error, y, p, scaled),
        ece_if_calibrated=rounded(error_if_calibrated(p)),
        intercept=intercept,
        slope=slope,
        reliability=reliability(y, p) if len(y) else None,
        reliability_scaled=None if scaled is None else reliability(y, scaled),
        net_benefit=_net_benefits(y, p, scaled) if both else None,
        histogram_present=np.histogram(p[y == 1], edges)[0].tolist(),
        histogram_absent=np.histogram(p[y == 0], edges)[0].tolist(),
        reasons=reasons,
    )


def log_loss(predictions: Predictions, z: Array) -> float:
    """Mean cross-entropy of logits [N, O]: per image for exclusive classes, else per label."""
    return float(np.nanmean(predictions.task.log_loss(z, predictions.y)))


def _scaled(
    figure: Callable[[Array, Array], float | None], y: Array, p: Array, scaled: Array | None
) -> Scaled:
    return Scaled(
        raw=rounded(figure(y, p)), scaled=None if scaled is None else rounded(figure(y, scaled))
    )


def brier(y: Array, p: Array) -> float | None:
    """Mean squared difference between known labels and probabilities of one class [N]."""
    return float(np.mean((p - y) ** 2)) if len(y) else None


def equal_mass(p: Array, bins: int) -> NDArray[np.int64]:
    """Bin of each score [N]: bins of equal counts, but equal scores share the bin of the first."""
    sizes = [len(p) // bins + (i < len(p) % bins) for i in range(bins)]
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
    bins = equal_mass(p, min(ECE_BINS, len(y)))
    return float(np.abs(np.bincount(bins, p - y)).sum() / len(y))


def error_if_calibrated(p: Array) -> float | None:
    """Mean `calibration_error` of probabilities [N] whose labels are drawn from them.

    A bin of few images hardly ever has as many positives as its probabilities promise (consistency
    resampling, Bröcker and Smith 2007, Weather and Forecasting 22). Images are taken for
    independent, so with several a patient the reference is on the low side.
    """
    if not len(p):
        return None
    bins, rng = equal_mass(p, min(ECE_BINS, len(p))), np.random.default_rng(0)
    drawn = (p - (rng.random(len(p)) < p) for _ in range(DRAWS))
    return float(np.mean([np.abs(np.bincount(bins, apart)).sum() for apart in drawn]) / len(p))


def reliability(y: Array, p: Array) -> list[Bin]:
    """Reliability diagram: mean predicted, observed fraction with Wilson's interval, count."""
    bins = equal_mass(p, min(RELIABILITY_BINS, len(y)))
    rows = []
    for bin_ in np.unique(bins):
        inside = bins == bin_
        present, count = int(y[inside].sum()), int(inside.sum())
        low, high = (round(bound, 4) for bound in wilson(present, count))
        predicted, observed = round(float(p[inside].mean()), 4), round(present / count, 4)
        rows.append(Bin(predicted=predicted, observed=observed, low=low, high=high, count=count))
    return rows


def _net_benefits(y: Array, p: Array, scaled: Array | None) -> NetBenefit:
    def curve(scores: Array) -> list[float]:
        return [round(value, 4) for value in net_benefit(y, scores, RISKS).tolist()]

    return NetBenefit(
        raw=curve(p),
        scaled=None if scaled is None else curve(scaled),
        treat_all=curve(np.ones_like(y)),
    )


def net_benefit(y: Array, p: Array, risks: Array) -> Array:
    """True positives less false positives at the odds of the threshold, per image, [R].

    Vickers and Elkin 2006, Decision Curve Analysis. An image is positive where p >= risk.

    Args:
        y: known labels of one class [N].
        p: its probabilities [N].
        risks: threshold probabilities [R], each between 0 and 1.
    """
    true = (y == 1).sum() - np.searchsorted(np.sort(p[y == 1]), risks)
    false = (y == 0).sum() - np.searchsorted(np.sort(p[y == 0]), risks)
    benefit: Array = (true - false * risks / (1 - risks)) / len(y)
    return benefit


def _stated(y: Array, d: Array, prevalences: Sequence[float]) -> list[PredictiveValues]:
    measured = rates(*counts(y[:, None], d[:, None], ones(len(y))))
    sensitivity, specificity = (
        number(measured[name][0, 0]) for name in ("sensitivity", "specificity")
    )
    return [predictive_values(sensitivity, specificity, at) for at in prevalences]


def predictive_values(
    sensitivity: float | None, specificity: float | None, prevalence: float
) -> PredictiveValues:
    """PPV and NPV at a prevalence by Bayes' rule; None where nothing is positive, or all is."""
    ppv = npv = None
    if sensitivity is not None and specificity is not None:
        tp, fp = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
        fn, tn = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
        ppv = rounded(tp / (tp + fp)) if tp + fp else None
        npv = rounded(tn / (tn + fn)) if tn + fn else None
    return PredictiveValues(prevalence=prevalence, ppv=ppv, npv=npv)
