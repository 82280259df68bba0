"""What the calibration error of a perfectly calibrated model would be: it is not 0."""

import numpy as np

from thorax.metrics.calibration import ECE_BINS, equal_mass
from thorax.tasks import Array

DRAWS = 100  # of all labels; the mean of so many is certain to about a twentieth of itself


def error_if_calibrated(p: Array, seed: int) -> float | None:
    """Mean `calibration_error` of probabilities [N] whose labels are drawn from them.

    A bin of few images hardly ever has as many positives as its probabilities promise (consistency
    resampling, Bröcker and Smith 2007, Weather and Forecasting 22). Images are taken for
    independent, so with several a patient the reference is on the low side.
    """
    if not len(p):
        return None
    bins, rng = equal_mass(p, min(ECE_BINS, len(p))), np.random.default_rng(seed)
    drawn = (p - (rng.random(len(p)) < p) for _ in range(DRAWS))
    return float(np.mean([np.abs(np.bincount(bins, apart)).sum() for apart in drawn]) / len(p))
