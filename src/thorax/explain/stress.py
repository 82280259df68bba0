"""Stress tests: ranking and decisions on images that were acquired a little differently.

Another scanner, screen or archive blurs, brightens and frames images; the disease stays. Ranking
often survives that, decisions at a frozen threshold do not. The changes are fixed, and nothing is
chosen from what comes out.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.artifacts import Estimate
from thorax.artifacts.explanation import StressTest
from thorax.metrics.bootstrap import Replicates, estimate
from thorax.metrics.classification import macro, ones, per_class
from thorax.tasks import Array, Task, Values

BLUR = 0.01  # standard deviation, fraction of the width: about one pixel in a hundred
FRAME = 0.05  # width of a black frame, fraction of height and width
LEVELS = (0.1, 0.9)  # black and white level, fractions of the range
BRIGHT, DARK = 0.7, 1.4  # exponents
METRICS = ("auroc", "sensitivity", "specificity", "accuracy")

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


def stress_tests(
    task: Task,
    y: Array,
    images: Images,
    score: Callable[[Images], Array],
    thresholds: Array,
    replicates: Replicates,
) -> tuple[StressTest, list[StressTest]]:
    """Metrics of the images as they are, and under each change, the worst first.

    Args:
        task: what turns probabilities into decisions.
        y: labels [N, O], NaN for unknown.
        images: [N, H, W].
        score: from pixels [M, H, W] to probabilities [M, O].
        thresholds: the frozen ones [O]; empty where the most likely class is decided for.
        replicates: of the patients of the N images.
    """
    weights = replicates.weights()

    def measured(version: Images) -> Values:
        """Each metric, exact and then in each replicate [1 + R]: macro over classes."""
        p = score(version)
        d = task.decide(p, thresholds)
        exact, drawn = (per_class(y, p, d, w) for w in (ones(len(y)), weights))
        means = [macro(values, exact) for values in (exact, drawn)]
        return {name: np.concatenate([mean[name] for mean in means]) for name in METRICS}

    before = measured(images)

    def tested(name: str, after: Values) -> StressTest:
        return StressTest(
            change=name,
            metrics={key: _estimate(after[key]) for key in METRICS},
            drops={key: _estimate(before[key] - after[key], bounded=False) for key in METRICS},
        )

    tests = [
        tested(name, measured(np.stack([change(image) for image in images])))
        for name, change in CHANGES.items()
    ]
    return tested("", before), sorted(tests, key=_lost, reverse=True)


def _estimate(values: Array, *, bounded: bool = True) -> Estimate:
    return estimate(values[0], values[1:], "a single class present", bounded=bounded)


def _lost(test: StressTest) -> float:
    """By how much sensitivity and specificity together are lower."""
    return sum(test.drops[name].value or 0.0 for name in ("sensitivity", "specificity"))
