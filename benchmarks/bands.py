"""How often the 95% bands of ROC and precision-recall curves hold the truth, point by point.

Simulated cohorts of `coverage.py`; beside the bands, the percentiles of the curve over bootstrap
replicates that draw patients, on fewer of the same cohorts.

    python benchmarks/bands.py        # writes benchmarks/bands.json, about five minutes
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import roc_curve

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from coverage import GRID, Design, cohort
from thorax.io import write_json
from thorax.metrics import bands
from thorax.metrics.bootstrap import resample
from thorax.metrics.intervals import Patients
from thorax.provenance import machine

Array = NDArray[np.float64]

AT = np.array([0.05, 0.2, 0.5, 0.8])  # false positive rates, and recalls
COHORTS, RIVAL_COHORTS, REPLICATES = 400, 50, 200


def truth(design: Design) -> dict[str, Array]:
    """Sensitivity at false positive rates `AT`, and precision at recalls `AT`."""
    shift, prevalence = design.separation, design.prevalence

    def threshold(recall: float) -> float:
        return float(brentq(lambda x: norm.sf(x - shift) - recall, -20, 20))

    false = np.array([norm.sf(threshold(recall)) for recall in AT])
    return {
        "roc": norm.sf(norm.isf(AT) - shift),
        "precision_recall": prevalence * AT / (prevalence * AT + (1 - prevalence) * false),
    }


def intervals(y: Array, score: Array, patients: Patients) -> dict[str, tuple[Array, Array]]:
    """Bounds of both curves at `AT`, between the thresholds on either side."""
    thresholds = np.unique(score)[::-1]
    hits, alarms = (np.cumsum(label[np.argsort(-score)]) for label in (y, 1 - y))
    across = {"roc": alarms / alarms[-1], "precision_recall": hits / hits[-1]}
    found = {}
    for name, x in across.items():
        bounds = getattr(bands, name)(y, score, thresholds, patients)
        low, high = (np.interp(AT, x, bound) for bound in bounds)
        found[name] = low, high
    return found


def bootstrap(y: Array, score: Array, patients: Patients, seed: int) -> tuple[Array, Array]:
    """Percentiles of the sensitivity at false positive rates `AT`."""
    weights = resample(pd.Series(patients.of_image.astype(str)), REPLICATES, seed).weights()
    both = [w for w in weights if w @ y and w @ (1 - y)]
    curves = [np.interp(AT, *roc_curve(y, score, sample_weight=w)[:2]) for w in both]
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return low, high


def coverage(design: Design) -> dict[str, dict[str, list[float]]]:
    """Of each curve, coverage and mean width at `AT`."""
    true = truth(design)
    seen: dict[str, list[tuple[Array, Array]]] = {
        "roc": [],
        "precision_recall": [],
        "roc, bootstrap": [],
    }
    for seed in range(COHORTS):
        y, score, patients = cohort(np.random.default_rng([seed, 0]), design)
        for name, bounds in intervals(y, score, patients).items():
            seen[name].append(bounds)
        if seed < RIVAL_COHORTS:
            seen["roc, bootstrap"].append(bootstrap(y, score, patients, seed))
    found = {}
    for name, bounds in seen.items():
        low, high = np.moveaxis(np.array(bounds), 1, 0)
        given = np.isfinite(low)
        held = (low <= true[name.partition(",")[0]]) & (true[name.partition(",")[0]] <= high)
        found[name] = {
            "coverage": [
                round(float(h[g].mean()), 3) for h, g in zip(held.T, given.T, strict=True)
            ],
            "width": np.nanmean(high - low, axis=0).round(3).tolist(),
        }
    return found


def main() -> None:
    """Simulate, print and write."""
    start = time.perf_counter()
    result = {
        "machine": machine(), "date": time.strftime("%Y-%m-%d"), "cohorts": COHORTS,
        "rival_cohorts": RIVAL_COHORTS, "bootstrap_replicates": REPLICATES, "at": AT.tolist(),
        "grid": [
            {"patients": d.patients, "images_per_patient": list(d.images), "auroc": d.auroc,
             "prevalence": d.prevalence} | coverage(d)
            for d in (GRID[0], GRID[3], GRID[5], GRID[9], GRID[13], GRID[14])
        ],
    }  # fmt: skip
    write_json(
        Path(__file__).with_suffix(".json"),
        result | {"seconds": round(time.perf_counter() - start, 1)},
    )
    print(result)


if __name__ == "__main__":
    main()
