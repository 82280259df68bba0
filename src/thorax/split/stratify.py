"""Stratified assignment of whole patients to subsets."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def stratify(
    counts: NDArray[np.float64], units: NDArray[np.int64], fractions: dict[int, float], seed: int
) -> NDArray[np.int64]:
    """Assign whole units to subsets so that each subset gets its fraction of every label.

    Greedy and multi-label, in the spirit of iterative stratification (Sechidis, Tsoumakas and
    Vlahavas 2011): units that carry the scarcest labels go first, each to the subset whose squared
    distance from its target, over labels, images and units, falls most.

    Args:
        counts: float [N, L], 1 where an image has a label.
        units: int [N], what must stay together.
        fractions: subset number → fraction of the whole.
        seed: decides the order among equals.

    Returns:
        int [N]: subset number of each image.
    """
    codes, _ = pd.factorize(units)
    n_units = codes.max() + 1
    features = np.column_stack([counts, np.ones(len(counts))])
    weight = np.zeros((n_units, features.shape[1] + 1))
    np.add.at(weight[:, :-1], codes, features)
    weight[:, -1] = 1  # the unit itself: subsets get their fraction of patients too
    weight = weight[:, weight.sum(axis=0) > 0]
    weight /= weight.sum(axis=0)

    numbers = np.array(list(fractions))
    share = np.array(list(fractions.values()))[:, None]
    missing = np.repeat(share, weight.shape[1], axis=1)  # target minus what the subset has
    shuffled = np.random.default_rng(seed).permutation(n_units)
    order = shuffled[np.argsort(-weight.sum(axis=1)[shuffled], kind="stable")]
    chosen = np.empty(n_units, int)
    for unit in order:
        cost = ((weight[unit] - 2 * missing) * weight[unit] / share).sum(axis=1)
        chosen[unit] = best = int(cost.argmin())
        missing[best] -= weight[unit]
    subsets: NDArray[np.int64] = numbers[chosen[codes]]
    return subsets
