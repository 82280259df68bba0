"""Calibration against simulation, scikit-learn, SciPy and arithmetic by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from thorax.metrics import classification
from thorax.metrics.calibration import (
    brier,
    calibration_error,
    equal_mass,
    fit_temperature,
    net_benefit,
    predictive_values,
    reliability,
    scaled,
    wilson,
)
from thorax.metrics.operating import HISTOGRAM, RISKS, operating_point, probabilities, summarise
from thorax.metrics.summary import Predictions

PREVALENCES = [0.01, 0.3]


def overconfident(exclusive, n=20_000, t=2.5, seed=0):
    """Labels drawn from calibrated probabilities, and the probabilities with logits times `t`."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, (n, 3))
    if exclusive:
        draws = (softmax(z, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        return np.eye(3)[np.minimum(draws, 2)], softmax(t * z, axis=1)
    return (rng.random(z.shape) < expit(z)).astype(float), expit(t * z)


def sample(n=1500, seed=1):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return (rng.random(n) < p**2).astype(float), p


class TestTemperature:
    @pytest.mark.parametrize("exclusive", [False, True])
    @pytest.mark.parametrize("true", [0.6, 2.5])
    def test_recovers_a_known_one(self, exclusive, true):
        y, p = overconfident(exclusive, t=true)
        found, reason = fit_temperature(y, p, exclusive)
        assert found == pytest.approx(true, rel=0.05)
        assert reason == ""

    @pytest.mark.parametrize("exclusive", [False, True])
    def test_no_other_has_less_loss(self, exclusive):
        y, p = overconfident(exclusive, n=500)
        found, _ = fit_temperature(y, p, exclusive)

        def loss(t):
            return classification.log_loss(y, scaled(p, t, exclusive), exclusive=exclusive)

        grid = np.exp(np.linspace(-4, 4, 400))
        assert loss(found) <= min(map(loss, grid)) + 1e-9

    def test_unknown_labels_do_not_count(self):
        y, p = overconfident(False, n=400)
        more_y = np.r_[y, np.full((50, 3), np.nan)]
        more_p = np.r_[p, np.full((50, 3), 0.999)]
        expected = fit_temperature(y, p, False)[0]
        assert fit_temperature(more_y, more_p, False)[0] == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize("exclusive", [False, True])
    def test_scaling_by_one_changes_nothing_and_scaling_keeps_the_order(self, exclusive):
        _, p = overconfident(exclusive, n=300)
        inside = np.clip(p, 1e-6, 1 - 1e-6) if not exclusive else p
        np.testing.assert_allclose(scaled(inside, 1, exclusive), inside, atol=3e-7)
        after = scaled(p, 3, exclusive)
        if exclusive:
            np.testing.assert_allclose(after.sum(axis=1), 1)
            assert (after.argmax(axis=1) == p.argmax(axis=1)).all()
        else:
            order = np.argsort(p[:, 0])
            assert (np.diff(after[order, 0]) >= 0).all()

    def test_certain_scores_stay_finite(self):
        for exclusive in (False, True):
            assert np.isfinite(scaled(np.array([[0.0, 1.0]]), 0.5, exclusive)).all()

    def test_undefined_where_there_is_no_best(self):
        p = np.array([[0.2], [0.7], [0.9]])
        assert fit_temperature(np.ones((3, 1)), p, False) == (
            None, "validation has one outcome only",
        )  # fmt: skip
        found, reason = fit_temperature(np.array([[0.0], [1], [1]]), p, False)
        assert found is None
        assert "without a mistake" in reason
        found, reason = fit_temperature(np.eye(3), np.eye(3) * 0.7 + 0.1, True)
        assert found is None
        assert "without a mistake" in reason
        found, reason = fit_temperature(np.array([[1.0], [0], [0]]), p, False)
        assert found is None
        assert "by chance" in reason
        assert fit_temperature(np.zeros((0, 1)), np.zeros((0, 1)), False)[0] is None


class TestScores:
    def test_brier_as_scikit_learn_has_it(self):
        y, p = sample()
        assert brier(y, p) == pytest.approx(brier_score_loss(y, p))

    def test_calibration_error_as_scikit_learns_bins_give_it(self):
        y, p = sample()
        observed, predicted = calibration_curve(y, p, n_bins=15, strategy="quantile")
        assert calibration_error(y, p) == pytest.approx(np.abs(observed - predicted).mean())

    @pytest.mark.parametrize("n", [1, 7, 15, 100, 1009])
    def test_calibration_error_by_brute_force(self, n):
        y, p = sample(n)
        order = np.argsort(p)
        parts = np.array_split(order, min(15, n))
        gaps = [len(i) * abs(y[i].mean() - p[i].mean()) for i in parts]
        assert calibration_error(y, p) == pytest.approx(sum(gaps) / n)

    def test_scaling_calibrates_the_overconfident(self):
        y, p = overconfident(False)
        found, _ = fit_temperature(y, p, False)
        before, after = (calibration_error(y[:, 0], q[:, 0]) for q in (p, scaled(p, found, False)))
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
        rows = reliability(y, p)
        assert [row["count"] for row in rows] == [100] * 10
        observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
        np.testing.assert_allclose([row["observed"] for row in rows], observed, atol=5.1e-5)
        np.testing.assert_allclose([row["predicted"] for row in rows], predicted, atol=5.1e-5)
        assert all(row["low"] <= row["observed"] <= row["high"] for row in rows)

    def test_wilson_by_its_formula(self):
        z, k, n = 1.959964, 7, 50
        middle = (k / n + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * math.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
        assert wilson(k, n) == pytest.approx((middle - half, middle + half), abs=5.1e-5)
        assert wilson(0, 10)[1] == round(binomtest(0, 10).proportion_ci(method="wilson").high, 4)
        assert wilson(0, 0) == (None, None)


class TestDecisions:
    def test_net_benefit_at_counts_by_hand(self):
        # At .2: two of three present and three of seven absent are called; odds are 1 to 4.
        y = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0.0])
        p = np.array([0.9, 0.2, 0.1, 0.8, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1])
        assert net_benefit(y, p, np.array([0.2])) == pytest.approx((2 - 3 / 4) / 10)
        # At .5 the odds are even: one present and two absent.
        assert net_benefit(y, p, np.array([0.5])) == pytest.approx((1 - 2) / 10)

    def test_calling_all_and_none(self):
        y, _ = sample()
        everyone, nobody = (net_benefit(y, np.full_like(y, q), RISKS) for q in (1, 0))
        share = y.mean()
        np.testing.assert_allclose(everyone, share - (1 - share) * RISKS / (1 - RISKS))
        assert (nobody == 0).all()

    def test_a_score_that_knows_all_is_worth_the_prevalence(self):
        y, _ = sample()
        np.testing.assert_allclose(net_benefit(y, y, RISKS), y.mean())

    def test_predictive_values_by_bayes(self):
        # Of 1000: 10 present, 9 called; 990 absent, 198 called.
        ppv, npv = predictive_values(0.9, 0.8, 0.01)
        assert ppv == round(9 / (9 + 198), 4)
        assert npv == round(792 / (792 + 1), 4)
        assert predictive_values(0, 1, 0.1) == (None, 0.9)
        assert predictive_values(1, 0, 0.1) == (0.1, None)
        assert predictive_values(None, 0.8, 0.1) == (None, None)

    def test_at_the_parts_own_prevalence_they_are_what_was_counted(self):
        y, p = sample()
        point = operating_point(y, (p >= 0.6).astype(float), [y.mean()])
        assert point["stated"][0]["ppv"] == point["ppv"]
        assert point["stated"][0]["npv"] == point["npv"]

    def test_counts_by_hand(self):
        y, d = np.array([1, 1, 1, 0, 0, 0, 0, 0.0]), np.array([1, 1, 0, 1, 0, 0, 0, 0.0])
        point = operating_point(y, d, [])
        values = [point[key] for key in ("sensitivity", "specificity", "ppv", "npv")]
        assert values == [0.6667, 0.8, 0.6667, 0.8]
        assert (point["known"], point["present"], point["called"]) == (8, 3, 3)


def predictions(y, p, task="multi-label"):
    n = len(y)
    images = pd.DataFrame({"image_id": [str(i) for i in range(n)], "patient_id": "1"})
    return Predictions(task, list("abc"[: y.shape[1]]), images, y, p)


def floats(value):
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from floats(inner)
    else:
        yield value


class TestSummary:
    @pytest.mark.parametrize("task", ["multi-label", "multi-class"])
    def test_is_json_with_short_numbers_and_curves(self, task):
        y, p = overconfident(task == "multi-class", n=400)
        part = predictions(y, p, task)
        found = summarise(part, part, np.full(3, 0.5), 2.5, PREVALENCES)
        json.dumps(found, allow_nan=False)
        assert found["temperature"] == 2.5
        assert found["undefined"] == {}
        for value in floats(found["test"]):
            assert value is None or round(value, 4) == value
        own = found["test"]["per_class"]["a"]
        assert len(own["net_benefit"]["raw"]) == len(RISKS) <= 100
        assert sum(own["histogram"]["present"]) == own["present"]
        assert len(own["histogram"]["absent"]) == HISTOGRAM
        losses = found["test"]["log_loss"]
        assert losses["scaled"] < losses["raw"]
        assert own["ece"]["scaled"] < own["ece"]["raw"]

    def test_exclusive_classes_are_decided_by_the_most_likely(self):
        y, p = overconfident(True, n=400)
        part = predictions(y, p, "multi-class")
        own = summarise(part, part, np.full(3, 0.99), 2.5, [])["test"]["per_class"]
        assert sum(of["called"] for of in own.values()) == 400

    def test_unknown_labels_do_not_count(self):
        y, p = overconfident(False, n=300)
        more = np.r_[y, np.full((40, 3), np.nan)], np.r_[p, np.full((40, 3), 0.9)]
        few, many = (
            summarise(predictions(*of), predictions(*of), np.full(3, 0.5), 2.0, PREVALENCES)
            for of in ((y, p), more)
        )
        assert few == many

    @pytest.mark.parametrize("outcome", [0.0, 1.0])
    def test_one_outcome_leaves_gaps_with_reasons(self, outcome):
        y, p = np.full((20, 1), outcome), np.linspace(0.1, 0.9, 20)[:, None]
        part = predictions(y, p)
        found = summarise(part, part, np.array([0.5]), None, PREVALENCES)
        own, reasons = found["test"]["per_class"]["a"], found["undefined"]
        gap = "specificity" if outcome else "sensitivity"
        assert own[gap] is None
        assert own["net_benefit"] is None
        assert [at["ppv"] for at in own["stated"]] == [None, None]
        assert own["brier"]["raw"] == round(float(np.mean((p - outcome) ** 2)), 4)
        assert own["brier"]["scaled"] is own["ece"]["scaled"] is None
        assert {f"test.per_class.a.{key}" for key in (gap, "net_benefit", "ece.scaled")} <= {
            *reasons
        }

    def test_never_called_has_no_predictive_value(self):
        y, p = sample(100)
        part = predictions(y[:, None], p[:, None])
        found = summarise(part, part, np.array([1.000001]), 1.0, PREVALENCES)
        own = found["test"]["per_class"]["a"]
        assert own["ppv"] is None
        assert own["stated"][0]["ppv"] is None
        assert found["undefined"]["test.per_class.a.ppv"] == "it is never called present"

    @pytest.mark.parametrize("task", ["multi-label", "multi-class"])
    def test_an_empty_part_is_all_gaps(self, task):
        y, p = overconfident(task == "multi-class", n=50)
        none = predictions(y[:0], p[:0], task)
        found = summarise(predictions(y, p, task), none, np.full(3, 0.5), 2.0, PREVALENCES)
        own = found["test"]["per_class"]["a"]
        assert found["test"]["log_loss"] == {"raw": None, "scaled": None}
        assert own["brier"] == own["ece"] == {"raw": None, "scaled": None}
        assert own["reliability"] == {"raw": None, "scaled": None}
        assert own["net_benefit"] is None
        assert found["undefined"]["test.per_class.a.brier"] == "no known label"

    def test_without_a_temperature_only_the_raw_scores_are_judged(self):
        own = probabilities(*sample(60), None)
        assert own["reliability"]["scaled"] is own["net_benefit"]["scaled"] is None
        assert own["brier"]["raw"] is not None
