"""Intervals over patients: against plain reimplementations, derivatives, and simulated truth."""

import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, t
from sklearn.metrics import roc_auc_score

from thorax.metrics.classification import PER_CLASS, per_class
from thorax.metrics.influence import areas, of_class, share
from thorax.metrics.intervals import FEW, Patients, Statistic, difference, mean, p_value, wilson

BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks" / "coverage.py"


def sample(patients=40, images=4, *, mixed=True, seed=0):
    """Labels, scores with ties, decisions and patients; labels by image or by patient."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.integers(1, images + 1, patients))
    y = rng.integers(0, 2, len(patient) if mixed else patients).astype(float)
    y = y if mixed else y[patient]
    score = np.round(y + rng.standard_normal(patients)[patient] + rng.standard_normal(len(y)), 1)
    return y, score, (score > 0.5) * 1.0, Patients(patient, patients)


def obuchowski(y, score, patient):
    """Clustered variance of the AUROC, sum by sum (Obuchowski 1997, Biometrics 53, section 2)."""
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    m, n = len(positive), len(negative)

    def wins(i, j):
        return 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0

    auroc = sum(wins(i, j) for i in positive for j in negative) / (m * n)
    names = np.unique(patient)
    x, z = np.zeros(len(names)), np.zeros(len(names))
    for k, name in enumerate(names):
        x[k] = sum(sum(wins(i, j) for j in negative) / n - auroc
                   for i in positive if patient[i] == name)  # fmt: skip
        z[k] = sum(sum(wins(i, j) for i in positive) / m - auroc
                   for j in negative if patient[j] == name)  # fmt: skip
    with_both = len(names)
    i10, i01 = len(np.unique(patient[positive])), len(np.unique(patient[negative]))
    s10 = i10 / ((i10 - 1) * m) * (x**2).sum()
    s01 = i01 / ((i01 - 1) * n) * (z**2).sum()
    s11 = with_both / (with_both - 1) * (x * z).sum()
    return auroc, s10 / m + s01 / n + 2 * s11 / (m * n)


def delong(y, score):
    """Variance of DeLong et al. 1988, by placement values."""
    positive, negative = score[y == 1], score[y == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(
        negative
    )


@pytest.mark.parametrize("mixed", [False, True], ids=["labels by patient", "labels by image"])
def test_the_variance_of_the_auroc_is_obuchowskis(mixed):
    y, score, _, patients = sample(mixed=mixed)
    found = areas(y, score, patients)[0]
    auroc, variance = obuchowski(y, score, patients.of_image)
    assert found.value == pytest.approx(auroc, abs=1e-12)
    # A patient with both labels has one correction for its covariance there, two roots here.
    assert found.variance == pytest.approx(variance, rel=0.01 if mixed else 1e-12)


def test_with_one_image_a_patient_it_is_delongs():
    y, score, _, patients = sample(80, 1)
    assert areas(y, score, patients)[0].variance == pytest.approx(delong(y, score), rel=1e-12)


def test_every_metric_is_that_of_classification_and_its_influence_the_derivative():
    y, score, d, patients = sample()
    y[::9] = np.nan
    step = 1e-6
    w = 1 + step * np.vstack([np.zeros(len(y)), np.eye(patients.count)[:, patients.of_image]])
    weighted = per_class(y[:, None], score[:, None], d[:, None], w)
    found = of_class(y, score, d, patients)
    assert tuple(found) == PER_CLASS
    for name, statistic in found.items():
        exact, *moved = weighted[name][:, 0]
        assert statistic.value == pytest.approx(exact, abs=1e-12)
        slope = (np.array(moved) - exact) / step
        # But for the correction of a small sample, a few percent.
        largest = np.abs(slope).max()
        np.testing.assert_allclose(statistic.influence, slope, rtol=0, atol=0.04 * largest)


def test_ten_equal_images_a_patient_widen_the_interval_by_the_root_of_ten():
    y, score, _, _ = sample(200, 1)
    y, score, names = np.repeat(y, 10), np.repeat(score, 10), np.repeat(np.arange(200), 10)
    by_patient = areas(y, score, Patients(names, 200))[0]
    by_image = areas(y, score, Patients(np.arange(2000), 2000))[0]
    assert by_patient.variance / by_image.variance == pytest.approx(10, rel=0.02)


def test_an_interval_on_the_logit_by_its_formula():
    y, _, d, patients = sample(mixed=False)
    found = share(y * d, y, patients, "with the finding")
    v, count = found.value, len(np.unique(patients.of_image[y == 1]))
    each = np.array([((d - v) * y)[patients.of_image == k].sum() for k in range(40)]) / y.sum()
    error = np.sqrt(count / (count - 1) * (each**2).sum()) / (v * (1 - v))
    half = t.ppf(0.975, count - 1) * error
    bounds = [1 / (1 + math.exp(-(math.log(v / (1 - v)) + sign * half))) for sign in (-1, 1)]
    assert found.interval() == pytest.approx(tuple(bounds), abs=1e-12)


def test_at_an_end_the_interval_is_wilsons_over_the_patients_of_the_rarer_side():
    y, _, _, patients = sample(mixed=False)
    auroc, average_precision = areas(y, y, patients)
    counts = {name: patients.number(y == name) for name in (0, 1)}
    fewer = min(counts.values())
    expected = binomtest(fewer, fewer).proportion_ci(method="wilson").low
    assert auroc.value == average_precision.value == 1
    assert auroc.interval() == average_precision.interval() == (pytest.approx(expected), 1.0)


def test_a_figure_that_is_undefined_or_of_one_patient_has_no_interval():
    y, score, d, patients = sample()
    nothing = of_class(np.zeros(len(y)), score, d, patients)
    assert {k for k, each in nothing.items() if np.isnan(each.value)} == {
        "auroc", "average_precision", "sensitivity",
    }  # fmt: skip
    estimate = nothing["auroc"].estimate("no present label")
    assert (estimate.value, estimate.low, estimate.reason) == (None, None, "no present label")
    one = np.where(patients.of_image == 0, 1.0, 0.0)
    estimate = areas(one, score, patients)[0].estimate()
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.caution == f"under {FEW} patients with the finding (1)"
    empty = Patients(np.zeros(0, int), 0)
    assert np.isnan(areas(np.zeros(0), np.zeros(0), empty)[0].value)


def statistic(value=0.9, influence=(0.1, -0.1), df=50.0, patients=51, **changes):
    return Statistic(value, np.array(influence), df, patients, "with the finding", **changes)


@pytest.mark.parametrize(
    ("changes", "caution"),
    [
        ({}, ""),
        ({"patients": 29}, "under 30 patients with the finding (29)"),
        ({"value": 0.999, "edge": 0.1}, "so near 1 that few of 51 patients decide it"),
        ({"value": 0.001, "edge": 0.1}, "so near 0 that few of 51 patients decide it"),
        ({"value": 0.99, "edge": 0.1}, ""),
        ({"value": math.nan, "patients": 0}, ""),
    ],
)
def test_an_interval_that_cannot_be_trusted_says_why(changes, caution):
    assert statistic(**changes).estimate("undefined").caution == caution


def test_a_loss_is_positive_and_a_difference_may_have_any_sign():
    loss = statistic(value=0.1, influence=(0.09, -0.09), scale="log").estimate()
    assert 0 < loss.low < loss.value < loss.high
    apart = difference(statistic(value=0.5, influence=(0.2, 0.3)), statistic(value=0.6))
    assert (round(apart.value, 9), apart.influence.tolist()) == (-0.1, pytest.approx([0.1, 0.4]))
    low, high = apart.interval()
    assert low < -0.1 < 0 < high


def test_what_two_figures_share_cancels_in_their_difference():
    y, score, _, patients = sample()
    auroc = areas(y, score, patients)[0]
    same = difference(auroc, areas(y, 3 * score, patients)[0])
    assert (same.value, same.variance) == (0, 0)
    assert p_value(auroc, auroc) == 1.0


def test_a_mean_leaves_out_what_is_undefined_and_keeps_the_covariance():
    a, b = statistic(value=0.8, influence=(0.1, 0.1)), statistic(value=0.6, influence=(0.1, -0.1))
    nothing = statistic(value=math.nan, influence=(0, 0), df=0, patients=0)
    found = mean([a, nothing, b])
    assert (found.value, found.influence.tolist()) == (pytest.approx(0.7), [0.1, 0.0])
    assert found.df == pytest.approx(100)  # equal variances of 50 each
    assert (found.patients, found.basis) == (101, "in effect")
    assert mean([nothing, b]) == b
    assert np.isnan(mean([nothing, nothing]).value)


def test_a_mean_of_what_few_patients_bias_rests_on_the_rarest_class():
    """The mean of 14 average precisions held the truth in 92% of cohorts and did not say why."""
    y, score = np.arange(200) < 10, np.random.default_rng(0).random(200)
    patients = Patients(np.arange(200), 200)
    rare, common = areas(y * 1.0, score, patients), areas(np.arange(200) % 2 * 1.0, score, patients)
    auroc, average_precision = (mean(pair).estimate() for pair in zip(rare, common, strict=True))
    assert average_precision.caution == "under 30 patients with the finding in one class (10)"
    assert "in one class" not in auroc.caution


def test_a_p_value_against_welchs_on_a_proportion_of_many():
    """Of two groups of different patients, it is nearly the test of two proportions."""
    rng = np.random.default_rng(0)
    group, right = np.arange(600) % 2, (rng.random(600) < 0.8) * 1.0
    patients = Patients(np.arange(600), 600)
    first, second = (
        share(right[group == k], np.ones(300), patients.take(group == k), "") for k in (0, 1)
    )
    values = [first.value, second.value]
    error = math.sqrt(sum(1 / (300 * v * (1 - v)) for v in values))
    z = (math.log(values[0] / (1 - values[0])) - math.log(values[1] / (1 - values[1]))) / error
    assert p_value(first, second) == pytest.approx(2 * t.sf(abs(z), 299), rel=0.02)


def test_a_perfect_group_is_compared_as_if_half_a_patient_were_wrong():
    perfect = statistic(value=1.0, influence=(0.0, 0.0))
    assert p_value(perfect, statistic(value=0.6)) < 0.01
    assert p_value(perfect, statistic(value=0.98)) > 0.5
    assert p_value(perfect, statistic(df=0, patients=1)) is None


def test_patients_are_counted_and_not_images():
    patients = Patients.of(pd.Series(list("abbcca")))
    assert (patients.count, patients.of_image.tolist()) == (3, [0, 1, 1, 2, 2, 0])
    assert patients.number(np.array([1, 1, 1, 0, 0, 0], bool)) == 2
    assert patients.total(np.arange(6.0)).tolist() == [5, 3, 7]
    assert patients.take(np.array([1, 2])).total(np.ones(2)).tolist() == [0, 2, 0]


def test_wilson_by_its_formula():
    z, k, n = 1.959963984540054, 7, 50
    middle = (k / n + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
    assert wilson(k, n) == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert wilson(0, 10)[1] == binomtest(0, 10).proportion_ci(method="wilson").high


@pytest.mark.parametrize("case", ["alike", "near 1"])
def test_intervals_hold_the_truth_in_simulated_cohorts(case):
    """The margins are more than three standard errors of 150 cohorts; all of them are seeded."""
    benchmark = runpy.run_path(str(BENCHMARK))
    design = {
        "alike": benchmark["Design"](60, (6, 6), 0.85, 0.5),
        "near 1": benchmark["Design"](200, (2, 2), 0.99, 0.4),
    }[case]
    found = benchmark["coverage"](design, 150, rival_cohorts=0)
    for name in benchmark["METRICS"]:
        assert found[name]["coverage"] >= 0.89


def test_the_auroc_of_the_benchmark_is_that_of_scikit_learn():
    benchmark = runpy.run_path(str(BENCHMARK))
    y, score, patients = benchmark["cohort"](
        np.random.default_rng(0), benchmark["Design"](3000, (1, 2), 0.93, 0.3)
    )
    assert areas(y, score, patients)[0].value == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    truth = benchmark["truth"](benchmark["Design"](3000, (1, 2), 0.93, 0.3))
    assert truth["auroc"] == pytest.approx(roc_auc_score(y, score), abs=0.02)
