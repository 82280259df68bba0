"""How often 95% intervals of the AUROC hold the truth when images of a patient are alike.

Three intervals on the same simulated cohorts: thorax's bootstrap over patients, a bootstrap over
images, and DeLong's (DeLong et al. 1988), which both take images for independent.

    python benchmarks/coverage.py        # writes benchmarks/coverage.json, about two minutes
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.io import write_json
from thorax.metrics.bootstrap import percentiles, resample
from thorax.metrics.classification import auroc_and_ap
from thorax.provenance import machine

Array = NDArray[np.float64]

PATIENTS = 120
IMAGES = 6  # a patient
CORRELATION = 0.7  # between scores of one patient with the same label
SEPARATION = 1.5  # of the means of positives and negatives, in standard deviations
TRUTH = float(norm.cdf(SEPARATION / np.sqrt(2)))  # AUROC of images of different patients
FEW = 20
COHORTS = 500
N_BOOTSTRAP = 2000
METHODS = ("patients", "images", "delong")


def cohort(
    rng: np.random.Generator, patients: int = PATIENTS
) -> tuple[Array, Array, "pd.Series[str]"]:
    """Labels, scores and patients [N]; half of the patients are positive, in all their images."""
    positive = np.arange(patients) % 2
    of_patient = np.sqrt(CORRELATION) * rng.standard_normal(patients)
    y = np.repeat(positive, IMAGES).astype(float)
    of_image = np.sqrt(1 - CORRELATION) * rng.standard_normal(patients * IMAGES)
    score = SEPARATION * y + np.repeat(of_patient, IMAGES) + of_image
    return y, score, pd.Series(np.repeat(np.arange(patients).astype(str), IMAGES))


def delong(y: Array, score: Array) -> tuple[float, float]:
    """DeLong's normal interval, by midranks (Sun and Xu 2014)."""
    positive, negative = score[y == 1], score[y == 0]
    m, n = len(positive), len(negative)
    ranks = rankdata(np.r_[positive, negative])
    auroc = (ranks[:m].sum() - m * (m + 1) / 2) / (m * n)
    v10 = (ranks[:m] - rankdata(positive)) / n
    v01 = 1 - (ranks[m:] - rankdata(negative)) / m
    half = norm.ppf(0.975) * np.sqrt(v10.var(ddof=1) / m + v01.var(ddof=1) / n)
    return float(auroc - half), float(auroc + half)


def intervals(seed: int, n_bootstrap: int, patients: int) -> dict[str, tuple[float, float]]:
    """The three intervals of one simulated cohort."""
    y, score, patient = cohort(np.random.default_rng([seed, 0]), patients)
    images = pd.Series(np.arange(len(y)).astype(str))
    result = {"delong": delong(y, score)}
    for name, units in (("patients", patient), ("images", images)):
        weights = resample(units, n_bootstrap, seed).weights()
        low, high, _ = percentiles(auroc_and_ap(y, score, weights)[0])
        assert low is not None
        assert high is not None
        result[name] = (low, high)
    return result


def coverage(
    cohorts: int = COHORTS, n_bootstrap: int = N_BOOTSTRAP, patients: int = PATIENTS
) -> dict[str, float]:
    """Proportion of the cohorts whose interval holds the true AUROC."""
    simulated = [intervals(seed, n_bootstrap, patients) for seed in range(cohorts)]
    return {
        name: float(np.mean([bounds[name][0] <= TRUTH <= bounds[name][1] for bounds in simulated]))
        for name in METHODS
    }


def main() -> None:
    """Simulate, print and write."""
    start = time.perf_counter()
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "design": {
            "patients": PATIENTS, "images_per_patient": IMAGES, "correlation": CORRELATION,
            "auroc": round(TRUTH, 4), "cohorts": COHORTS, "n_bootstrap": N_BOOTSTRAP,
        },
        "coverage": coverage(),
        "few_patients": {"patients": FEW, "coverage": coverage(patients=FEW)},
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
