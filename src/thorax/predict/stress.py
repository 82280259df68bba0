"""Stress: images as another scanner, screen or archive would blur, brighten and frame them.

The disease stays. Ranking often survives that, decisions at a frozen threshold do not
(`thorax.evaluate.stress`). The changes are fixed, and nothing is chosen from what comes out.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.dataset import Dataset
from thorax.tasks import Array

BLUR = 0.01  # standard deviation, fraction of the width: about one pixel in a hundred
FRAME = 0.05  # width of a black frame, fraction of height and width
LEVELS = (0.1, 0.9)  # black and white level, fractions of the range
BRIGHT, DARK = 0.7, 1.4  # exponents

Images = NDArray[np.uint8]


def blur(image: Images) -> Images:
    """Gaussian blur of an image [H, W]."""
    return cv2.GaussianBlur(image, (0, 0), BLUR * image.shape[1]).astype(np.uint8)


def gamma(image: Images, exponent: float) -> Images:
    """Brighter under 1, darker above; black and white stay."""
    return _mapped(image, np.linspace(0, 1, 256) ** exponent)


def levels(image: Images) -> Images:
    """Black becomes gray, white as well: less contrast."""
    return _mapped(image, np.linspace(*LEVELS, 256))


def frame(image: Images) -> Images:
    """A black frame over the edge."""
    y, x = (max(1, round(FRAME * side)) for side in image.shape)
    framed = np.zeros_like(image)
    framed[y:-y, x:-x] = image[y:-y, x:-x]
    return framed


def half_resolution(image: Images) -> Images:
    """Scaled to half of the height and width and back."""
    height, width = image.shape
    half = (max(1, width // 2), max(1, height // 2))
    small = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def _mapped(image: Images, fractions: Array) -> Images:
    """Each gray level replaced by a fraction of the range [256]."""
    return np.round(255 * fractions).astype(np.uint8)[image]


CHANGES: dict[str, Callable[[Images], Images]] = {
    "blur": blur,
    "half resolution": half_resolution,
    "brighter": partial(gamma, exponent=BRIGHT),
    "darker": partial(gamma, exponent=DARK),
    "less contrast": levels,
    "black frame": frame,
    "blur and brighter": lambda image: gamma(blur(image), BRIGHT),
}


def altered(
    dataset: Dataset, rows: NDArray[np.int64], change: Callable[[Images], Images]
) -> Dataset:
    """Some of the images, each of them changed; its rows count from 0."""
    return replace(
        dataset,
        images=np.stack([change(dataset.images[row]) for row in rows]),
        table=dataset.table.iloc[rows].reset_index(drop=True),
        targets=dataset.targets[rows],
    )
