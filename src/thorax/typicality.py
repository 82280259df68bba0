"""How unlike the training images an image is: not a chest film, turned, inverted, another view.

Probabilistic principal components (Tipping and Bishop 1999, J. R. Stat. Soc. B 61) of thumbnails in
which contrast and brightness do not count: the score is minus twice the log-likelihood but for a
constant, per pixel. Its limit is a percentile on validation images, so that about so many images of
the same kind are flagged; how many of the test set were is counted in `predictions.json`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

FILE = "typicality.safetensors"
SIDE = 32  # pixels of a thumbnail, which the smallest model input has room for half of
COMPONENTS = 64
ENOUGH = 10_000  # training images to learn from
PERCENTILE = 99.0  # of the validation images that is still typical
CHUNK = 256
FLAT = 1e-3  # of 255: the standard deviation under which an image shows nothing

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Typicality:
    """A Gaussian of thumbnails of P pixels: most variance along K components, the same elsewhere.

    Attributes:
        mean: of the thumbnails [P].
        components: rows of unit length [K, P].
        variances: along them [K].
        noise: along every other direction.
        limit: score above which an image is unlike the training images.
    """

    mean: Array
    components: Array
    variances: Array
    noise: float
    limit: float

    @classmethod
    def fit(
        cls, images: NDArray[np.uint8], train: NDArray[np.int64], val: NDArray[np.int64]
    ) -> "Typicality":
        """Learn from cache rows `train` of images [N, S, S]; the limit is from rows `val`."""
        x = thumbnails(images, train[:: max(1, len(train) // ENOUGH)])
        mean = x.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(x - mean, rowvar=False, bias=True))
        kept = min(COMPONENTS, max(1, len(x) // 4))
        noise = max(float(variances[:-kept].mean()), 1e-6)
        along = np.maximum(variances[-kept:], noise)
        model = cls(mean, np.ascontiguousarray(axes[:, -kept:].T), along, noise, np.inf)
        limit = float(np.percentile(model.scores(thumbnails(images, val)), PERCENTILE))
        return replace(model, limit=limit)

    def scores(self, x: Array) -> Array:
        """Score [N] of thumbnails [N, P]: about 1 for an image like the training images."""
        apart = x - self.mean
        along = apart @ self.components.T
        rest = (apart**2).sum(axis=1) - (along**2).sum(axis=1)
        score: Array = ((along**2 / self.variances).sum(axis=1) + rest / self.noise) / x.shape[1]
        return score

    def write(self, folder: Path) -> None:
        """Write it beside the weights of its model."""
        arrays = {name: np.asarray(value, np.float64) for name, value in vars(self).items()}
        save_file(arrays, folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> "Typicality":
        """From beside the weights of its model."""
        arrays = load_file(folder / FILE)
        mean, components, variances = (arrays[name] for name in ("mean", "components", "variances"))
        return cls(mean, components, variances, float(arrays["noise"]), float(arrays["limit"]))


def atypicality(models: Sequence[Typicality], x: Array) -> Array:
    """Mean over models of the score as a multiple of its limit [N]: above 1, unlike the images."""
    ratios: Array = np.mean([model.scores(x) / model.limit for model in models], axis=0)
    return ratios


def thumbnails(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> Array:
    """Reduced images [N, P] with mean 0 and standard deviation 1 each."""
    reduce = averaging(images.shape[1])
    parts = [
        reduce @ images[rows[start : start + CHUNK]].astype(np.float64) @ reduce.T
        for start in range(0, len(rows), CHUNK)
    ]
    x = np.concatenate(parts).reshape(len(rows), -1)
    x -= x.mean(axis=1, keepdims=True)
    x /= np.maximum(x.std(axis=1, keepdims=True), FLAT)
    return x


def averaging(size: int) -> Array:
    """Weights [SIDE or less, size] that average neighboring pixels of a line."""
    side = min(SIDE, size)
    scale, i, j = size / side, np.arange(side)[:, None], np.arange(size)[None, :]
    overlap = np.minimum((i + 1) * scale, j + 1) - np.maximum(i * scale, j)
    weights: Array = np.maximum(overlap, 0) / scale
    return weights
