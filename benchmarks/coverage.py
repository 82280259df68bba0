"""How often 95% intervals hold the truth, and how often a gap is found between groups alike.

Simulated cohorts: a patient has the finding in all images or in none, scores of one patient are
correlated (0.7), positives are shifted. For the AUROC two rivals on the same cohorts: the
percentile bootstrap over patients, and DeLong's interval (1988), which takes images for
independent.

    python benchmarks/coverage.py        # writes benchmarks/coverage.json, about four minutes
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.evaluate.subgroups import Evaluation
from thorax.io import write_json
from thorax.metrics.bootstrap import percentiles, resample
from thorax.metrics.classification import auroc_and_ap
from thorax.metrics.influence import areas, of_class
from thorax.metrics.intervals import Patients, mean
from thorax.metrics.predictions import Predictions
from thorax.provenance import machine

Array = NDArray[np.float64]

CORRELATION = 0.7  # between scores of one patient
METRICS = ("auroc", "average_precision", "sensitivity", "f1", "accuracy")
COHORTS, GAP_COHORTS = 1000, 1000
RIVAL_COHORTS, REPLICATES = 200, 500


@dataclass(frozen=True)
class Design:
    """Patients, fewest and most images of one, AUROC, proportion of patients with the finding."""

    patients: int
    images: tuple[int, int]
    auroc: float
    prevalence: float

    @property
    def separation(self) -> float:
        """Of the means of positives and negatives, in standard deviations."""
        return float(np.sqrt(2) * norm.ppf(self.auroc))


GRID = (
    Design(120, (6, 6), 0.85, 0.5),
    Design(120, (6, 6), 0.85, 0.3),
    Design(120, (6, 6), 0.85, 0.05),
    Design(100, (2, 2), 0.98, 0.3),
    Design(100, (2, 2), 0.98, 0.1),
    Design(90, (4, 4), 0.93, 0.1),
    Design(395, (2, 2), 0.998, 0.74),
    Design(300, (2, 2), 0.97, 0.02),
    Design(400, (1, 6), 0.85, 0.02),
    Design(400, (1, 6), 0.93, 0.1),
    Design(400, (1, 6), 0.998, 0.1),
    Design(400, (1, 6), 0.85, 0.74),
    Design(90, (1, 6), 0.85, 0.74),
    Design(90, (1, 6), 0.998, 0.3),
    Design(200, (1, 1), 0.93, 0.3),
    Design(20, (6, 6), 0.85, 0.5),
)
# Patients, AUROC, shares of the groups; all groups alike, but for the last design.
GAPS: dict[str, tuple[Design, tuple[float, ...], float]] = {
    "two groups, 50/50": (Design(90, (1, 6), 0.90, 0.3), (0.5, 0.5), 0.0),
    "two groups, 30/70": (Design(200, (1, 6), 0.95, 0.3), (0.3, 0.7), 0.0),
    "two groups, 20/80": (Design(400, (1, 6), 0.98, 0.3), (0.2, 0.8), 0.0),
    "two groups, 20/80, rare": (Design(400, (1, 6), 0.98, 0.1), (0.2, 0.8), 0.0),
    "five groups": (Design(300, (1, 6), 0.90, 0.3), (0.2,) * 5, 0.0),
    "five unequal groups": (Design(400, (1, 6), 0.95, 0.3), (0.08, 0.12, 0.2, 0.25, 0.35), 0.0),
    "two groups, one 0.09 worse": (Design(400, (1, 6), 0.95, 0.3), (0.5, 0.5), 1.0),
}


def cohort(rng: np.random.Generator, design: Design) -> tuple[Array, Array, Patients]:
    """Labels and scores [N] and their patients; both labels occur."""
    fewest, most = design.images
    patient = np.repeat(np.arange(design.patients), rng.integers(fewest, most + 1, design.patients))
    positive = np.zeros(design.patients)
    while len(np.unique(positive)) < 2:
        positive = (rng.random(design.patients) < design.prevalence).astype(float)
    y = positive[patient]
    of_patient = np.sqrt(CORRELATION) * rng.standard_normal(design.patients)
    of_image = np.sqrt(1 - CORRELATION) * rng.standard_normal(len(y))
    score = design.separation * y + of_patient[patient] + of_image
    return y, score, Patients(patient, design.patients)


def truth(design: Design) -> dict[str, float]:
    """Metrics of the population, decided half way between the two means."""
    shift, prevalence = design.separation, design.prevalence
    tp, fp = prevalence * norm.cdf(shift / 2), (1 - prevalence) * norm.sf(shift / 2)

    def precision_at(x: float) -> float:
        above = prevalence * norm.sf(x - shift)
        return float(norm.pdf(x - shift) * above / (above + (1 - prevalence) * norm.sf(x)))

    return {
        "auroc": design.auroc,
        "average_precision": quad(precision_at, -9, shift + 9)[0],
        "sensitivity": float(norm.cdf(shift / 2)),
        "f1": float(2 * tp / (prevalence + tp + fp)),
        "accuracy": float(norm.cdf(shift / 2)),
    }


def rivals(y: Array, score: Array, patients: Patients, seed: int) -> dict[str, tuple[Any, Any]]:
    """Other intervals of the AUROC."""
    weights = resample(pd.Series(patients.of_image.astype(str)), REPLICATES, seed).weights()
    images = Patients(np.arange(len(y)), len(y))
    auroc = areas(y, score, images)[0]  # of one image a patient: DeLong's variance
    half = norm.ppf(0.975) * np.sqrt(auroc.variance)
    return {
        "bootstrap": percentiles(auroc_and_ap(y, score, weights)[0])[:2],
        "delong": (auroc.value - half, auroc.value + half),
    }


def coverage(
    design: Design, cohorts: int = COHORTS, rival_cohorts: int = RIVAL_COHORTS
) -> dict[str, dict[str, float | None]]:
    """Of each metric: coverage, misses of either side, and how many intervals carry a caution."""
    true, seen = truth(design), []
    for seed in range(cohorts):
        y, score, patients = cohort(np.random.default_rng([seed, 0]), design)
        d = (score >= design.separation / 2).astype(float)
        statistics = of_class(y, score, d, patients)
        for name in METRICS:
            estimate = statistics[name].estimate()
            seen.append((name, estimate.low, estimate.high, estimate.caution != "", true[name]))
        if seed < rival_cohorts:
            seen += [
                (name, low, high, False, true["auroc"])
                for name, (low, high) in rivals(y, score, patients, seed).items()
            ]
    table = pd.DataFrame(seen, columns=["metric", "low", "high", "caution", "truth"])
    return {str(name): described(rows) for name, rows in table.groupby("metric", sort=False)}


def described(rows: pd.DataFrame) -> dict[str, float | None]:
    """Coverage of the intervals there are, and of those without a caution."""
    given = rows.dropna()
    held = (given["low"] <= given["truth"]) & (given["truth"] <= given["high"])
    trusted = held[~given["caution"]]
    return {
        "truth": round(float(rows["truth"].iloc[0]), 4),
        "coverage": round(float(held.mean()), 3),
        "truth_below": round(float((given["truth"] < given["low"]).mean()), 3),
        "width": round(float((given["high"] - given["low"]).mean()), 4),
        "with_caution": round(float(rows["caution"].mean()), 3),
        "coverage_without_caution": round(float(trusted.mean()), 3) if len(trusted) else None,
    }


def macro_coverage(cohorts: int = COHORTS) -> dict[str, dict[str, float | None]]:
    """Means over 14 findings of 300 patients, among them some of six patients."""
    designs = [
        Design(300, (1, 6), float(auroc), float(prevalence))
        for auroc, prevalence in zip(
            np.linspace(0.75, 0.95, 14), np.resize([0.02, 0.3, 0.1, 0.05], 14), strict=True
        )
    ]
    true = pd.DataFrame([truth(design) for design in designs]).mean()
    seen = []
    for seed in range(cohorts):
        rng = np.random.default_rng([seed, 1])
        patient = np.repeat(np.arange(300), rng.integers(1, 7, 300))
        patients = Patients(patient, 300)
        shared = rng.standard_normal(300)  # a patient is hard or easy in every finding
        classes = []
        for design in designs:
            y = (rng.random(300) < design.prevalence).astype(float)[patient]
            own = np.sqrt(0.5) * (shared + rng.standard_normal(300))[patient]
            of_image = np.sqrt(1 - CORRELATION) * rng.standard_normal(len(y))
            score = design.separation * y + np.sqrt(CORRELATION) * own + of_image
            d = (score >= design.separation / 2).astype(float)
            classes.append(of_class(y, score, d, patients))
        for name in METRICS:
            figure = mean([each[name] for each in classes]).estimate()
            seen.append((name, figure.low, figure.high, figure.caution != "", true[name]))
    table = pd.DataFrame(seen, columns=["metric", "low", "high", "caution", "truth"])
    return {str(name): described(rows) for name, rows in table.groupby("metric", sort=False)}


def gaps_found(
    design: Design,
    shares: tuple[float, ...],
    noise: float,
    *,
    by_image: bool = False,
    cohorts: int = GAP_COHORTS,
) -> dict[str, float]:
    """How often the gap between the best and the worst group has a p-value under 0.05 and 0.01.

    Args:
        design: of all patients.
        shares: of the groups.
        noise: standard deviation of what is added to the scores of the first group.
        by_image: images and not patients belong to groups, as to views.
        cohorts: simulated; those in which a group is too small are left out.
    """
    p = []
    for seed in range(cohorts):
        rng = np.random.default_rng([seed, 2])
        y, score, patients = cohort(rng, design)
        units = len(y) if by_image else design.patients
        group = rng.choice(len(shares), units, p=shares)
        group = group if by_image else group[patients.of_image]
        score = score + noise * (group == 0) * rng.standard_normal(len(y))
        images = pd.DataFrame({"patient_id": patients.of_image.astype(str)})
        part = Predictions("binary", ["finding"], images, y[:, None], score[:, None])
        gap = Evaluation(part, np.zeros((len(y), 1)), 30).of(pd.Series(group.astype(str))).gap
        if gap is not None and gap.p_value is not None:
            p.append(gap.p_value)
    found = np.array(p)
    return {
        "cohorts": len(p),
        "under_05": round(float((found < 0.05).mean()), 3),
        "under_01": round(float((found < 0.01).mean()), 3),
    }


def main() -> None:
    """Simulate, print and write."""
    start = time.perf_counter()
    alike = GAPS["two groups, 30/70"]
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "cohorts": COHORTS,
        "rival_cohorts": RIVAL_COHORTS,
        "correlation": CORRELATION,
        "bootstrap_replicates": REPLICATES,
        "grid": [
            {
                "patients": design.patients,
                "images_per_patient": list(design.images),
                "auroc": design.auroc,
                "prevalence": design.prevalence,
                "metrics": coverage(design),
            }
            for design in GRID
        ],
        "macro_over_14": macro_coverage(),
        "gaps": {name: gaps_found(*case) for name, case in GAPS.items()}
        | {"two views of the same patients": gaps_found(*alike, by_image=True)},
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
