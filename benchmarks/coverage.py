"""How often 95 % intervals of the AUROC hold the truth when images of a patient are alike.

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
from thorax.metrics.bootstrap import draw, interval, ranking_metrics
from thorax.provenance import machine

Array = NDArray[np.float64]

PATIENTS = 120
IMAGES = 6  # a patient
CORRELATION = 0.7  # between scores of one patient with the same label
SEPARATION = 1.5  # of the means of sick and healthy, in standard deviations
TRUTH = float(norm.cdf(SEPARATION / np.sqrt(2)))  # AUROC of images of different patients
FEW = 20
COHORTS = 500
DRAWS = 2000
METHODS = ("patients", "images", "delong")


def cohort(
    rng: np.random.Generator, people: int = PATIENTS
) -> tuple[Array, Array, "pd.Series[str]"]:
    """Labels, scores and patients [N]; half of the patients are sick, in all of their images."""
    sick = np.arange(people) % 2
    shared = np.sqrt(CORRELATION) * rng.standard_normal(people)
    y = np.repeat(sick, IMAGES).astype(float)
    own = np.sqrt(1 - CORRELATION) * rng.standard_normal(people * IMAGES)
    score = SEPARATION * y + np.repeat(shared, IMAGES) + own
    return y, score, pd.Series(np.repeat(np.arange(people).astype(str), IMAGES))


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


def intervals(seed: int, draws: int, people: int) -> dict[str, tuple[float, float]]:
    """The three intervals of one simulated cohort."""
    y, score, patients = cohort(np.random.default_rng([seed, 0]), people)
    by_patient = draw(patients, draws, seed).by_image()
    by_image = np.random.default_rng([seed, 1]).multinomial(len(y), [1 / len(y)] * len(y), draws)
    found = {"delong": delong(y, score)}
    for name, weights in (("patients", by_patient), ("images", by_image)):
        low, high, _ = interval(ranking_metrics(y, score, weights.astype(float))[0])
        assert low is not None
        assert high is not None
        found[name] = (low, high)
    return found


def coverage(
    cohorts: int = COHORTS, draws: int = DRAWS, people: int = PATIENTS
) -> dict[str, float]:
    """Share of the cohorts whose interval holds the true AUROC."""
    found = [intervals(seed, draws, people) for seed in range(cohorts)]
    return {
        name: float(np.mean([each[name][0] <= TRUTH <= each[name][1] for each in found]))
        for name in METHODS
    }


def main() -> None:
    """Simulate, print and write."""
    start = time.perf_counter()
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "design": {
            "patients": PATIENTS, "images_a_patient": IMAGES, "correlation": CORRELATION,
            "auroc": round(TRUTH, 4), "cohorts": COHORTS, "draws": DRAWS,
        },
        "coverage": coverage(),
        "few_patients": {"patients": FEW, "coverage": coverage(people=FEW)},
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
