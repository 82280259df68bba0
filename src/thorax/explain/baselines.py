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

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import BaselineComparison
from thorax.artifacts.explanation import PixelBaseline
from thorax.metrics.bootstrap import Replicates, estimate, over_replicates
from thorax.metrics.classification import auroc_and_ap, ones
from thorax.metrics.predictions import Predictions
from thorax.parallel import cores
from thorax.tasks import Array, Values

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
    replicates: Replicates,
) -> dict[str, PixelBaseline]:
    """Gradient-boosted trees on each kind of features, fitted on training images, by kind.

    Args:
        images: the cache [N, H, W].
        trained: rows of the training images [M].
        targets: their labels [M, O], NaN unknown.
        evaluated: rows of the evaluated images [K].
        predictions: the model's of these.
        replicates: of their patients.
    """

    def of(features: Callable[[Images], Array]) -> PixelBaseline:
        train, known = (np.stack([features(images[row]) for row in rows])
                        for rows in (trained, evaluated))  # fmt: skip
        with ThreadPoolExecutor(cores()) as pool:
            scores = list(pool.map(lambda y: _predicted(train, y, known), targets.T))
        return compared(scores, predictions, replicates)

    return {name: of(features) for name, features in FEATURES.items()}


def compared(
    scores: list[Array | None], predictions: Predictions, replicates: Replicates
) -> PixelBaseline:
    """AUROC of scores [N] of each class (None: there are none), and of the model minus that."""

    def both(i: int, score: Array | None) -> Array | None:
        """AUROC of baseline and model, exact and then in each replicate [2, 1 + R]."""
        rows = ~np.isnan(predictions.y[:, i])
        y = predictions.y[rows, i]
        if score is None or len(np.unique(y)) < 2:
            return None
        pair = (score[rows], predictions.p[rows, i])

        def aurocs(w: Array) -> Values:
            return {"auroc": np.stack([auroc_and_ap(y, each, w)[0] for each in pair], axis=1)}

        replicated = over_replicates(aurocs, replicates.take(rows))
        return np.concatenate([aurocs(ones(len(y)))["auroc"], replicated["auroc"]]).T

    pairs = [both(i, score) for i, score in enumerate(scores)]
    defined = [pair for pair in pairs if pair is not None]
    return PixelBaseline(
        classes={name: _comparison(p) for name, p in zip(predictions.outputs, pairs, strict=True)},
        mean=_comparison(np.mean(defined, axis=0) if defined else None),
    )


def _comparison(pair: Array | None) -> BaselineComparison:
    if pair is None:
        undefined = Estimate(value=None, reason=REASON)
        return BaselineComparison(baseline=undefined, model=undefined, difference=undefined)
    baseline, model, difference = (
        estimate(values[0], values[1:], REASON, bounded=False)
        for values in (*pair, pair[1] - pair[0])
    )
    return BaselineComparison(baseline=baseline, model=model, difference=difference)


def _predicted(train: Array, y: Array, known: Array) -> Array | None:
    labeled = ~np.isnan(y)
    if len(np.unique(y[labeled])) < 2:
        return None
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    # Classes are fitted side by side; on a busy machine threads within one wait for each other.
    with threadpool_limits(1, "openmp"):
        p: Array = model.fit(train[labeled], y[labeled]).predict_proba(known)[:, 1]
    return p
