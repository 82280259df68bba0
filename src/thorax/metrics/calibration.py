"""Whether probabilities mean what they say, and what decisions by them are worth.

Temperature comes from validation; test is only described. Shapes: N images, O outputs. Functions
of one class take its known labels only.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from thorax.artifacts.evaluation import (
    Bin,
    Calibration,
    ClassCalibration,
    NetBenefit,
    PredictiveValues,
    Scaled,
    SubsetCalibration,
)
from thorax.io import rounded
from thorax.metrics.classification import counts, number, ones, rates
from thorax.metrics.intervals import wilson
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

ECE_BINS = 15  # of equal counts
RELIABILITY_BINS = 10  # of equal counts
HISTOGRAM_BINS = 20  # of equal width
TEMPERATURES = (0.01, 100.0)  # searched
# Threshold probabilities of the decision curve; beyond them nobody would decide by a score.
RISKS = np.round(np.arange(1, 100) / 100, 2)


def calibration(
    val: Predictions,
    test: Predictions,
    thresholds: Array,
    temperature: float | None,
    reason: str,
    prevalences: Sequence[float],
) -> Calibration:
    """Calibration of each subset and class.

    Args:
        val: validation, out of fold if there are several.
        test: the held-out images; they are described and choose nothing.
        thresholds: on raw probabilities, chosen on validation [O].
        temperature: as from `fit_temperature`; None leaves what depends on it undefined.
        reason: why there is no temperature.
        prevalences: for which PPV and NPV are also stated.
    """
    return Calibration(
        temperature=temperature,
        reason=reason,
        risks=RISKS.tolist(),
        val=_subset(val, thresholds, temperature, prevalences),
        test=_subset(test, thresholds, temperature, prevalences),
    )


def _subset(
    predictions: Predictions,
    thresholds: Array,
    temperature: float | None,
    prevalences: Sequence[float],
) -> SubsetCalibration:
    p = predictions.p
    after = (
        predictions.task.activation(predictions.z / temperature) if temperature and len(p) else None
    )
    d = predictions.task.decide(p, thresholds)
    classes = {}
    for i, name in enumerate(predictions.outputs):
        known = ~np.isnan(predictions.y[:, i])
        y = predictions.y[known, i]
        tempered = None if after is None else after[known, i]
        classes[name] = _class(y, p[known, i], tempered, d[known, i], prevalences)
    raw = rounded(log_loss(predictions)) if np.isfinite(predictions.y).any() else None
    cooled = (
        rounded(log_loss(predictions, temperature)) if raw is not None and temperature else None
    )
    return SubsetCalibration(log_loss=Scaled(raw=raw, scaled=cooled), classes=classes)


def _class(
    y: Array, p: Array, tempered: Array | None, d: Array, prevalences: Sequence[float]
) -> ClassCalibration:
    """Everything of one class.

    Args:
        y: known labels [N].
        p: raw probabilities [N].
        tempered: probabilities at the fitted temperature [N], None without one.
        d: decisions [N].
        prevalences: for which PPV and NPV are stated.
    """
    present = int(y.sum())
    both = 0 < present < len(y)
    tempered = tempered if len(y) else None
    reasons = {}
    if not both:
        reasons["net_benefit"] = f"{present} present and {len(y) - present} absent labels"
    if not len(y):
        reasons |= dict.fromkeys(("brier", "ece", "reliability"), "no known label")
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    return ClassCalibration(
        known=len(y),
        present=present,
        predictive_values=_stated(y, d, prevalences),
        brier=_scaled(brier, y, p, tempered),
        ece=_scaled(calibration_error, y, p, tempered),
        reliability=reliability(y, p) if len(y) else None,
        reliability_scaled=None if tempered is None else reliability(y, tempered),
        net_benefit=_net_benefits(y, p, tempered) if both else None,
        histogram_present=np.histogram(p[y == 1], edges)[0].tolist(),
        histogram_absent=np.histogram(p[y == 0], edges)[0].tolist(),
        reasons=reasons,
    )


def fit_temperature(val: Predictions) -> tuple[float | None, str]:
    """The temperature with the least log loss of known labels, one for all classes.

    Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.

    Returns:
        The temperature and an empty reason, or None and why there is none.
    """
    if len(np.unique(val.y[~np.isnan(val.y)])) < 2:
        return None, "validation has a single class present"

    def loss(log_temperature: float) -> float:
        return log_loss(val, float(np.exp(log_temperature)))

    low, high = np.log(TEMPERATURES)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-7}).x
    if loss(low) <= loss(best):
        return None, "validation is separated without an error: no temperature is the best"
    if loss(high) <= loss(best):
        return None, "validation is ranked no better than by chance: no temperature is the best"
    return round(float(np.exp(best)), 4), ""


def log_loss(predictions: Predictions, temperature: float = 1.0) -> float:
    """Mean cross-entropy at a temperature: per image for exclusive classes, else per label."""
    return float(np.nanmean(predictions.task.log_loss(predictions.z / temperature, predictions.y)))


def _scaled(
    figure: Callable[[Array, Array], float | None], y: Array, p: Array, tempered: Array | None
) -> Scaled:
    return Scaled(
        raw=rounded(figure(y, p)), scaled=None if tempered is None else rounded(figure(y, tempered))
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


def _net_benefits(y: Array, p: Array, tempered: Array | None) -> NetBenefit:
    def curve(scores: Array) -> list[float]:
        return [round(value, 4) for value in net_benefit(y, scores, RISKS).tolist()]

    return NetBenefit(
        raw=curve(p),
        scaled=None if tempered is None else curve(tempered),
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
