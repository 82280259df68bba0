"""Stress: each change does what it is called, to a copy."""

import numpy as np
import pytest

from thorax.predict.stress import CHANGES

SIZE = 40


def cohort(number=120):
    """Dark images and, with the finding, brighter ones."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, number).astype(float)
    images = rng.integers(0, 100, (number, SIZE, SIZE)).astype(np.uint8)
    images[y == 1] += 60
    return y[:, None], images


def sharpness(images):
    return 1 - np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2))[:, None] / 255


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
