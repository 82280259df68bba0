"""Bootstrap over patients, for what has no influence function: maps, occlusion, paired differences.

Images of one patient are alike, so patients are drawn with replacement and not images (Field and
Welsh 2007, cluster bootstrap).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts import Estimate
from thorax.io import rounded
from thorax.tasks import Array, Values

CHUNK = 400_000  # weights held at once: small enough for the processor's cache


@dataclass(frozen=True)
class Replicates:
    """How often each patient is drawn in each replicate, int [R, P], and whose each image is [N].

    The same seed and patients give the same replicates, so that what is computed from them, of two
    models or of two groups of images, is paired.
    """

    times: NDArray[np.int64]
    patient: NDArray[np.int64]

    def take(self, images: NDArray[np.int64] | NDArray[np.bool_]) -> "Replicates":
        """The same replicates for some of the images."""
        return Replicates(self.times, self.patient[images])

    def weights(self) -> Array:
        """Weight of every image in every replicate [R, N]."""
        return self.times[:, self.patient].astype(float)


def resample(patients: "pd.Series[str]", n_bootstrap: int, seed: int) -> Replicates:
    """Draw as many patients as there are, with replacement; `patients` says whose an image is."""
    codes, names = pd.factorize(patients)
    count = len(names)
    if not count:  # as in an empty test set
        return Replicates(np.zeros((n_bootstrap, 0), np.int64), codes.astype(np.int64))
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), n_bootstrap)
    return Replicates(times, codes.astype(np.int64))


def over_replicates(metrics: Callable[[Array], Values], replicates: Replicates) -> Values:
    """Metrics [R, …] of all replicates, a few at a time; `metrics` takes image weights [r, N]."""
    step = max(1, CHUNK // max(1, len(replicates.patient)))
    chunks = np.array_split(replicates.times, max(1, -(-len(replicates.times) // step)))
    parts = [metrics(Replicates(times, replicates.patient).weights()) for times in chunks]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def percentiles(values: Array) -> tuple[float | None, float | None, int]:
    """95% percentile interval of replicates [R], and how many of them are undefined."""
    defined = values[np.isfinite(values)]
    undefined = len(values) - len(defined)
    if len(defined) < 2:
        return None, None, undefined
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high), undefined


def estimate(
    value: float, replicates: Array, reason: str = "", *, bounded: bool = True
) -> Estimate:
    """A figure with its percentile interval, four decimals.

    Args:
        value: NaN where undefined.
        replicates: of the value [R].
        reason: why it may be undefined.
        bounded: it lies between 0 and 1. That all of a sample is right does not make the next one
            certain, so replicates that never move from an end give no interval.
    """
    low, high, undefined = percentiles(replicates)
    if bounded and low == high and low in (0, 1):
        low = high = None
    known = bool(np.isfinite(value))
    return Estimate(
        value=rounded(value),
        low=rounded(low),
        high=rounded(high),
        undefined_replicates=undefined,
        reason="" if known else reason,
    )
