"""Shortcut tests: they flag a scorer that reads the corners, and no other."""

import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from small_run import params
from thorax.config import load_paths
from thorax.explain import occlusion
from thorax.explain.occlusion import (
    auroc_drop,
    donors,
    is_shortcut,
    occlude,
    occlusion_tests,
    painted,
    swap_corners,
)
from thorax.metrics.bootstrap import resample

ROOT = Path(__file__).parents[1]
SIZE = 40
LEAST = params().explain.shortcut_drop


def corners_of(images):
    return images[:, :8, :8].mean(axis=(1, 2), keepdims=True)[:, :, 0] / 255


def center_of(images):
    return images[:, 16:24, 16:24].mean(axis=(1, 2), keepdims=True)[:, :, 0] / 255


def cohort(*, correlated, number=200, seed=0):
    """Dim noise; a bright middle goes with the label a little, a bright corner if `correlated`."""
    rng = np.random.default_rng(seed)
    y = (rng.random(number) < 0.4).astype(float)
    images = rng.integers(0, 60, (number, SIZE, SIZE)).astype(np.uint8)
    marked = rng.random(number) < (np.where(y == 1, 0.8, 0.2) if correlated else 0.5)
    images[marked, 1:7, 1:7] = 250
    visible = rng.random(number) < np.where(y == 1, 0.7, 0.3)
    images[visible, 16:24, 16:24] = 200
    return y, images


