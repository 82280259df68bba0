"""Thresholds maximize what they promise, on the data they are chosen on."""

import shutil

import numpy as np
import pandas as pd
import pytest
from dvc.utils.hydra import apply_overrides
from scipy.special import logit
from sklearn.metrics import f1_score

from small_run import ROOT
from thorax.config import AtSensitivity, AtSpecificity, Params, check, load_params, read_yaml
from thorax.errors import ConfigError
from thorax.metrics.bootstrap import resample
from thorax.metrics.thresholds import choose as choose_over

TARGETS = [0.07, 0.5, 0.9, 0.95, 1.0]


def sample(seed=4, n=150):
    rng = np.random.default_rng(seed)
    y = np.r_[0.0, 1.0, rng.integers(0, 2, n)]
    return y, np.round(rng.random(n + 2) * 0.7 + 0.3 * y, 2)


def chosen_over(rule, y, p, n_bootstrap=400):
    """With each image a patient."""
    return choose_over(rule, y, p, resample(pd.Series(range(len(y))), n_bootstrap, 0))


def choose(rule, y, p):
    """The sample's own choice, without replicates."""
    return chosen_over(rule, y, p, 0).value


def reached(y, p, t):
    """Sensitivity and specificity."""
    return (p[y == 1] >= t).mean(), (p[y == 0] < t).mean()


def youden(y, p, t):
    return sum(reached(y, p, t)) - 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rule", "gain"), [("youden", youden), ("f1", lambda y, p, t: f1_score(y, p >= t))]
)
def test_no_other_threshold_gains_more(rule, gain, seed):
    y, p = sample(seed)
    chosen = choose(rule, y, p)
    assert gain(y, p, chosen) == pytest.approx(max(gain(y, p, t) for t in np.unique(p)))


def test_it_lies_between_scores():
    y, p = np.array([0, 0, 1, 1.0]), np.array([0.1, 0.2, 0.8, 0.9])
    assert choose("youden", y, p) == pytest.approx(0.5)


def test_a_number_is_taken_as_it_is():
    assert choose(0.3, *sample()) == 0.3


@pytest.mark.parametrize(
    "rule", ["youden", "f1", AtSensitivity(sensitivity=0.9), AtSpecificity(specificity=0.9)]
)
def test_unknown_labels_do_not_count_and_a_single_class_gives_none(rule):
    y, p = sample()
    more = np.r_[y, np.full(30, np.nan)], np.r_[p, np.ones(30)]
    assert choose(rule, *more) == choose(rule, y, p)
    for label in (0, 1):
        assert choose(rule, np.full(5, float(label)), np.linspace(0, 1, 5)) is None


def test_a_model_worse_than_chance_still_gets_a_finite_threshold():
    y, p = np.array([0, 0, 1, 1.0]), np.array([0.9, 0.8, 0.2, 0.1])
    for rule in ("youden", "f1"):
        assert 0 <= choose(rule, y, p) <= 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("least", TARGETS)
def test_no_higher_threshold_has_the_sensitivity(seed, least):
    y, p = sample(seed, 100)
    chosen = choose(AtSensitivity(sensitivity=least), y, p)
    assert reached(y, p, chosen)[0] >= least
    above = np.unique(p)[np.unique(p) >= chosen]  # the next decision is over the lowest of these
    assert all(reached(y, p, t)[0] < least for t in above[1:])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("least", TARGETS)
def test_no_lower_threshold_has_the_specificity(seed, least):
    y, p = sample(seed, 100)
    chosen = choose(AtSpecificity(specificity=least), y, p)
    assert reached(y, p, chosen)[1] >= least
    assert all(reached(y, p, t)[1] < least for t in np.unique(p) if t < chosen)


def test_counts_and_not_their_rounding_decide():
    y, p = np.r_[np.ones(100), np.zeros(100)], np.tile(np.arange(1, 101) / 1000, 2)
    assert choose(AtSensitivity(sensitivity=0.07), y, p) == pytest.approx(0.0935)
    assert reached(y, p, 0.0935)[0] == 0.07  # 7 of 100, exactly
    assert choose(AtSpecificity(specificity=0.07), y, p) == pytest.approx(0.0075)
    assert reached(y, p, 0.0075)[1] == 0.07


