"""Calibrated probabilities: a slope and an intercept for the logits of each class.

Platt 1999 for labels that are decided one by one; vector scaling (Guo et al. 2017, On Calibration
of Modern Neural Networks, section 4.2) for classes that exclude each other. A temperature alone
cannot mend what class weights do to the logits: they move all of them by a constant.
"""

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from scipy.stats import chi2

from thorax.artifacts.model import Scaling
from thorax.io import rounded
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

SIGNIFICANCE = 0.001  # of the likelihood-ratio test against leaving the logits as they are
SLOPES = (0.01, 100.0)  # searched


def fit_scaling(val: Predictions) -> dict[str, Scaling]:
    """Slope and intercept of each class with the least log loss of known labels.

    Fitted to Platt's targets (one label of each kind is added), so that a validation set separated
    without an error has an answer. Kept only where it is better than the logits as they are by a
    likelihood-ratio test in which each patient counts as one image: fitting noise makes
    probabilities worse, and few images show no more than that.
    """
    classes, known = val.y.shape[1], ~np.isnan(val.y)
    present = np.nansum(val.y, axis=0)
    single = (present == 0) | (present == known.sum(axis=0))
    targets = _platts_targets(val.y, known.sum(axis=0), exclusive=val.task.exclusive)
    low, high = np.log(SLOPES)

    def loss(theta: Array) -> tuple[float, Array]:
        slope, intercept = np.exp(theta[:classes]), theta[classes:]
        z = val.z * slope + intercept
        excess = np.where(known, val.task.activation(z) - targets, 0)
        gradient = np.concatenate([slope * (excess * val.z).sum(axis=0), excess.sum(axis=0)])
        return float(np.nansum(val.task.log_loss(z, targets))), gradient

    bounds = [(low, high)] * classes + [(None, None)] * classes
    theta = minimize(loss, np.zeros(2 * classes), jac=True, bounds=bounds, tol=1e-9).x
    slopes, intercepts = np.exp(theta[:classes]), theta[classes:]
    gain = _gain_by_patient(val, slopes, intercepts)
    parameters = 2 * classes - 1 if val.task.exclusive else 2
    enough = np.resize(gain > chi2.ppf(1 - SIGNIFICANCE, parameters) / 2, classes)
    if val.task.exclusive:
        single = np.resize(single.any(), classes)

    def scaling(i: int) -> Scaling:
        reason = "a single class present in validation" if single[i] else ""
        if not reason and not enough[i]:
            reason = "validation shows no miscalibration beyond chance"
        if reason:
            return Scaling(slope=None, intercept=None, reason=reason)
        return Scaling(slope=round(slopes[i], 4), intercept=round(intercepts[i], 4))

    return {name: scaling(i) for i, name in enumerate(val.outputs)}


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


def _gain_by_patient(val: Predictions, slope: Array, intercept: Array) -> Array:
    """Log-likelihood gained over the logits as they are, a patient's images averaged.

    Returns:
        [O], or [1] where classes exclude each other.
    """
    before, after = (val.task.log_loss(z, val.y) for z in (val.z, val.z * slope + intercept))
    gained = before - after
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
    slope = [1.0 if s.slope is None else s.slope for s in scaling.values()]
    intercept = [s.intercept or 0.0 for s in scaling.values()]
    return z * slope + intercept


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
