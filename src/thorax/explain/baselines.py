"""How far one gets with gray levels alone, and with the image's edge alone.

Gray statistics know nothing of where anything lies, the border ring nothing of what lies inside.
Part of what they tell may be the disease (an opacity raises gray levels) or the patient's pose (the
ring holds shoulders), so they bound what a model needs to see; they do not say what it looks at.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from thorax.artifacts.explanation import PixelBaseline
from thorax.metrics.baseline import beside_model
from thorax.metrics.predictions import Predictions
from thorax.parallel import cores
from thorax.tasks import Array

PERCENTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BLACK, WHITE = 5, 250  # gray levels up to and from which a pixel counts as such
COARSE, RING = 16, 2  # width of the small image and of its outer ring, pixels
REASON = "a single class present"

Images = NDArray[np.uint8]


def gray_statistics(image: Images) -> Array:
    """Mean, SD, percentiles, proportions of black and white, mean Laplacian of an image [H, W]."""
    level = np.arange(256)
    p = np.bincount(image.ravel(), minlength=256) / image.size
    mean = p @ level
    spread = np.sqrt(p @ (level - mean) ** 2)
    quantiles = np.searchsorted(np.cumsum(p), PERCENTILES)
    ends = p[: BLACK + 1].sum(), p[WHITE:].sum()
    sharpness = np.abs(cv2.Laplacian(image, cv2.CV_16S)).mean()
    return np.array([mean, spread, *quantiles, *ends, sharpness])


def border_ring(image: Images) -> Array:
    """The outer eighth of an image [H, W] on every side, at 16 × 16 pixels."""
    small = cv2.resize(image, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    ring = np.ones((COARSE, COARSE), bool)
    ring[RING:-RING, RING:-RING] = False
    return small[ring].astype(float)


FEATURES: dict[str, Callable[[Images], Array]] = {
    "gray statistics": gray_statistics, "border ring": border_ring,
}  # fmt: skip


def pixel_baselines(
    images: Images,
    trained: NDArray[np.int64],
    targets: Array,
    evaluated: NDArray[np.int64],
    predictions: Predictions,
) -> dict[str, PixelBaseline]:
    """Gradient-boosted trees on each kind of features, fitted on training images, by kind.

    Args:
        images: the cache [N, H, W].
        trained: rows of the training images [M].
        targets: their labels [M, O], NaN unknown.
        evaluated: rows of the evaluated images [K].
        predictions: the model's of these.
    """

    def of(features: Callable[[Images], Array]) -> PixelBaseline:
        train, known = (np.stack([features(images[row]) for row in rows])
                        for rows in (trained, evaluated))  # fmt: skip
        with ThreadPoolExecutor(cores()) as pool:
            scores = list(pool.map(lambda y: _predicted(train, y, known), targets.T))
        classes, average = beside_model(scores, predictions, REASON)
        return PixelBaseline(classes=classes, mean=average)

    return {name: of(features) for name, features in FEATURES.items()}


def _predicted(train: Array, y: Array, known: Array) -> Array | None:
    labeled = ~np.isnan(y)
    if len(np.unique(y[labeled])) < 2:
        return None
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    # Classes are fitted side by side; on a busy machine threads within one wait for each other.
    with threadpool_limits(1, "openmp"):
        p: Array = model.fit(train[labeled], y[labeled]).predict_proba(known)[:, 1]
    return p
