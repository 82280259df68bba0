"""Calibration against simulation, scikit-learn, SciPy and arithmetic by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from thorax.artifacts.model import Scaling
from thorax.metrics.calibration import (
    HISTOGRAM_BINS,
    RISKS,
    brier,
    calibration,
    calibration_error,
    equal_mass,
    error_if_calibrated,
    net_benefit,
    predictive_values,
    reliability,
)
from thorax.metrics.classification import counts, ones, rates
from thorax.metrics.predictions import IDS, Predictions
from thorax.metrics.scaling import fit_scaling, scale

PREVALENCES = [0.01, 0.3]
TASKS = ["multi-label", "multi-class"]


def predictions(y, z, task="multi-label"):
    images = pd.DataFrame({name: map(str, range(len(y))) for name in IDS})
    return Predictions(task, list("abc"[: y.shape[1]]), images, y, z)


def overconfident(task="multi-label", n=20_000, t=2.5, seed=0):
    """Labels drawn from calibrated probabilities whose logits are then multiplied by `t`."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, (n, 3))
    if task == "multi-class":
        label = (softmax(z, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        return predictions(np.eye(3)[np.minimum(label, 2)], t * z, task)
    return predictions((rng.random(z.shape) < expit(z)).astype(float), t * z)


def with_unknown(part, n=50):
    y, z = (np.r_[table, np.full((n, 3), value)] for table, value in ((part.y, np.nan),
                                                                     (part.z, 7.0)))  # fmt: skip
    return predictions(y, z, part.task_name)


def sample(n=1500, seed=1):
    """Labels and probabilities of one class."""
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return (rng.random(n) < p**2).astype(float), p


class TestScores:
    def test_brier_as_scikit_learn_has_it(self):
        y, p = sample()
        assert brier(y, p) == pytest.approx(brier_score_loss(y, p), abs=1e-12)

    def test_calibration_error_as_scikit_learns_bins_give_it(self):
        y, p = sample()
        observed, predicted = calibration_curve(y, p, n_bins=15, strategy="quantile")
        assert calibration_error(y, p) == pytest.approx(np.abs(observed - predicted).mean())

    @pytest.mark.parametrize("n", [1, 7, 15, 100, 1009])
    def test_calibration_error_by_brute_force(self, n):
        y, p = sample(n)
        bins = np.array_split(np.argsort(p), min(15, n))
        gaps = [len(i) * abs(y[i].mean() - p[i].mean()) for i in bins]
        assert calibration_error(y, p) == pytest.approx(sum(gaps) / n)

    def test_scaling_calibrates_the_overconfident(self):
        part = overconfident()
        scaled = expit(scale(part.z, fit_scaling(part)))
        before, after = (calibration_error(part.y[:, 0], p[:, 0]) for p in (part.p, scaled))
        assert before > 0.1
        assert after < 0.015

    def test_equal_scores_share_a_bin_in_any_order(self):
        y, p = sample(400)
        p = np.round(p, 1)
        bins = equal_mass(p, 15)
        assert all(len(np.unique(bins[p == score])) == 1 for score in np.unique(p))
        order = np.random.default_rng(0).permutation(400)
        assert calibration_error(y[order], p[order]) == pytest.approx(calibration_error(y, p))

    def test_reliability_bins(self):
        y, p = sample(1000)
        bins = reliability(y, p)
        assert [each.count for each in bins] == [100] * 10
        observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
        np.testing.assert_allclose([each.observed for each in bins], observed, atol=5.1e-5)
        np.testing.assert_allclose([each.predicted for each in bins], predicted, atol=5.1e-5)
        assert all(each.low <= each.observed <= each.high for each in bins)


class TestDecisions:
    def test_net_benefit_at_counts_by_hand(self):
        # At .2: two of three present and three of seven absent are positive; odds are 1 to 4.
        y = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0.0])
        p = np.array([0.9, 0.2, 0.1, 0.8, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1])
        assert net_benefit(y, p, np.array([0.2])) == pytest.approx((2 - 3 / 4) / 10)
        # At .5 the odds are even: one present and two absent.
        assert net_benefit(y, p, np.array([0.5])) == pytest.approx((1 - 2) / 10)

    def test_treating_all_and_none(self):
        y, _ = sample()
        everyone, nobody = (net_benefit(y, np.full_like(y, p), RISKS) for p in (1, 0))
        prevalence = y.mean()
        np.testing.assert_allclose(everyone, prevalence - (1 - prevalence) * RISKS / (1 - RISKS))
        assert (nobody == 0).all()

    def test_a_perfect_score_is_worth_the_prevalence(self):
        y, _ = sample()
        np.testing.assert_allclose(net_benefit(y, y, RISKS), y.mean())

    def test_predictive_values_by_bayes(self):
        # Of 1000: 10 present, 9 of them positive; 990 absent, 198 of them positive.
        values = predictive_values(0.9, 0.8, 0.01)
        assert values.ppv == round(9 / (9 + 198), 4)
        assert values.npv == round(792 / (792 + 1), 4)
        for known, expected in (
            ((0, 1), (None, 0.9)), ((1, 0), (0.1, None)), ((None, 0.8), (None, None)),
        ):  # fmt: skip
            values = predictive_values(*known, 0.1)
            assert (values.ppv, values.npv) == expected

    def test_at_the_subsets_own_prevalence_they_are_what_was_counted(self):
        y, p = sample()
        d = (p >= 0.6).astype(float)
        counted = rates(*counts(y[:, None], d[:, None], ones(len(y))))
        values = predictive_values(
            counted["sensitivity"].item(), counted["specificity"].item(), y.mean()
        )
        assert values.ppv == round(counted["precision"].item(), 4)
        assert values.npv == round(counted["npv"].item(), 4)


