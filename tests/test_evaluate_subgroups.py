"""Subgroups: each number equals scikit-learn's on the subset, and planted bias shows."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from small_run import finished_run
from thorax.artifacts.evaluation import Subgroups
from thorax.dataset import cached_images
from thorax.evaluate.metadata_baseline import baseline, features
from thorax.evaluate.subgroups import Evaluation, crossed
from thorax.metrics.groups import attributes
from thorax.metrics.predictions import Predictions, read_predictions

BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks" / "coverage.py"


def cohort(n=400, *, outputs=("Mass", "No Finding"), worse="F", seed=0):
    """Predictions, decisions and metadata: two images a patient, one sex mostly noise."""
    rng = np.random.default_rng(seed)
    patient = np.arange(n) // 2
    sex = rng.choice(["F", "M"], n)[patient]
    y = rng.integers(0, 2, (n, len(outputs))).astype(float)
    noise = np.where(sex == worse, 3.0, 0.5)[:, None]
    z = 2 * y - 1 + noise * rng.standard_normal(y.shape)
    ids = [f"{i:04}.png" for i in range(n)]
    metadata = pd.DataFrame(
        {
            "image_id": ids, "patient_id": patient.astype(str), "sex": sex,
            "age": rng.integers(20, 90, n)[patient].astype(float), "view": "PA", "vendor": "",
            "site": "", "width": 100, "height": 100,
        }
    )  # fmt: skip
    images = metadata[["image_id", "patient_id"]].assign(sha256=ids, subset="test", fold=-1)
    task = "binary" if len(outputs) == 1 else "multi-label"
    part = Predictions(task, list(outputs), images, y, z)
    return part, (part.p >= 0.5).astype(float), metadata


def attribute(part, d, values, *, min_images=30):
    """One attribute evaluated."""
    return Evaluation(part, d, min_images).of(pd.Series(values))


def by_sex(part, d, metadata):
    return attribute(part, d, attributes(metadata)["sex"])


def test_each_group_equals_scikit_learn_on_its_images():
    part, d, metadata = cohort()
    groups = {group.name: group for group in by_sex(part, d, metadata).groups}
    assert set(groups) == {"F", "M"}
    for sex, group in groups.items():
        rows = (metadata["sex"] == sex).to_numpy()
        metrics = group.metrics
        expected = np.mean([roc_auc_score(part.y[rows, c], part.p[rows, c]) for c in (0, 1)])
        assert metrics["auroc"].value == pytest.approx(expected, abs=5e-5)
        assert metrics["auroc"].low < metrics["auroc"].value < metrics["auroc"].high
        sensitivity = np.mean([d[rows, c][part.y[rows, c] == 1].mean() for c in (0, 1)])
        assert metrics["sensitivity"].value == pytest.approx(sensitivity, abs=5e-5)
        healthy = d[rows, 1][part.y[rows, 1] == 0].mean()
        assert metrics["underdiagnosis"].value == pytest.approx(healthy, abs=5e-5)
        assert group.images == rows.sum()
        assert group.patients == metadata["patient_id"][rows].nunique()


def test_the_group_with_planted_noise_is_the_worst_beyond_chance():
    gap = by_sex(*cohort(worse="M")).gap
    assert (gap.worst, gap.best) == ("M", "F")
    assert gap.p_value < 0.01


def test_a_binary_task_counts_missed_sick_as_underdiagnosed():
    metrics = by_sex(*cohort(outputs=("PNEUMONIA",))).groups[0].metrics
    expected = 1 - metrics["sensitivity"].value
    assert metrics["underdiagnosis"].value == pytest.approx(expected, abs=2e-4)


def test_without_a_healthy_class_underdiagnosis_is_undefined_with_a_reason():
    underdiagnosis = by_sex(*cohort(outputs=("Mass", "Nodule"))).groups[0].metrics["underdiagnosis"]
    assert (underdiagnosis.value, underdiagnosis.reason) == (None, "no class means healthy")


def test_groups_that_are_too_small_have_a_reason_and_no_number():
    part, d, metadata = cohort()
    metadata.loc[:5, "sex"] = "U"
    (small,) = [group for group in by_sex(part, d, metadata).groups if group.name == "U"]
    assert (small.images, small.patients) == (6, 3)
    assert (small.reason, small.metrics) == ("under 30 images", {})


def test_a_group_of_few_patients_is_too_small_whatever_its_images():
    part, d, metadata = cohort(100)
    part.images["patient_id"] = "the same"
    reasons = {group.reason for group in by_sex(part, d, metadata).groups}
    assert reasons == {"under 10 patients"}


def test_classes_that_a_group_lacks_are_left_out_for_all():
    part, d, metadata = cohort()
    women = (metadata["sex"] == "F").to_numpy()
    part.y[women, 0] = 0
    assert by_sex(part, d, metadata).classes == ["No Finding"]
    part.y[women, 1] = 0
    nothing = by_sex(part, d, metadata)
    assert nothing.classes == []
    assert nothing.gap is None
    assert all("no class has 5 images" in group.reason for group in nothing.groups)


def test_attributes_are_those_that_differ():
    _, _, metadata = cohort()
    assert list(attributes(metadata)) == ["sex", "age", "visit"]
    vendors = metadata.assign(vendor=np.where(metadata.index % 3, "A", "B"))
    assert list(attributes(vendors)) == ["sex", "age", "vendor", "visit"]
    ages = metadata.assign(age=[17, 18, 39, 40, 59.6, 60, 79, 80, 130, np.nan] * 40)
    assert attributes(ages)["age"].iloc[:10].tolist() == [
        "0–17", "18–39", "18–39", "40–59", "60–79", "60–79", "60–79", "80 and older",
        "80 and older", "",
    ]  # fmt: skip
    assert attributes(metadata)["visit"].iloc[:4].tolist() == ["first", "follow-up"] * 2
    unknown = metadata.assign(sex="", age=np.nan, patient_id=metadata["image_id"])
    assert list(attributes(unknown)) == []


def test_groups_that_share_patients_are_compared_as_pairs():
    """The same images under two names have no gap at all."""
    part, d, _ = cohort()
    twice = Predictions(
        part.task_name, part.outputs, pd.concat([part.images] * 2, ignore_index=True),
        np.concatenate([part.y] * 2), np.concatenate([part.z] * 2),
    )  # fmt: skip
    copies = ["a"] * len(part.y) + ["b"] * len(part.y)
    gap = attribute(twice, np.concatenate([d] * 2), copies).gap
    assert (gap.auroc, gap.p_value) == (0, 1)


def test_where_no_group_differs_a_small_p_value_is_rare():
    """Four groups of one model: under 5% about one time in twenty, not one in four."""
    rare = 0
    for seed in range(60):
        part, d, _ = cohort(200, outputs=("Mass",), worse="none", seed=seed)
        bands = np.random.default_rng(seed).choice(list("abcd"), 100)[np.arange(200) // 2]
        rare += attribute(part, d, bands, min_images=10).gap.p_value < 0.05
    assert rare <= 8


@pytest.mark.parametrize(
    ("case", "by_image"),
    [("two groups, 20/80", False), ("five unequal groups", False), ("two groups, 30/70", True)],
)
def test_a_gap_is_rarely_significant_between_groups_alike(case, by_image):
    """Under 5% of the cohorts in 5% of the cases: at most 14 of 150, or p < 0.01 by chance."""
    benchmark = runpy.run_path(str(BENCHMARK))
    found = benchmark["gaps_found"](*benchmark["GAPS"][case], by_image=by_image, cohorts=150)
    assert found["cohorts"] > 140
    assert found["under_05"] <= 14 / 150


def test_groups_are_crossed_where_both_are_known():
    a, b = pd.Series(["F", "M", ""]), pd.Series(["PA", "", "AP"])
    assert crossed(a, b).tolist() == ["F, PA", "", ""]


@pytest.mark.parametrize(("planted", "low", "high"), [(False, 0.4, 0.6), (True, 0.9, 1.0)])
def test_the_baseline_learns_what_was_planted_in_the_metadata(planted, low, high):
    part, _, metadata = cohort(1200)
    if planted:
        part.y[:, 0] = metadata["sex"] == "F"
    known, test = features(metadata), np.arange(1200) >= 600
    assert list(known) == ["sex", "age"]
    second = part.take(pd.Series(test))
    found = baseline(known[~test], part.y[~test], second, known[test])
    compared = found.classes["Mass"]
    assert found.columns == ["sex", "age"]
    assert low <= compared.baseline.value <= high
    model = roc_auc_score(second.y[:, 0], second.p[:, 0])
    assert compared.model.value == pytest.approx(model, abs=5e-5)
    difference = compared.model.value - compared.baseline.value
    assert compared.difference.value == pytest.approx(difference, abs=2e-4)
    for estimate in (compared.baseline, compared.model, compared.difference):
        assert estimate.low <= estimate.value <= estimate.high
    assert (compared.difference.high < 0) == planted  # the model looks poor beside what was planted


def test_a_class_without_both_labels_has_no_baseline():
    part, _, metadata = cohort()
    part.y[:, 0] = 0
    known = features(metadata)
    found = baseline(known, part.y, part, known)
    mass = found.classes["Mass"]
    assert mass.baseline.value is mass.model.value is mass.difference.value is None
    assert mass.difference.reason == "no metadata, or a single class present"
    assert found.mean == found.classes["No Finding"]


def test_bands_of_size_are_fixed_beforehand():
    """Whatever else is in the data, an image falls into the same band."""
    columns = {"sex": ["F", "M"], "age": 50.0, "view": "PA", "vendor": "", "site": ""}
    few = pd.DataFrame(columns | {"width": [2000, 3000], "height": [2000, 2100]})
    more = pd.DataFrame(columns | {"width": [100, 100], "height": [100, 9000]})
    alone, together = features(few), features(pd.concat([few, more], ignore_index=True))
    assert alone[["width", "height"]].equals(together[["width", "height"]].iloc[:2])
    assert alone["width"].nunique() == 2


def test_the_metadata_baseline_shares_patients_with_the_model():
    """The interval of a difference is the model's alone where the baseline knows nothing."""
    part, _, metadata = cohort(1200)
    known = features(metadata)
    found = baseline(known, part.y, part, known).classes["Mass"]
    width = {name: getattr(found, name).high - getattr(found, name).low
             for name in ("baseline", "model", "difference")}  # fmt: skip
    assert width["difference"] < width["baseline"] + width["model"]
    same = Predictions(part.task_name, part.outputs, part.images, part.y, part.z)
    again = attribute(same, (part.p >= 0.5) * 1.0, ["everybody"] * 1200).groups[0].metrics["auroc"]
    assert again == baseline(known, part.y, part, known).mean.model


def test_a_run_writes_groups_of_the_test_images():
    paths, _ = finished_run("multi-label", folds=2)
    written = Subgroups.read(Path(paths.evaluation) / "subgroups.json")
    assert list(written.attributes) == ["sex", "age", "view", "visit"]
    assert "sex × view" in written.pairs
    part = read_predictions(Path(paths.predictions) / "test.csv", "multi-label", ["A", "B"])
    view = cached_images(paths).set_index("image_id")["view"].loc[part.images["image_id"]]
    images = {group.name: group.images for group in written.attributes["view"].groups}
    assert images == view.value_counts().to_dict()
