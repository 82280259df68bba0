"""Thresholds maximise what they promise, on the data they are chosen on."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from thorax.thresholds import choose


def sample():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 150).astype(float)
    return y, np.round(rng.random(150) * 0.7 + 0.3 * y, 2)


def youden(y, p, t):
    d = p >= t
    return d[y == 1].mean() - d[y == 0].mean()


@pytest.mark.parametrize(
    ("rule", "gain"), [("youden", youden), ("f1", lambda y, p, t: f1_score(y, p >= t))]
)
def test_no_other_threshold_gains_more(rule, gain):
    y, p = sample()
    chosen = choose(rule, y, p)
    assert gain(y, p, chosen) == pytest.approx(max(gain(y, p, t) for t in np.unique(p)))


def test_it_lies_between_scores():
    y, p = np.array([0, 0, 1, 1.0]), np.array([0.1, 0.2, 0.8, 0.9])
    assert choose("youden", y, p) == pytest.approx(0.5)


def test_a_number_is_taken_as_it_is():
    assert choose(0.3, *sample()) == 0.3


def test_unknown_labels_do_not_count_and_one_outcome_gives_none():
    y, p = sample()
    more = np.r_[y, np.full(30, np.nan)], np.r_[p, np.zeros(30)]
    assert choose("youden", *more) == choose("youden", y, p)
    assert choose("youden", np.ones(5), np.linspace(0, 1, 5)) is None


def test_a_model_worse_than_chance_still_gets_a_finite_threshold():
    y, p = np.array([0, 0, 1, 1.0]), np.array([0.9, 0.8, 0.2, 0.1])
    for rule in ("youden", "f1"):
        assert 0 <= choose(rule, y, p) <= 1