HALF = Scaling(slope=0.5, intercept=0.0)
NONE = Scaling(slope=None, intercept=None, reason="because")


def described(part, thresholds=0.5, scaling=HALF, prevalences=PREVALENCES):
    limits = np.full(len(part.outputs), thresholds)
    return calibration(part, part, limits, dict.fromkeys(part.outputs, scaling), prevalences)


def leaves(value):
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


class TestArtifact:
    @pytest.mark.parametrize("task", TASKS)
    def test_has_short_numbers_and_curves_before_and_after(self, task):
        artifact = described(overconfident(task, n=400))
        assert artifact.scaling["a"] == HALF
        numbers = [v for v in leaves(artifact.model_dump()) if isinstance(v, float)]
        assert all(round(value, 4) == value for value in numbers)
        first = artifact.test.classes["a"]
        assert first.reasons == {}
        assert len(first.net_benefit.raw) == len(first.net_benefit.scaled) == len(RISKS) <= 100
        assert sum(first.histogram_present) == first.present
        assert sum(first.histogram_absent) == first.known - first.present
        assert len(first.histogram_absent) == HISTOGRAM_BINS
        assert artifact.test.log_loss.scaled < artifact.test.log_loss.raw
        assert first.ece.scaled < first.ece.raw

    @pytest.mark.parametrize("task", TASKS)
    def test_it_reads_back(self, task, tmp_path):
        artifact = described(overconfident(task, n=100))
        artifact.write(tmp_path / "calibration.json")
        assert type(artifact).read(tmp_path / "calibration.json") == artifact

    def test_exclusive_classes_are_decided_by_the_most_likely(self):
        part = overconfident("multi-class", n=400)
        by_threshold = {"thresholds": 0.999999, "prevalences": [0.2]}
        classes = described(part, **by_threshold).test.classes
        assert classes == described(part, thresholds=0.5, prevalences=[0.2]).test.classes
        assert all(each.predictive_values[0].ppv is not None for each in classes.values())

    def test_unknown_labels_do_not_count(self):
        part = overconfident(n=300)
        assert described(with_unknown(part)) == described(part)

    @pytest.mark.parametrize("label", [0.0, 1.0])
    def test_a_single_class_present_leaves_gaps_with_reasons(self, label):
        z = np.linspace(-3, 3, 20)[:, None]
        first = described(predictions(np.full((20, 1), label), z), scaling=NONE)
        first = first.test.classes["a"]
        assert first.net_benefit is None
        assert first.reliability_scaled is None
        assert [at.ppv for at in first.predictive_values] == [None, None]
        assert first.brier.raw == round(float(np.mean((expit(z) - label) ** 2)), 4)
        assert first.brier.scaled is first.ece.scaled is None
        assert set(first.reasons) == {"net_benefit", "intercept", "slope"}

    def test_never_positive_has_no_predictive_value(self):
        y, p = sample(100)
        part = predictions(y[:, None], np.log(p / (1 - p))[:, None])
        (first, _) = described(part, thresholds=1.1).test.classes["a"].predictive_values
        assert (first.ppv, first.npv) == (None, 0.99)

    @pytest.mark.parametrize("task", TASKS)
    def test_an_empty_subset_is_all_gaps(self, task):
        part = overconfident(task, n=50)
        none = predictions(part.y[:0], part.z[:0], task)
        scaling = dict.fromkeys("abc", HALF)
        test = calibration(part, none, np.full(3, 0.5), scaling, PREVALENCES).test
        assert test.log_loss.raw is test.log_loss.scaled is None
        first = test.classes["a"]
        assert (first.known, first.brier.raw, first.ece.scaled) == (0, None, None)
        assert first.reliability is first.reliability_scaled is first.net_benefit is None
        assert first.reasons["brier"] == "no known label"

    def test_without_a_scaling_only_the_raw_scores_are_described(self):
        artifact = described(overconfident(n=60), scaling=NONE)
        first = artifact.val.classes["a"]
        assert artifact.val.log_loss.scaled == artifact.val.log_loss.raw
        assert first.reliability_scaled is first.net_benefit.scaled is None
        assert first.brier.raw is not None


@pytest.mark.parametrize("images", [100, 1000])
def test_it_is_what_perfect_models_show(images):
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 1, images)
    shown = [calibration_error((rng.random(images) < p) * 1.0, p) for _ in range(100)]
    assert error_if_calibrated(p) == pytest.approx(np.mean(shown), rel=0.1)


def test_it_shrinks_with_the_root_of_the_images():
    p = np.random.default_rng(0).random(400)
    few, many = error_if_calibrated(p), error_if_calibrated(np.tile(p, 9))
    assert few / many == pytest.approx(3, rel=0.15)


def test_certain_probabilities_have_none_and_no_image_has_no_reference():
    assert error_if_calibrated(np.array([0.0, 1.0, 1.0])) == 0
    assert error_if_calibrated(np.zeros(0)) is None
