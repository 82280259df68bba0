"""Stress: what a change of every image does to ranking and to decisions."""

import numpy as np
import pandas as pd
import pytest

from thorax.explain.stress import CHANGES, stress_tests
from thorax.metrics.bootstrap import resample
from thorax.tasks import TASKS

SIZE = 40


def cohort(number=120):
    """Dark images and, with the finding, brighter ones."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, number).astype(float)
    images = rng.integers(0, 100, (number, SIZE, SIZE)).astype(np.uint8)
    images[y == 1] += 60
    return y[:, None], images


def brightness(images):
    return images.mean(axis=(1, 2))[:, None] / 255


def sharpness(images):
    return 1 - np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2))[:, None] / 255


def run(score, threshold, y, images, task="binary"):
    replicates = resample(pd.Series([str(i // 2) for i in range(len(y))]), 100, 0)
    return stress_tests(TASKS[task], y, images, score, np.array(threshold), replicates)


def test_a_gain_of_brightness_breaks_decisions_and_not_the_ranking():
    unchanged, tests = run(brightness, [0.3], *cohort())
    assert [unchanged.metrics[name].value for name in unchanged.metrics] == [1, 1, 1, 1]
    found = {test.change: test for test in tests}
    brighter = found["brighter"]
    assert brighter.metrics["auroc"].value == 1
    assert brighter.metrics["specificity"].value < 0.5
    assert brighter.drops["specificity"].low > 0.3
    assert found["blur"].metrics["accuracy"].value == 1


def test_the_worst_stands_first():
    _, tests = run(brightness, [0.3], *cohort())
    lost = [test.drops["sensitivity"].value + test.drops["specificity"].value for test in tests]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] > 0.3 > lost[-1]
    assert {test.change for test in tests} == set(CHANGES)


def test_drops_are_paired():
    y, images = cohort()
    y[::7] = 1 - y[::7]  # an AUROC below 1 has an interval
    _, tests = run(brightness, [0.3], y, images)
    (blur,) = [test for test in tests if test.change == "blur"]
    assert blur.metrics["auroc"].high - blur.metrics["auroc"].low > 0.05
    assert blur.drops["auroc"].high - blur.drops["auroc"].low < 0.02


def test_classes_that_exclude_each_other_need_no_threshold():
    y, images = cohort()
    both = np.concatenate([y, 1 - y], axis=1)

    def score(changed):
        p = brightness(changed) / 0.6
        return np.concatenate([p, 1 - p], axis=1)

    unchanged, _ = run(score, [], both, images, "multi-class")
    assert unchanged.metrics["accuracy"].value > 0.9


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_keeps_the_shape_and_leaves_the_original(change):
    image = cohort()[1][0]
    before = image.copy()
    changed = CHANGES[change](image)
    assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
    assert (changed != image).any()
    np.testing.assert_array_equal(image, before)


def test_changes_are_what_they_are_called():
    image = cohort()[1][0]
    assert sharpness(CHANGES["blur"](image)[None]) > sharpness(image[None])
    assert sharpness(CHANGES["half resolution"](image)[None]) > sharpness(image[None])
    assert CHANGES["brighter"](image).mean() > image.mean() > CHANGES["darker"](image).mean()
    assert CHANGES["less contrast"](image).std() == pytest.approx(0.8 * image.std(), rel=0.05)
    framed = CHANGES["black frame"](image)
    assert framed[:2].max() == framed[:, -2:].max() == 0
    np.testing.assert_array_equal(framed[2:-2, 2:-2], image[2:-2, 2:-2])
