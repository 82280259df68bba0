"""The bootstrap draws patients, intervals say what is undefined, and no proportion is certain."""

import numpy as np
import pandas as pd
import pytest

from thorax.metrics import bootstrap
from thorax.metrics.bootstrap import estimate, over_replicates, percentiles, resample
from thorax.metrics.classification import per_class


def metrics_of(y, p):
    return lambda w: per_class(y, p, (p > 0.5) * 1.0, w)


def test_patients_are_drawn_and_not_images():
    replicates = resample(pd.Series(list("aabbccdd")), 100, 0)
    assert replicates.times.shape == (100, 4)
    assert (replicates.times.sum(axis=1) == 4).all()
    weights = replicates.weights()
    assert weights.shape == (100, 8)
    np.testing.assert_array_equal(weights[:, ::2], weights[:, 1::2])


def test_ten_equal_images_a_patient_widen_the_interval_by_the_root_of_ten():
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, 100), 10).astype(float)[:, None]
    p = np.repeat(rng.random(100), 10)[:, None] * 0.6 + 0.4 * y

    def width(patients):
        replicates = resample(pd.Series(patients.astype(str)), 400, 1)
        low, high, undefined = percentiles(over_replicates(metrics_of(y, p), replicates)["auroc"])
        assert undefined == 0
        return high - low

    by_patient, by_image = width(np.repeat(np.arange(100), 10)), width(np.arange(1000))
    assert by_patient / by_image == pytest.approx(np.sqrt(10), rel=0.25)


def test_the_seed_pairs_replicates_and_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (60, 2)).astype(float), rng.random((60, 2))
    patients = pd.Series((np.arange(60) // 3).astype(str))
    whole = over_replicates(metrics_of(y, p), resample(patients, 30, 5))
    monkeypatch.setattr(bootstrap, "CHUNK", 60 * 7)
    parts = over_replicates(metrics_of(y, p), resample(patients, 30, 5))
    for name, values in whole.items():
        assert values.shape == (30, 2)
        np.testing.assert_array_equal(values, parts[name])


def test_unknown_labels_do_not_count():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (80, 1)).astype(float), rng.random((80, 1))
    more_y = np.vstack([y, np.full((20, 1), np.nan)])
    more_p = np.vstack([p, rng.random((20, 1))])
    replicates = resample(pd.Series(np.arange(100).astype(str)), 10, 0)
    every = over_replicates(metrics_of(more_y, more_p), replicates)
    known = over_replicates(metrics_of(y, p), replicates.take(np.arange(80)))
    for name, values in every.items():
        np.testing.assert_allclose(values, known[name], rtol=1e-12)


def test_replicates_of_some_images_are_the_same_replicates():
    replicates = resample(pd.Series(list("aabbccdd")), 20, 3)
    some = np.array([1, 4, 5])
    expected = replicates.weights()[:, some]
    np.testing.assert_array_equal(replicates.take(some).weights(), expected)
    mask = np.isin(np.arange(8), some)
    np.testing.assert_array_equal(replicates.take(mask).weights(), expected)


@pytest.mark.parametrize("patients", [[], list("aabb")], ids=["no images", "no replicates"])
def test_without_images_or_replicates_there_are_weights_of_that_shape(patients):
    replicates = resample(pd.Series(patients, dtype=str), 0 if patients else 5, 0)
    assert replicates.weights().shape == ((0, 4) if patients else (5, 0))


def test_percentiles_count_what_is_undefined():
    values = np.r_[np.nan, np.arange(101.0)]
    assert percentiles(values) == pytest.approx((2.5, 97.5, 1))
    assert percentiles(np.array([np.nan, np.nan, 0.7])) == (None, None, 2)


def test_an_estimate_has_four_decimals_and_a_reason_only_where_undefined():
    found = estimate(0.123456, np.array([0.1, 0.111111, np.nan]), "no label")
    assert (found.value, found.undefined_replicates, found.reason) == (0.1235, 1, "")
    assert (found.low, found.high) == (0.1003, 0.1108)
    undefined = estimate(float("nan"), np.full(3, np.nan), "no label")
    assert (undefined.value, undefined.low, undefined.reason) == (None, None, "no label")


@pytest.mark.parametrize(
    ("replicates", "interval"),
    [
        (np.ones(50), (None, None)),
        (np.r_[np.zeros(50), np.nan], (None, None)),
        (np.full(50, 0.4), (0.4, 0.4)),
        (np.r_[np.ones(50), np.full(50, 0.9)], (0.9, 1.0)),
    ],
)
def test_a_proportion_that_never_moves_from_an_end_has_no_interval(replicates, interval):
    found = estimate(0.5, replicates)
    assert (found.low, found.high) == interval
    assert estimate(0.0, np.zeros(50), bounded=False).low == 0  # a difference may be certain
