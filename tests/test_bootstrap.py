"""Weighted ranking metrics equal scikit-learn's, and intervals respect patients."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from thorax.metrics.bootstrap import (
    _weighted_metrics,
    draw,
    interval,
    ranking_metrics,
    replicate_metrics,
    sample,
    share_interval,
)


@pytest.mark.parametrize("decimals", [1, 2, 8], ids=["many ties", "some ties", "no ties"])
def test_auroc_and_average_precision_equal_scikit_learn(decimals):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 300).astype(float)
    p = np.round(rng.random(300) + 0.3 * y, decimals)
    w = rng.integers(0, 4, (20, 300)).astype(float)
    auroc, precision = ranking_metrics(y, p, w)
    for i, weights in enumerate(w):
        assert auroc[i] == pytest.approx(roc_auc_score(y, p, sample_weight=weights), abs=1e-12)
        expected = average_precision_score(y, p, sample_weight=weights)
        assert precision[i] == pytest.approx(expected, abs=1e-12)


def test_one_outcome_only_is_undefined():
    auroc, precision = ranking_metrics(np.ones(5), np.arange(5.0), np.ones((2, 5)))
    assert np.isnan(auroc).all()
    assert np.isnan(precision).all()


def test_patients_are_drawn_and_not_images():
    weights = draw(pd.Series(list("aabbccdd")), 100, 0).weights
    assert weights.shape == (100, 4)
    assert (weights.sum(axis=1) == 4).all()


def spread(patients):
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, 100), 10).astype(float)[:, None]
    p = np.repeat(rng.random(100), 10)[:, None] * 0.6 + 0.4 * y
    drawn = replicate_metrics(y, p, (p > 0.5) * 1.0, draw(patients, 400, 1))
    low, high, undefined = interval(drawn["auroc"][:, 0])
    assert undefined == 0
    return high - low


def test_ten_equal_images_a_patient_widen_the_interval_by_the_root_of_ten():
    by_patient = spread(pd.Series(np.repeat(np.arange(100), 10).astype(str)))
    by_image = spread(pd.Series(np.arange(1000).astype(str)))
    assert by_patient / by_image == pytest.approx(np.sqrt(10), rel=0.25)


def test_the_seed_pairs_replicates_and_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (60, 2)).astype(float), rng.random((60, 2))
    patients = pd.Series((np.arange(60) // 3).astype(str))
    arguments = (y, p, (p > 0.5) * 1.0)
    whole = replicate_metrics(*arguments, draw(patients, 30, 5))
    monkeypatch.setattr("thorax.metrics.bootstrap.CHUNK", 60 * 7)
    parts = replicate_metrics(*arguments, draw(patients, 30, 5))
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name])


def test_unknown_labels_do_not_count():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (80, 1)).astype(float), rng.random((80, 1))
    more_y = np.vstack([y, np.full((20, 1), np.nan)])
    more_p = np.vstack([p, rng.random((20, 1))])
    patients = pd.Series(np.arange(100).astype(str))
    drawn = draw(patients, 10, 0).weights

    full = _weighted_metrics(more_y, more_p, (more_p > 0.5) * 1.0, drawn.astype(float))
    own = _weighted_metrics(y, p, (p > 0.5) * 1.0, drawn[:, :80].astype(float))
    for name in full:
        np.testing.assert_allclose(full[name], own[name], rtol=1e-12)


def test_interval_counts_what_is_undefined():
    assert interval(np.array([np.nan, 1.0, 2.0, 3.0]))[2] == 1
    assert interval(np.array([np.nan, np.nan])) == (None, None, 2)


@pytest.mark.slow
def test_intervals_hold_the_truth_when_images_of_a_patient_are_alike():
    """Only the bootstrap over patients does; the margins are three standard errors of 200 runs."""
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "coverage.py"
    benchmark = runpy.run_path(str(path))
    covered = benchmark["coverage"](cohorts=200, draws=500)
    assert 0.90 <= covered["patients"] <= 0.99
    assert covered["images"] < 0.77
    assert covered["delong"] < 0.77


def test_no_replicates_are_the_sample_itself_and_have_no_interval():
    patients = pd.Series(list("aabbcc"))
    alone = draw(patients, 0, 0)
    np.testing.assert_array_equal(alone.by_image(), sample(6).by_image())
    assert interval(np.array([0.7])) == (None, None, 0)


def test_draws_of_some_images_are_the_same_draws():
    draws = draw(pd.Series(list("aabbccdd")), 20, 3)
    some = np.array([1, 4, 5])
    np.testing.assert_array_equal(draws.of(some).by_image(), draws.by_image()[:, some])
    mask = np.isin(np.arange(8), some)
    np.testing.assert_array_equal(draws.of(mask).by_image(), draws.by_image()[:, some])


def test_where_no_replicate_moves_from_an_end_there_is_no_interval():
    assert share_interval(np.ones(50)) == (None, None, 0)
    assert share_interval(np.r_[np.zeros(50), np.nan]) == (None, None, 1)
    assert share_interval(np.full(50, 0.4)) == (0.4, 0.4, 0)
    assert share_interval(np.r_[np.ones(50), np.full(50, 0.9)]) == (0.9, 1.0, 0)
