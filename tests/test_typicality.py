"""Images unlike the training images are flagged, and those like them rarely."""

import cv2
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from thorax.typicality import Typicality, atypicality, averaging, thumbnails

SIZE = 48


def film(seed):
    """Two dark lungs in a bright body, a little different each time, with noise."""
    rng = np.random.default_rng(seed)
    image = np.full((SIZE, SIZE), 170, np.uint8)
    for side in (-1, 1):
        x, y = SIZE // 2 + side * 11 + rng.integers(-1, 2), 20 + rng.integers(-2, 3)
        axes = (7 + int(rng.integers(0, 2)), 14 + int(rng.integers(-1, 2)))
        cv2.ellipse(image, (int(x), int(y)), axes, 0, 0, 360, 60, -1)
    image[38:] = 210
    return np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def films():
    return np.stack([film(seed) for seed in range(900)])


@pytest.fixture(scope="module")
def typical(films):
    return Typicality.fit(films, np.arange(400), np.arange(400, 600))


def flagged(typical, images):
    return atypicality([typical], thumbnails(images, np.arange(len(images)))) > 1


def test_few_images_of_the_same_kind_are_flagged(typical, films):
    assert flagged(typical, films[600:]).mean() < 0.05
    assert flagged(typical, films[400:600]).mean() == pytest.approx(0.01, abs=0.005)


@pytest.mark.parametrize(
    "alter",
    [lambda i: 255 - i, lambda i: i[::-1], lambda i: np.rot90(i), lambda i: np.roll(i, 20),
     lambda i: np.zeros_like(i), lambda i: np.full_like(i, 7),
     lambda i: np.random.default_rng(0).integers(0, 256, i.shape, np.uint8)],
    ids=["inverted", "upside down", "turned", "moved", "black", "gray", "noise"],
)  # fmt: skip
def test_another_kind_of_image_is_flagged(typical, films, alter):
    altered = np.stack([alter(image) for image in films[600:650]])
    assert flagged(typical, altered).all()


def test_contrast_and_brightness_do_not_count(typical, films):
    paler = (films[600:700] * 0.5 + 60).astype(np.uint8)
    assert flagged(typical, paler).mean() < 0.1


def test_the_score_is_the_log_likelihood_of_the_gaussian(typical, films):
    """Up to a constant: two images differ by it as SciPy's densities do."""
    x = thumbnails(films, np.arange(600, 605))
    spread = typical.components.T * (typical.variances - typical.noise) @ typical.components
    gaussian = multivariate_normal(typical.mean, spread + typical.noise * np.eye(x.shape[1]))
    expected = -2 * gaussian.logpdf(x) / x.shape[1]
    found = typical.scores(x)
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=1e-6, atol=1e-9)


def test_it_is_read_as_it_was_written(typical, films, tmp_path):
    typical.write(tmp_path)
    again = Typicality.read(tmp_path)
    x = thumbnails(films, np.arange(3))
    assert (again.scores(x) == typical.scores(x)).all()
    assert again.limit == typical.limit


@pytest.mark.parametrize("size", [16, 32, 48, 96, 100])
def test_averaging_equals_opencvs_area_resize(size):
    image = np.random.default_rng(0).random((size, size))
    weights = averaging(size)
    side = min(32, size)
    expected = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(weights @ image @ weights.T, expected, atol=1e-6)
