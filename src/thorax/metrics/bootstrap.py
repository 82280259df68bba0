"""Intervals by bootstrap over patients, exact in ties, for every headline metric at once.

Images of one patient are alike, so patients are drawn with replacement and not images (Field and
Welsh 2007, cluster bootstrap). A replicate is a set of image weights; scores are sorted once and
then only re-weighted. Shapes: N images, L classes, R replicates.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

CHUNK = 400_000  # weights held at once: small enough for the processor's cache


@dataclass(frozen=True)
class Draws:
    """How often each patient is drawn in each replicate, int [R, P], and whose each image is [N].

    A row sums to the number of patients. The same seed and patients give the same draws, so that
    what is computed from them, of two models or of two groups of images, is paired.
    """

    weights: NDArray[np.int64]
    patient: NDArray[np.int64]

    def of(self, images: NDArray[np.int64] | NDArray[np.bool_]) -> "Draws":
        """The same draws for some of the images."""
        return Draws(self.weights, self.patient[images])

    def by_image(self) -> Array:
        """Weight of every image in every replicate [R, N]."""
        return self.weights[:, self.patient].astype(float)


def draw(patients: "pd.Series[str]", replicates: int, seed: int) -> Draws:
    """Draw patients with replacement; `patients` says whose each image is [N].

    No replicates mean the sample itself as the only one, which has no interval.
    """
    if not replicates:
        return sample(len(patients))
    codes, names = pd.factorize(patients)
    count = len(names)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=replicates)
    return Draws(weights, codes.astype(np.int64))


def sample(images: int) -> Draws:
    """The sample itself as its only replicate."""
    return Draws(np.ones((1, 1), np.int64), np.zeros(images, np.int64))


def replicate_metrics(y: Array, p: Array, d: Array, draws: Draws) -> dict[str, Array]:
    """Metrics of each class in each replicate, [R, L], NaN where undefined.

    Args:
        y: labels [N, L], NaN for unknown.
        p: probabilities [N, L].
        d: decisions [N, L].
        draws: R replicates of the N images.
    """
    step = max(1, CHUNK // max(1, len(y)))
    parts = [
        _weighted_metrics(y, p, d, Draws(weights, draws.patient).by_image())
        for weights in np.array_split(draws.weights, -(-len(draws.weights) // step))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _weighted_metrics(y: Array, p: Array, d: Array, w: Array) -> dict[str, Array]:
    """Metrics [R, L] of replicates given as image weights [R, N]."""
    known, y = ~np.isnan(y), np.nan_to_num(y)
    tp, fp = w @ (y * d), w @ ((known - y) * d)
    fn, tn = w @ (y * (1 - d)), w @ ((known - y) * (1 - d))

    def ranked(i: int) -> tuple[Array, Array]:
        own = known[:, i]
        return ranking_metrics(y[own, i], p[own, i], w if own.all() else w[:, own])

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        ranks = list(pool.map(ranked, range(y.shape[1])))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": (tp + tn) / (tp + fp + tn + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "specificity": tn / (tn + fp),
            "npv": tn / (tn + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "auroc": np.stack([rank[0] for rank in ranks], axis=1),
            "average_precision": np.stack([rank[1] for rank in ranks], axis=1),
        }


def ranking_metrics(y: Array, p: Array, w: Array) -> tuple[Array, Array]:
    """Weighted AUROC and average precision of one class, [R] each; NaN without both outcomes.

    Args:
        y: labels [N], 1 or 0.
        p: scores [N].
        w: image weights [R, N].
    """
    if len(y) == 0:
        return np.full(len(w), np.nan), np.full(len(w), np.nan)
    order = np.argsort(-p, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(p[order]) != 0])  # of each run of equal scores
    w = np.take(w, order, axis=1)
    total = w if len(starts) == len(p) else np.add.reduceat(w, starts, axis=1)
    above = np.cumsum(total, axis=1)  # weights down to the end of each run
    # Only runs that hold a positive add to either area; findings are rare, so they are few.
    positives = np.flatnonzero(y[order])
    if len(positives) == 0:
        return np.full(len(w), np.nan), np.full(len(w), np.nan)
    run = np.searchsorted(starts, positives, side="right") - 1
    first = np.flatnonzero(np.r_[True, np.diff(run) != 0])
    positive = np.add.reduceat(w[:, positives], first, axis=1)
    total, all_above = total[:, run[first]], above[:, run[first]]
    positives_above = np.cumsum(positive, axis=1)
    n_positive = positives_above[:, -1]
    n_negative = above[:, -1] - n_positive
    # Each positive beats all negatives below its run and half of those in it.
    below = n_negative[:, None] - (all_above - positives_above)
    wins = (positive * (below + (total - positive) / 2)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(all_above > 0, positives_above / all_above, 0)
        auroc = wins / (n_positive * n_negative)
        average_precision = (precision * positive).sum(axis=1) / n_positive
    undefined = (n_positive == 0) | (n_negative == 0)
    auroc[undefined], average_precision[undefined] = np.nan, np.nan
    return auroc, average_precision


def share_interval(values: Array) -> tuple[float | None, float | None, int]:
    """As `interval` for what lies between 0 and 1; None where no replicate moves from an end.

    That all of a sample is right does not make it certain of the next one.
    """
    low, high, undefined = interval(values)
    return (None, None, undefined) if low == high and low in (0, 1) else (low, high, undefined)


def interval(values: Array, level: float = 0.95) -> tuple[float | None, float | None, int]:
    """Percentile interval of replicates [R] and how many of them were undefined."""
    defined = values[np.isfinite(values)]
    undefined = len(values) - len(defined)
    if len(defined) < 2:
        return None, None, undefined
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), undefined
