"""Calibrated probabilities: a slope and an intercept for the logits of each class.

Platt 1999 for labels that are decided one by one; vector scaling (Guo et al. 2017, On Calibration
of Modern Neural Networks, section 4.2) for classes that exclude each other. A temperature alone
cannot mend what class weights do to the logits: they move all of them by a constant.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from scipy.stats import chi2

from thorax.artifacts.model import Scaling
from thorax.io import rounded
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

SINGLE = "a single class present in validation"
CALIBRATED = "validation shows no miscalibration beyond chance"
SIGNIFICANCE = 0.001  # of the likelihood-ratio test against leaving the logits as they are
SLOPES = (0.01, 100.0)  # searched


def fit_scaling(val: Predictions) -> dict[str, Scaling]:
    """Slope and intercept of each class with the least log loss of known labels.

    First one slope for all classes, as with a temperature, then what single classes need beyond it.
    Each step is kept only where it is better than what was before by a likelihood-ratio test in
    which each patient counts as one image: fitting noise makes probabilities worse, and few images
    show no more than that.
    """
    known, present = (~np.isnan(val.y)).sum(axis=0), np.nansum(val.y, axis=0)
    single = (present == 0) | (present == known)
    if val.task.exclusive:
        single[:] = single.any()
    val = replace(val, y=np.where(single, np.nan, val.y))
    slope, intercept = _least_loss(val, val.z, shared=True)
    kept = _gain_by_patient(val, val.z, val.z * slope).sum() > _least_gain(1)
    slope = np.where(kept, slope, 1.0)
    more, intercept = _least_loss(val, val.z * slope, shared=False)
    gain = _gain_by_patient(val, val.z * slope, val.z * slope * more + intercept)
    better = gain > _least_gain(2 * len(slope) - 1 if val.task.exclusive else 2)
    better = np.resize(better, len(slope))
    slope, intercept = np.where(better, slope * more, slope), np.where(better, intercept, 0.0)

    def scaling(i: int) -> Scaling:
        if not single[i] and (kept or better[i]):
            return Scaling(slope=round(slope[i], 4), intercept=round(intercept[i], 4))
        return Scaling(slope=None, intercept=None, reason=SINGLE if single[i] else CALIBRATED)

    return {name: scaling(i) for i, name in enumerate(val.outputs)}


def _least_loss(val: Predictions, z: Array, *, shared: bool) -> tuple[Array, Array]:
    """Slopes and intercepts [O] of logits [N, O]; `shared` is one slope and no intercept.

    Fitted to Platt's targets, so that a validation set separated without an error has an answer.
    """
    classes, known = z.shape[1], ~np.isnan(val.y)
    targets = _platts_targets(val.y, known.sum(axis=0), exclusive=val.task.exclusive)

    def parts(theta: Array) -> tuple[Array, Array]:
        if shared:
            return np.full(classes, np.exp(theta[0])), np.zeros(classes)
        return np.exp(theta[:classes]), theta[classes:]

    def loss(theta: Array) -> tuple[float, Array]:
        slope, intercept = parts(theta)
        moved = z * slope + intercept
        excess = np.where(known, val.task.activation(moved) - targets, 0)
        by_slope, by_intercept = slope * (excess * z).sum(axis=0), excess.sum(axis=0)
        gradient = by_slope.sum(keepdims=True) if shared else np.r_[by_slope, by_intercept]
        return float(np.nansum(val.task.log_loss(moved, targets))), gradient

    low, high = np.log(SLOPES)
    bounds = [(low, high)] if shared else [(low, high)] * classes + [(None, None)] * classes
    return parts(minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, tol=1e-9).x)


def _least_gain(parameters: int) -> float:
    """Log-likelihood from which a likelihood-ratio test rejects no change."""
    return float(chi2.ppf(1 - SIGNIFICANCE, parameters) / 2)


def _platts_targets(y: Array, known: Array, *, exclusive: bool) -> Array:
    """Labels [N, O] drawn a little toward each other, as if one more of each kind were known.

    For exclusive classes the rows keep the sum 1.
    """
    present = np.nansum(y, axis=0)
    if exclusive:
        kept = (present + 1) / (present + 2)
        others = (1 - (y * kept).sum(axis=1, keepdims=True)) / max(y.shape[1] - 1, 1)
        targets: Array = np.where(y == 1, y * kept, others)
        return targets
    positive, negative = (present + 1) / (present + 2), 1 / (known - present + 2)
    return np.where(np.isnan(y), np.nan, np.where(y == 1, positive, negative))


def _gain_by_patient(val: Predictions, before: Array, after: Array) -> Array:
    """Log-likelihood that logits [N, O] gain over others, a patient's images averaged.

    Returns:
        [O], or [1] where classes exclude each other.
    """
    gained = val.task.log_loss(before, val.y) - val.task.log_loss(after, val.y)
    patient = val.images["patient_id"].to_numpy()
    _, codes = np.unique(patient, return_inverse=True)
    known = ~np.isnan(gained)
    images = np.zeros((codes.max(initial=-1) + 1, gained.shape[1]))
    sums = np.zeros_like(images)
    np.add.at(images, codes, known)
    np.add.at(sums, codes, np.where(known, gained, 0))
    means: Array = np.divide(sums, images, out=np.zeros_like(sums), where=images > 0)
    return np.asarray(means.sum(axis=0))


def scale(z: Array, scaling: dict[str, Scaling]) -> Array:
    """Calibrated logits [N, O]; a class without a scaling keeps its own."""
    slope, intercept = np.array([each.line for each in scaling.values()]).T
    scaled: Array = z * slope + intercept
    return scaled


def intercept_and_slope(y: Array, p: Array) -> tuple[float | None, float | None]:
    """Calibration intercept and slope of one class (Van Calster et al. 2019).

    The intercept is that of a logistic regression of the label with the logit as offset, so it is
    0 where the mean probability is the prevalence; the slope that of a regression on the logit.

    Args:
        y: known labels [N].
        p: probabilities [N].

    Returns:
        None for both where a single class is present, for the slope where the two are separated.
    """
    if len(np.unique(y)) < 2:
        return None, None
    z = logit(np.clip(p, 1e-15, 1 - 1e-15))
    bound = np.abs(z).max() + 40
    intercept = brentq(lambda a: float(np.mean(expit(z + a) - y)), -bound, bound)

    def loss(theta: Array) -> tuple[float, Array]:
        line = theta[0] + theta[1] * z
        excess = expit(line) - y
        gradient = np.array([excess.mean(), (excess * z).mean()])
        return float(np.mean(np.logaddexp(0, line) - y * line)), gradient

    separated = z[y == 1].min() > z[y == 0].max() or z[y == 1].max() < z[y == 0].min()
    slope = None if separated else minimize(loss, np.array([0.0, 1.0]), jac=True, tol=1e-8).x[1]
    return rounded(float(intercept)), rounded(slope)
