"""Scaling of logits against simulation, grids and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from thorax.artifacts.model import Scaling
from thorax.metrics.calibration import calibration_error, log_loss
from thorax.metrics.predictions import IDS, Predictions
from thorax.metrics.scaling import fit_scaling, intercept_and_slope, scale


def predictions(y, z, task="multi-label", patients=None):
    images = pd.DataFrame({name: map(str, range(len(y))) for name in IDS})
    if patients is not None:
        images["patient_id"] = patients.astype(str)
    return Predictions(task, list("abc"[: y.shape[1]]), images, y, z)


def drawn(n=4000, slope=1.0, intercept=0.0, task="multi-label", center=-2.0, seed=0):
    """Labels of calibrated logits, which are then moved: the scaling should move them back."""
    rng = np.random.default_rng(seed)
    z = rng.normal(center, 1.8, (n, 3))
    if task == "multi-class":
        label = (softmax(z, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        y = np.eye(3)[np.minimum(label, 2)]
    else:
        y = (rng.random(z.shape) < expit(z)).astype(float)
    return predictions(y, (z - intercept) / slope, task)


def test_it_recovers_slope_and_intercept_of_each_class():
    slope, intercept = np.array([0.4, 1.0, 2.0]), np.array([0.0, -1.5, 1.0])
    fitted = fit_scaling(drawn(20_000, slope, intercept))
    assert [s.slope for s in fitted.values()] == pytest.approx(slope, rel=0.06)
    assert [s.intercept for s in fitted.values()] == pytest.approx(intercept, abs=0.1)


@pytest.mark.parametrize("task", ["multi-label", "multi-class"])
def test_class_weights_are_undone(task):
    """They move the logits of a class by a constant, which no temperature can take back."""
    part = drawn(4000, 1.0, np.array([-1.9, 0.0, 1.0]), task)
    other = drawn(4000, 1.0, np.array([-1.9, 0.0, 1.0]), task, seed=1)
    after = other.task.activation(scale(other.z, fit_scaling(part)))
    errors = [[calibration_error(other.y[:, i], p[:, i]) for i in range(3)]
              for p in (other.p, after)]  # fmt: skip
    assert max(errors[0]) > 0.1
    assert max(errors[1]) < 0.03
    assert log_loss(other, scale(other.z, fit_scaling(part))) < log_loss(other, other.z)


@pytest.mark.parametrize("task", ["multi-label", "multi-class"])
def test_calibrated_logits_stay_as_they_are(task):
    kept = [fit_scaling(drawn(300, task=task, seed=seed)) for seed in range(20)]
    scalings = [scaling for each in kept for scaling in each.values()]
    assert np.mean([scaling.slope is None for scaling in scalings]) >= 0.9
    assert "beyond chance" in next(s.reason for s in scalings if s.slope is None)


def test_images_of_one_patient_are_no_evidence_of_their_own():
    """Forty copies of thirty patients prove no more than thirty."""
    one = drawn(30, seed=3)
    copies = np.tile(np.arange(30), 40)
    part = predictions(one.y[copies], one.z[copies], patients=copies)
    assert all(scaling.slope is None for scaling in fit_scaling(part).values())
    apart = predictions(one.y[copies], one.z[copies])
    assert any(scaling.slope is not None for scaling in fit_scaling(apart).values())


def test_its_minimum_is_that_of_a_grid():
    part = drawn(500, 0.5, 1.0)
    smooth = (part.y.sum(axis=0) + 1) / (part.y.sum(axis=0) + 2)
    rare = 1 / ((1 - part.y).sum(axis=0) + 2)
    t = np.where(part.y == 1, smooth, rare)

    def loss(slope, intercept, i):
        z = part.z[:, i] * slope + intercept
        return np.sum(np.logaddexp(0, z) - t[:, i] * z)

    for i, scaling in enumerate(fit_scaling(part).values()):
        best = loss(scaling.slope, scaling.intercept, i)
        moved = [loss(scaling.slope * a, scaling.intercept + b, i)
                 for a in (0.95, 1, 1.05) for b in (-0.1, 0, 0.1)]  # fmt: skip
        assert best <= min(moved) + 1e-3


def test_unknown_labels_do_not_count():
    part = drawn(400, 0.4)
    y = np.r_[part.y, np.full((50, 3), np.nan)]
    more = predictions(y, np.r_[part.z, np.full((50, 3), 7.0)])
    assert fit_scaling(more) == fit_scaling(part)


def test_separated_labels_have_a_finite_scaling_and_single_ones_a_reason():
    z = np.repeat([[-2.0, 1, 0], [2.0, 1, 0]], 100, axis=0)
    y = np.repeat([[0.0, 1, 0], [1.0, 1, 0]], 100, axis=0)
    first, second, third = fit_scaling(predictions(y, z)).values()
    assert 1 < first.slope < 100
    assert "single class" in second.reason
    assert second.reason == third.reason
    assert "single class" in fit_scaling(predictions(y, z, "multi-class"))["a"].reason
    assert fit_scaling(predictions(y[:0], z[:0]))["a"].slope is None


def test_a_class_without_a_scaling_keeps_its_logits():
    scaling = {"a": Scaling(slope=None, intercept=None, reason="x"),
               "b": Scaling(slope=2.0, intercept=-1.0)}  # fmt: skip
    np.testing.assert_array_equal(scale(np.array([[3.0, 3.0]]), scaling), [[3.0, 5.0]])


def test_intercept_and_slope_are_those_of_logistic_regressions():
    part = drawn(3000, 0.6, 0.8)
    y, p = part.y[:, 0], part.p[:, 0]
    intercept, slope = intercept_and_slope(y, p)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(logit(p)[:, None], y)
    assert slope == pytest.approx(model.coef_.item(), abs=1e-3)
    assert expit(logit(p) + intercept).mean() == pytest.approx(y.mean(), abs=1e-4)
    fitted = fit_scaling(part)["a"]
    assert intercept_and_slope(y, expit(part.z[:, 0] * fitted.slope + fitted.intercept)) == (
        pytest.approx((0, 1), abs=0.02)
    )


def test_intercept_and_slope_need_both_labels_and_an_overlap():
    assert intercept_and_slope(np.ones(4), np.linspace(0.1, 0.9, 4)) == (None, None)
    intercept, slope = intercept_and_slope(np.array([0.0, 0, 1, 1]), np.array([0, 0.2, 0.7, 1]))
    assert slope is None
    assert abs(intercept) < 40
