"""Shortcut probes: they call a scorer that reads the corners, and no other."""

import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from thorax.config import load_paths
from thorax.explain.occlusion import compare, covered, covers, donors, exchanged, probe
from thorax.metrics.bootstrap import draw
from thorax.metrics.summary import Predictions

ROOT = Path(__file__).parents[1]
SIZE = 40


def part(y, p, patients=None):
    images = pd.DataFrame({"patient_id": patients or [str(i // 2) for i in range(len(y))]})
    return Predictions("multi-label", ["A"], images, y[:, None], p[:, None])


def corners_of(images):
    return images[:, :8, :8].mean(axis=(1, 2), keepdims=True)[:, :, 0] / 255


def centre_of(images):
    return images[:, 16:24, 16:24].mean(axis=(1, 2), keepdims=True)[:, :, 0] / 255


def cohort(correlated, number=200, seed=0):
    """Dim noise; a bright middle goes with the label a little, a bright corner as told."""
    rng = np.random.default_rng(seed)
    y = (rng.random(number) < 0.4).astype(float)
    images = rng.integers(0, 60, (number, SIZE, SIZE)).astype(np.uint8)
    marked = rng.random(number) < (np.where(y == 1, 0.8, 0.2) if correlated else 0.5)
    images[marked, 1:7, 1:7] = 250
    seen = rng.random(number) < np.where(y == 1, 0.7, 0.3)
    images[seen, 16:24, 16:24] = 200
    return y, images


def run(y, images, score):
    return probe(part(y, score(images)[:, 0]), images, covers(images), score, draws=200, seed=0)


def test_a_scorer_that_reads_a_correlated_corner_is_called():
    y, images = cohort(correlated=True)
    found = run(y, images, corners_of)
    swapped = found["per_class"]["A"]["exchanged"]
    assert found["shortcuts"] == ["A"]
    assert swapped["before"] > 0.7
    assert swapped["after"] < 0.3  # what it read is reversed
    assert 0 < swapped["fall_low"] < swapped["fall"] < swapped["fall_high"]
    assert found["per_class"]["A"]["covered"]["corners"]["after"] == pytest.approx(0.5, abs=0.12)


def test_corners_that_tell_nothing_are_no_shortcut_even_for_a_scorer_that_reads_them():
    y, images = cohort(correlated=False)
    assert run(y, images, corners_of)["shortcuts"] == []


def test_a_scorer_that_does_not_look_there_is_not_called():
    y, images = cohort(correlated=True)
    found = run(y, images, centre_of)["per_class"]["A"]
    assert found["exchanged"]["fall"] == 0
    assert found["exchanged"]["change"] == 0
    assert found["covered"]["corners"]["fall"] == 0


def test_lungs_and_the_rest_are_covered_in_turn(monkeypatch):
    lungs = np.zeros((SIZE, SIZE), bool)
    lungs[10:30, 12:28] = True
    monkeypatch.setattr(
        "thorax.explain.occlusion.lung_fields", lambda x: np.broadcast_to(lungs, x.shape)
    )
    y, images = cohort(correlated=False)
    images[:] = 60
    images[np.ix_(y == 1, range(10, 30), range(12, 28))] = 90

    def inside(changed):
        return changed[:, lungs].mean(axis=1, keepdims=True) / 255

    fell = run(y, images, inside)["per_class"]["A"]["covered"]
    assert fell["lungs"]["before"] == fell["all_but_lungs"]["after"] == 1
    assert fell["lungs"]["after"] == 0.5
    assert fell["corners"]["fall"] == 0


def test_too_few_outcomes_have_a_reason_and_no_verdict():
    y, images = cohort(correlated=True)
    y[:] = 0
    y[:4] = 1
    found = run(y, images, corners_of)
    assert found["per_class"]["A"] == {
        "reason": "fewer than 5 patients with or without it", "covered": None, "exchanged": None,
    }  # fmt: skip
    assert found["shortcuts"] == []


def test_unknown_labels_are_left_out():
    y, images = cohort(correlated=True)
    told = run(y[:150], images[:150], centre_of)["per_class"]["A"]["covered"]["corners"]
    unknown = np.where(np.arange(200) < 150, y, np.nan)
    left_out = run(unknown, images, centre_of)["per_class"]["A"]["covered"]["corners"]
    assert left_out["before"] == told["before"]


def test_corners_by_hand():
    images = np.zeros((1, 10, 10), np.uint8)
    images[0, :2, :2] = [[10, 20], [30, 41]]
    images[0, 5, 5] = 99
    other = np.full((1, 10, 10), 7, np.uint8)
    swapped = exchanged(np.concatenate([images, other]), np.array([1, 0]))
    assert (swapped[0, -2:, :2] == 7).all()
    assert swapped[0, 5, 5] == 99
    assert (swapped[1, :2, :2] == images[0, :2, :2]).all()
    assert (swapped[0] == 7).sum() == 16
    assert images[0, 0, 0] == 10  # the original stays


def test_what_is_covered_has_one_gray_in_all_images():
    images = np.stack([np.full((5, 5), gray, np.uint8) for gray in (10, 20, 90)])
    where = np.zeros((3, 5, 5), bool)
    where[:, 0] = True
    hidden = covered(images, where)
    assert (hidden[:, 0] == 20).all()
    assert (hidden[:, 1:] == images[:, 1:]).all()


@pytest.mark.parametrize("alike", [True, False])
def test_donors_are_others_with_the_label_asked_for(alike):
    y = np.array([0.0, 1, 0, 1, 1] * 20)
    people = np.arange(100) // 10
    given = donors(y, people, np.random.default_rng(0), alike=alike)
    assert ((y[given] == y) == alike).all()
    assert (people[given] != people).all()
    assert len(set(given)) > 20


def test_one_patients_own_corner_is_no_shortcut():
    """Five images of one sick patient with a corner of their own say nothing about others."""
    y, images = cohort(correlated=False)
    y[:] = 0
    y[:5] = 1
    images[:5, 1:7, 1:7] = 250
    people = ["sick"] * 5 + [str(i) for i in range(195)]
    one = part(y, corners_of(images)[:, 0], people)
    found = probe(one, images, covers(images), corners_of, draws=50, seed=0)
    assert found["shortcuts"] == []
    assert "5 patients" in found["per_class"]["A"]["reason"]


def test_compare_equals_scikit_learn():
    rng = np.random.default_rng(1)
    y, before, after = rng.integers(0, 2, 90), rng.random(90).round(1), rng.random(90).round(1)
    found = compare(y.astype(float), before, after, np.ones((5, 90)))
    assert found["before"] == round(roc_auc_score(y, before), 4)
    assert found["after"] == round(roc_auc_score(y, after), 4)
    assert found["fall_low"] == found["fall_high"] == found["fall"]
    assert found["change"] == round(float(np.abs(before - after).mean()), 4)


def test_a_fall_of_the_auroc_is_paired():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300).astype(float)
    before = y + rng.normal(0, 1, 300)
    weights = draw(pd.Series(np.arange(300).astype(str)), 500, 0).by_image()
    same = compare(y, before, before, weights)
    assert (same["fall"], same["fall_low"], same["fall_high"]) == (0, 0, 0)
    found = compare(y, before, before + 0.1 * rng.normal(0, 1, 300), weights)
    assert found["fall_high"] - found["fall_low"] < 0.03  # unpaired it would be about 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("correlation", "called"), [(0.6, ["Nodule"]), (0.0, [])])
def test_a_marker_that_goes_with_a_finding_is_called_and_another_one_is_not(
    correlation, called, tmp_path, monkeypatch
):
    """The shipped settings on phantoms, trained from nothing, as in the benchmark."""
    audit = runpy.run_path(str(ROOT / "benchmarks" / "shortcut.py"))["audit"]
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "data/local", "data/local")
    found = audit("Nodule", correlation, 0, load_paths(ROOT / "dvc.yaml"))
    assert found["shortcuts"] == called
    assert (found["exchanged"]["fall"] >= 0.2) == bool(called)
    assert (found["marker_reversed"]["fall"] >= 0.2) == bool(called)
