"""Subgroups: each number equals scikit-learn's on the subset, and planted bias is found."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from thorax.evaluate.metadata_baseline import baseline, features
from thorax.evaluate.subgroups import attributes, summarise
from thorax.metrics.summary import Predictions
from thorax.report.sections.subgroups import worst_first


def run(n=400, *, outputs=("Mass", "No Finding"), worse="F", seed=0):
    """Two images a patient; scores of one sex are mostly noise."""
    rng = np.random.default_rng(seed)
    patient = np.arange(n) // 2
    sex = rng.choice(["F", "M"], n)[patient]
    y = rng.integers(0, 2, (n, len(outputs))).astype(float)
    noise = np.where(sex == worse, 3.0, 0.5)[:, None]
    p = 1 / (1 + np.exp(-(2 * y - 1 + noise * rng.standard_normal(y.shape))))
    table = pd.DataFrame(
        {
            "image_id": [f"{i:04}.png" for i in range(n)],
            "patient_id": patient.astype(str),
            "sex": sex,
            "age": rng.integers(20, 90, n)[patient].astype(float),
            "view": "PA",
        }
    )
    images = table[["image_id", "patient_id"]].assign(subset="test", fold=-1)
    task = "binary" if len(outputs) == 1 else "multi-label"
    return Predictions(task, list(outputs), images, y, p), (p >= 0.5).astype(float), table


def judged(part, d, table):
    return summarise(part, d, attributes(table), draws=100, seed=0, min_group=30)


def test_each_group_equals_scikit_learn_on_its_images():
    part, d, table = run()
    found = {g["name"]: g for g in judged(part, d, table)["attributes"]["sex"]["groups"]}
    assert set(found) == {"F", "M"}
    for sex, group in found.items():
        rows = (table["sex"] == sex).to_numpy()
        expected = np.mean([roc_auc_score(part.y[rows, c], part.p[rows, c]) for c in (0, 1)])
        assert group["auroc"] == pytest.approx(expected, abs=5e-5)
        assert group["auroc_low"] < group["auroc"] < group["auroc_high"]
        recall = np.mean([d[rows, c][part.y[rows, c] == 1].mean() for c in (0, 1)])
        assert group["recall"] == pytest.approx(recall, abs=5e-5)
        healthy = d[rows, 1][part.y[rows, 1] == 0].mean()
        assert group["underdiagnosis"] == pytest.approx(healthy, abs=5e-5)
        assert group["images"] == rows.sum()


def test_the_group_with_planted_noise_is_the_worst_and_the_gap_excludes_none():
    found = judged(*run(worse="M"))
    name, gap = next(worst_first(found))
    assert (name, gap["worst"], gap["best"]) == ("sex", "M", "F")
    assert gap["chance"] < 0.01


def test_a_binary_task_counts_missed_sick_as_underdiagnosed():
    group = judged(*run(outputs=("PNEUMONIA",)))["attributes"]["sex"]["groups"][0]
    assert group["underdiagnosis"] == pytest.approx(1 - group["recall"], abs=2e-4)


def test_groups_that_are_too_small_have_a_reason_and_no_number():
    part, d, table = run()
    table.loc[:5, "sex"] = "U"
    groups = judged(part, d, table)["attributes"]["sex"]["groups"]
    (small,) = [group for group in groups if group["name"] == "U"]
    assert small == {"name": "U", "images": 6, "reason": "under 30 images"}


def test_classes_that_a_group_lacks_are_left_out_for_all():
    part, d, table = run()
    part.y[(table["sex"] == "F").to_numpy(), 0] = 0
    found = judged(part, d, table)["attributes"]["sex"]
    assert found["classes"] == ["No Finding"]
    part.y[(table["sex"] == "F").to_numpy(), 1] = 0
    found = judged(part, d, table)["attributes"]["sex"]
    assert found["classes"] == []
    assert found["gap"] is None
    assert all("no class has 5 images" in group["reason"] for group in found["groups"])


def test_attributes_are_those_that_differ():
    _, _, table = run()
    assert list(attributes(table)) == ["sex", "age", "visit"]
    vendors = table.assign(vendor=np.where(table.index % 3, "A", "B"))
    assert list(attributes(vendors)) == ["sex", "age", "vendor", "visit"]
    ages = table.assign(age=[17, 18, 39, 40, 59.6, 60, 79, 80, 130, np.nan] * 40)
    assert attributes(ages)["age"].iloc[:10].tolist() == [
        "0–17", "18–39", "18–39", "40–59", "60–79", "60–79", "60–79", "80 and older",
        "80 and older", "",
    ]  # fmt: skip
    assert attributes(table)["visit"].iloc[:4].tolist() == ["first", "follow-up"] * 2


def test_nothing_known_is_an_empty_result():
    part, d, table = run()
    lone = table.assign(sex="", age=np.nan, patient_id=table["image_id"])
    found = judged(part, d, lone)
    assert (found["attributes"], found["pairs"]) == ({}, {})


def test_the_same_seed_gives_the_same_result():
    assert judged(*run()) == judged(*run())


@pytest.mark.parametrize(("planted", "low", "high"), [(False, 0.4, 0.6), (True, 0.9, 1.0)])
def test_metadata_tell_what_was_planted_in_them(planted, low, high):
    part, _, table = run(1200)
    if planted:
        part.y[:, 0] = table["sex"] == "F"
    known = features(table, pd.DataFrame({"width": 100, "height": 100}, index=table.index))
    assert list(known) == ["sex", "age"]
    half = 600
    images = part.images.iloc[half:].reset_index(drop=True)
    second = Predictions(part.task, part.outputs, images, part.y[half:], part.p[half:])
    found = baseline(known[:half], part.y[:half], second, known[half:], draws=50, seed=0)
    own = found["per_class"]["Mass"]
    assert low <= own["auroc"] <= high
    assert own["auroc_low"] <= own["auroc"] <= own["auroc_high"]
    model = roc_auc_score(second.y[:, 0], second.p[:, 0])
    assert own["ahead"] == pytest.approx(model - own["auroc"], abs=1e-4)
    assert own["ahead_low"] <= own["ahead"] <= own["ahead_high"]
    assert (own["ahead_high"] < 0) == planted  # beside what was planted the model looks poor


def test_a_class_without_both_outcomes_has_no_baseline():
    part, _, table = run()
    part.y[:, 0] = 0
    known = features(table, pd.DataFrame({"width": 1, "height": 1}, index=table.index))
    found = baseline(known, part.y, part, known, draws=10, seed=0)
    assert found["per_class"]["Mass"]["auroc"] is None
    assert found["auroc"] == found["per_class"]["No Finding"]["auroc"]


def test_bands_of_size_are_fixed_beforehand():
    """Whatever else is in the data, an image falls into the same band."""
    people = pd.DataFrame({"sex": ["F", "M"], "age": 50.0, "view": "PA"})
    few = features(people, pd.DataFrame({"width": [2000, 3000], "height": [2000, 2100]}))
    more = features(
        pd.concat([people, people], ignore_index=True),
        pd.DataFrame({"width": [2000, 3000, 100, 100], "height": [2000, 2100, 100, 9000]}),
    )
    assert few[["width", "height"]].equals(more[["width", "height"]].iloc[:2])
    assert few["width"].nunique() == 2


def test_groups_that_share_patients_are_drawn_together():
    """The same images under two names have no gap in any replicate."""
    part, d, _ = run()
    twice = Predictions(
        part.task, part.outputs, pd.concat([part.images] * 2, ignore_index=True),
        np.concatenate([part.y] * 2), np.concatenate([part.p] * 2),
    )  # fmt: skip
    groups = pd.DataFrame({"copy": ["a"] * len(part.y) + ["b"] * len(part.y)})
    found = summarise(twice, np.concatenate([d] * 2), groups, draws=50, seed=0, min_group=10)
    gap = found["attributes"]["copy"]["gap"]
    assert (gap["auroc"], gap["chance"]) == (0, 1)


def test_where_no_group_differs_chance_is_seldom_found_unlikely():
    """Four age groups of one model: under 5 % about one time in twenty, not one in four."""
    rare = 0
    for seed in range(60):
        part, d, _ = run(200, outputs=("Mass",), worse="none", seed=seed)
        ages = pd.DataFrame({"age": np.random.default_rng(seed).choice(list("abcd"), 100)[
            np.arange(200) // 2]})  # fmt: skip
        found = summarise(part, d, ages, draws=100, seed=seed, min_group=10)
        rare += found["attributes"]["age"]["gap"]["chance"] < 0.05
    assert rare <= 8


def test_a_group_of_few_patients_is_too_small_whatever_its_images():
    part, d, table = run(100)
    part.images["patient_id"] = "the same"
    found = judged(part, d, table)
    reasons = {each["reason"] for each in found["attributes"]["sex"]["groups"]}
    assert reasons == {"under 10 patients"}
