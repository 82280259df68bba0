"""The calibration error of perfect probabilities, by drawing their labels."""

import numpy as np
import pytest

from thorax.metrics.calibration import calibration_error
from thorax.metrics.calibration_reference import error_if_calibrated


@pytest.mark.parametrize("images", [100, 1000])
def test_it_is_what_perfect_models_show(images):
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 1, images)
    shown = [calibration_error((rng.random(images) < p) * 1.0, p) for _ in range(100)]
    assert error_if_calibrated(p, 1) == pytest.approx(np.mean(shown), rel=0.1)


def test_it_shrinks_with_the_root_of_the_images():
    p = np.random.default_rng(0).random(400)
    few, many = error_if_calibrated(p, 0), error_if_calibrated(np.tile(p, 9), 0)
    assert few / many == pytest.approx(3, rel=0.15)


def test_certain_probabilities_have_none_and_no_image_has_no_reference():
    assert error_if_calibrated(np.array([0.0, 1.0, 1.0]), 0) == 0
    assert error_if_calibrated(np.zeros(0), 0) is None