def run(y, images, score, patients=None):
    """All tests of one class."""
    patients = patients or [str(i // 2) for i in range(len(y))]
    replicates = resample(pd.Series(patients), 200, 0)
    (tests,) = occlusion_tests(y[:, None], occlude(images), score, replicates, 0)
    return tests


def test_a_scorer_that_reads_a_correlated_corner_is_flagged():
    tests = run(*cohort(correlated=True), corners_of)
    assert is_shortcut(tests.swapped, LEAST)
    assert tests.swapped.before > 0.7
    assert tests.swapped.after < 0.3  # what it read is reversed
    drop = tests.swapped.drop
    assert 0 < drop.low < drop.value < drop.high
    assert tests.occluded["corners"].after == pytest.approx(0.5, abs=0.12)


def test_corners_that_tell_nothing_are_no_shortcut_even_for_a_scorer_that_reads_them():
    assert not is_shortcut(run(*cohort(correlated=False), corners_of).swapped, LEAST)


def test_a_scorer_that_does_not_look_there_is_not_flagged():
    tests = run(*cohort(correlated=True), center_of)
    assert tests.swapped.drop.value == tests.pull.value == tests.pull.high == 0
    assert tests.occluded["corners"].drop.value == 0
    assert not is_shortcut(tests.swapped, LEAST)


def test_lungs_and_the_rest_are_occluded_in_turn(monkeypatch):
    lungs = np.zeros((SIZE, SIZE), bool)
    lungs[10:30, 12:28] = True
    monkeypatch.setattr(occlusion, "lung_masks", lambda x: np.broadcast_to(lungs, x.shape))
    y, images = cohort(correlated=False)
    images[:] = 60
    images[np.ix_(y == 1, range(10, 30), range(12, 28))] = 90

    def inside(changed):
        return changed[:, lungs].mean(axis=1, keepdims=True) / 255

    occluded = run(y, images, inside).occluded
    assert occluded["lungs"].before == occluded["all_but_lungs"].after == 1
    assert occluded["lungs"].after == 0.5
    assert occluded["corners"].drop.value == 0


def test_too_few_of_a_label_have_a_reason_and_no_figures():
    y, images = cohort(correlated=True)
    y[:] = 0
    y[:4] = 1
    tests = run(y, images, corners_of)
    assert tests.reason == "fewer than 5 patients with or without it"
    assert (tests.occluded, tests.swapped, tests.pull) == ({}, None, None)
    assert not is_shortcut(tests.swapped, LEAST)


def test_unknown_labels_are_left_out():
    y, images = cohort(correlated=True)
    first = run(y[:150], images[:150], center_of).occluded["corners"]
    unknown = np.where(np.arange(200) < 150, y, np.nan)
    assert run(unknown, images, center_of).occluded["corners"].before == first.before


def test_corners_by_hand():
    images = np.zeros((1, 10, 10), np.uint8)
    images[0, :2, :2] = [[10, 20], [30, 41]]
    images[0, 5, 5] = 99
    other = np.full((1, 10, 10), 7, np.uint8)
    swapped = swap_corners(np.concatenate([images, other]), np.array([1, 0]))
    assert (swapped[0, -2:, :2] == 7).all()
    assert swapped[0, 5, 5] == 99
    assert (swapped[1, :2, :2] == images[0, :2, :2]).all()
    assert (swapped[0] == 7).sum() == 16
    assert images[0, 0, 0] == 10  # the original stays


def test_what_is_occluded_has_one_gray_in_all_images():
    images = np.stack([np.full((5, 5), gray, np.uint8) for gray in (10, 20, 90)])
    where = np.zeros((3, 5, 5), bool)
    where[:, 0] = True
    hidden = painted(images, where)
    assert (hidden[:, 0] == 20).all()
    assert (hidden[:, 1:] == images[:, 1:]).all()


@pytest.mark.parametrize("same_label", [True, False])
def test_donors_are_others_with_the_label_asked_for(same_label):
    y = np.array([0.0, 1, 0, 1, 1] * 20)
    patient = np.arange(100) // 10
    donor = donors(y, patient, np.random.default_rng(0), same_label=same_label)
    assert ((y[donor] == y) == same_label).all()
    assert (patient[donor] != patient).all()
    assert len(set(donor)) > 20


def test_one_patients_own_corner_is_no_shortcut():
    """Five images of one sick patient with a corner of their own say nothing about others."""
    y, images = cohort(correlated=False)
    y[:] = 0
    y[:5] = 1
    images[:5, 1:7, 1:7] = 250
    tests = run(y, images, corners_of, ["sick"] * 5 + [str(i) for i in range(195)])
    assert "5 patients" in tests.reason


def test_a_drop_equals_scikit_learn():
    rng = np.random.default_rng(1)
    y, before, after = rng.integers(0, 2, 90), rng.random(90).round(1), rng.random(90).round(1)
    found = auroc_drop(y.astype(float), before, after, np.ones((5, 90)))
    assert found.before == round(roc_auc_score(y, before), 4)
    assert found.after == round(roc_auc_score(y, after), 4)
    assert found.drop.low == found.drop.high == found.drop.value


def test_a_drop_of_the_auroc_is_paired():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300).astype(float)
    before = y + rng.normal(0, 1, 300)
    weights = resample(pd.Series(np.arange(300).astype(str)), 500, 0).weights()
    same = auroc_drop(y, before, before, weights).drop
    assert (same.value, same.low, same.high) == (0, 0, 0)
    drop = auroc_drop(y, before, before + 0.1 * rng.normal(0, 1, 300), weights).drop
    assert drop.high - drop.low < 0.03  # unpaired it would be about 0.1


def test_a_corner_that_is_read_pulls_even_where_the_finding_is_easy():
    """The AUROC stays 1, so the drop alone would say that nothing is read there."""
    y, images = cohort(correlated=True)

    def easy(changed):
        return 0.6 * y[:, None] + 0.3 * corners_of(changed)

    tests = run(y, images, easy)
    assert tests.swapped.drop.value == 0
    assert tests.pull.low > 0.05


def test_a_shortcut_is_large_and_beyond_chance():
    swapped = run(*cohort(correlated=True), corners_of).swapped
    drop = swapped.drop.value
    assert is_shortcut(swapped, drop)
    assert not is_shortcut(swapped, drop + 1e-4)
    by_chance = swapped.drop.model_copy(update={"low": 0.0})
    assert not is_shortcut(swapped.model_copy(update={"drop": by_chance}), LEAST)


@pytest.mark.slow
@pytest.mark.parametrize(("correlation", "flagged"), [(0.6, ["Nodule"]), (0.0, [])])
def test_a_marker_that_goes_with_a_finding_is_flagged_and_another_one_is_not(
    correlation, flagged, tmp_path, monkeypatch
):
    """The shipped settings on phantoms, trained from nothing, as in the benchmark."""
    measure = runpy.run_path(str(ROOT / "benchmarks" / "shortcut.py"))["measure"]
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "data/local", "data/local")
    found = measure("Nodule", correlation, 0, load_paths(ROOT / "dvc.yaml"))
    assert found["shortcuts"] == flagged
    assert (found["swapped"]["drop"]["value"] >= 0.2) == bool(flagged)
    assert (found["marker_reversed"]["drop"] >= 0.2) == bool(flagged)