def test_a_specificity_that_no_score_reaches_predicts_nobody_positive():
    y, p = np.array([1.0, 0, 0]), np.array([1.0, 1.0, 0.2])
    chosen = choose(AtSpecificity(specificity=0.9), y, p)
    assert 1 < chosen < 1 + 1e-9
    assert reached(y, p, chosen) == (0, 1)


@pytest.mark.parametrize("rule", ["youden", "f1"])
@pytest.mark.parametrize("lower", [3e-300, 2e-7, 0.5, np.nextafter(1, 0)])
def test_it_never_reaches_the_next_lower_score(rule, lower):
    """Not even between neighboring floating-point numbers."""
    y, p = np.array([0.0, 1.0]), np.array([lower, np.nextafter(lower, 2)])
    assert p[0] < choose(rule, y, p) <= p[1]


@pytest.mark.parametrize("rule", ["youden", "f1", AtSensitivity(sensitivity=0.9)])
def test_replicates_are_the_choices_on_images_drawn_as_often(rule):
    y, p = sample()
    replicates = resample(pd.Series(np.arange(len(y)) // 2), 60, 0)
    drawn = [np.repeat(np.arange(len(y)), times) for times in replicates.weights().astype(int)]
    own = [choose(rule, y[rows], p[rows]) for rows in drawn]
    # Other images lie between the same scores: the decisions agree, the half way does not.
    chosen = choose_over(rule, y, p, replicates)
    low, high = np.quantile(own, [0.025, 0.975])
    assert (chosen.low, chosen.high) == pytest.approx((low, high), abs=0.02)
    assert chosen.low <= chosen.value <= chosen.high


def test_on_a_plateau_it_moves_less_than_the_best_of_the_sample():
    """Samples of one model."""
    rng = np.random.default_rng(0)
    alone, bagged = [], []
    for _ in range(30):
        y = (rng.random(400) < 0.3).astype(float)
        p = 1 / (1 + np.exp(-rng.normal(np.where(y == 1, 0.9, -0.9), 1)))
        alone.append(choose("youden", y, p))
        bagged.append(chosen_over("youden", y, p, 200).value)
    assert np.std(logit(bagged)) < 0.85 * np.std(logit(alone))


def test_without_labels_of_both_kinds_it_says_so():
    chosen = chosen_over("f1", np.ones(4), np.linspace(0, 1, 4))
    assert (chosen.value, chosen.low) == (None, None)
    assert "single class" in chosen.reason


@pytest.mark.parametrize(
    "rule",
    ["best", True, 0, 1, 1.5, None, [0.5], {}, {"sensitvity": 0.9}, {"sensitivity": 0},
     {"specificity": 1.1}, {"specificity": True}, {"sensitivity": 0.9, "specificity": 0.9}],
)  # fmt: skip
def test_a_wrong_rule_is_shown_with_what_is_allowed(rule):
    values = read_yaml(ROOT / "params.yaml")
    values["evaluate"]["threshold"] = rule
    with pytest.raises(ConfigError) as caught:
        check(values, Params, "params.yaml")
    message = str(caught.value)
    assert message.startswith("1 mistake in params.yaml")
    assert (
        f"evaluate.threshold: {rule!r} is not allowed, it must be youden, f1, a number" in message
    )
    assert "{sensitivity: a number up to 1} or {specificity: a number up to 1}" in message


@pytest.mark.parametrize("value", [[0], [1.0], [-0.1], ["0.1"], 0.1])
def test_a_prevalence_lies_between_0_and_1(value):
    values = read_yaml(ROOT / "params.yaml")
    values["evaluate"]["prevalences"] = value
    with pytest.raises(ConfigError, match=r"evaluate\.prevalences"):
        check(values, Params, "params.yaml")


@pytest.mark.parametrize(
    ("text", "rule"),
    [("{sensitivity:0.95}", AtSensitivity(sensitivity=0.95)),
     ("{specificity:1}", AtSpecificity(specificity=1.0)), ("f1", "f1"), ("0.25", 0.25)],
)  # fmt: skip
def test_a_rule_survives_the_command_line(text, rule, tmp_path):
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    apply_overrides(path, [f"evaluate.threshold={text}"])
    assert load_params(path).evaluate.threshold == rule
