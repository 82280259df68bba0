"""Bands of ROC and precision-recall curves: against a plain bootstrap, and where few decide."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from thorax.metrics import bands
from thorax.metrics.influence import CALLED, share
from thorax.metrics.intervals import Patients, wilson

AT = np.array([0.2, 0.4, 0.6])


def sample(patients=300, images=3, shift=1.5, seed=0):
    """Labels, scores and patients; a patient has the finding in all images or in none."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), images)
    y = (rng.random(patients) < 0.4).astype(float)[patient]
    score = shift * y + rng.standard_normal(patients)[patient] + rng.standard_normal(len(y))
    return y, score, Patients(patient, patients)


def curve(kind, y, score, weights):
    """The curve at `AT` by scikit-learn."""
    if kind is bands.roc:
        return np.interp(AT, *roc_curve(y, score, sample_weight=weights)[:2])
    precision, recall, _ = precision_recall_curve(y, score, sample_weight=weights)
    return np.interp(AT, recall[::-1], precision[::-1])


@pytest.mark.parametrize("kind", [bands.roc, bands.precision_recall])
def test_as_wide_as_a_bootstrap_that_draws_patients(kind):
    y, score, patients = sample()
    rng = np.random.default_rng(1)
    drawn = [np.bincount(rng.integers(0, patients.count, patients.count), minlength=patients.count)
             for _ in range(300)]  # fmt: skip
    curves = [curve(kind, y, score, times[patients.of_image]) for times in drawn]
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    thresholds = np.unique(score)[::-1]
    order = np.argsort(-score)
    rate = np.cumsum((1 - y if kind is bands.roc else y)[order])
    bounds = kind(y, score, thresholds, patients)
    ours = [np.interp(AT, rate / rate[-1], bound) for bound in bounds]
    assert np.all(np.abs(ours - np.array([low, high])) < 0.25 * (high - low))
    images = Patients(np.arange(len(y)), len(y))
    narrow = [np.interp(AT, rate / rate[-1], bound) for bound in kind(y, score, thresholds, images)]
    assert np.all(narrow[1] - narrow[0] < 0.85 * (ours[1] - ours[0])), "patients, not images"


def test_holds_the_curve_and_does_not_depend_on_the_other_thresholds():
    y, score, patients = sample(60)
    fpr, tpr, thresholds = roc_curve(y, score)
    low, high = bands.roc(y, score, thresholds, patients)
    assert np.all((low <= tpr) & (tpr <= high))
    assert not np.isnan(low).any()
    assert fpr[0] == tpr[0] == 0
    cut = np.median(score)
    hits, alarms = bands._called(y, score, np.array([cut]), patients)
    assert hits.sum() == (y[score >= cut] == 1).sum()
    assert alarms.sum() == (y[score >= cut] == 0).sum()


def test_a_flat_curve_has_the_interval_of_its_share_alone():
    """A score that tells nothing: the precision is the prevalence wherever the threshold lies."""
    y = np.tile([1.0, 0.0], 50)
    score = np.repeat(np.arange(50.0), 2)
    patients = Patients(np.arange(100), 100)
    low, high = bands.precision_recall(y, score, np.array([30.0, 10.0]), patients)
    called = (score >= 30).astype(float)
    expected = share(y * called, called, patients, CALLED).interval()
    assert (low[0], high[0]) == pytest.approx(expected)


def test_what_is_certain_in_the_sample_is_not_certain():
    y, score, patients = sample(30, 2, shift=20)
    thresholds = roc_curve(y, score)[2]
    low, high = bands.roc(y, score, thresholds, patients)
    with_it = patients.number(y == 1)
    assert (low[0], high[0]) == wilson(0, with_it), "nothing is predicted positive"
    assert (low[-2], high[-2]) == wilson(with_it, with_it), "all positives are"


def test_no_band_where_nothing_or_one_patient_is_predicted_positive():
    y, score, patients = sample(30, 2)
    highest = np.sort(score)[::-1]
    low, high = bands.precision_recall(
        y, score, np.array([np.inf, highest[0], highest[20]]), patients
    )
    assert np.isnan(low[:2]).all()
    assert np.isnan(high[:2]).all()
    assert low[2] < high[2]
