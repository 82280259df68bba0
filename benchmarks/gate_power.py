"""How often the gate errs when the true AUROC fell by nothing, half, one and two margins.

Simulated test sets of 300 patients with one to six images. The scores of both models are the
finding, plus what is hard about the patient and the image for either model, plus noise that each
model has alone; the worse model has more of the latter. CI asks once more with a wider margin where
the verdict is open (.github/workflows/ci.yml), so that no fall of two margins passes for want of
patients.

    python benchmarks/gate_power.py  # writes benchmarks/gate_power.json, in minutes
"""

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.compare.paired import Verdict, differences
from thorax.io import write_json
from thorax.provenance import machine

PATIENTS = 300
PREVALENCE = 0.4  # of patients; a patient's images share the finding
SEPARATION = 1.3  # of positives and negatives in the good model, before noise
# Standard deviations of the noise: of patient and image for both models, of each model alone.
OF_PATIENT, OF_IMAGE, OF_MODEL = 0.7, 0.4, 0.35
MARGIN = 0.02
CI_MARGIN = 0.035  # of the second question in ci.yml
FALLS = (0, 0.5, 1, 2)  # in margins
SIMULATIONS = 1000
PASSES = (Verdict.PASS, Verdict.WITHIN)


def auroc(of_model: float) -> float:
    """True AUROC of a model with so much noise, between images of two patients."""
    deviation = np.sqrt(2 * (OF_PATIENT**2 + OF_IMAGE**2 + of_model**2))
    return float(norm.cdf(SEPARATION / deviation))


def noise_after(fall: float) -> float:
    """Noise of a model whose true AUROC is lower by so much."""
    return float(brentq(lambda noise: auroc(noise) - (auroc(OF_MODEL) - fall), OF_MODEL - 0.01, 10))


def test_set(seed: int, noises: tuple[float, float]) -> list[pd.DataFrame]:
    """Predictions of two models for the same images."""
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 7, PATIENTS)
    patient = np.repeat(np.arange(PATIENTS), images)
    y = (rng.random(PATIENTS) < PREVALENCE)[patient].astype(float)
    score = SEPARATION * y + OF_PATIENT * rng.standard_normal(PATIENTS)[patient]
    score += OF_IMAGE * rng.standard_normal(len(patient))
    return [_table(patient, y, score + noise * rng.standard_normal(len(y))) for noise in noises]


def _table(
    patient: NDArray[np.int64], y: NDArray[np.float64], score: NDArray[np.float64]
) -> pd.DataFrame:
    p = expit(score - SEPARATION / 2)
    ids = [f"{i:05}.png" for i in range(len(y))]
    columns = {"image_id": ids, "patient_id": patient.astype(str), "y_Finding": y, "p_Finding": p}
    return pd.DataFrame(columns).assign(predicted=np.where(p >= 0.5, "Finding", ""))


def rates(fall: float, start: int, simulations: int = SIMULATIONS) -> dict[str, float]:
    """How often each verdict, and what CI makes of it, when the true AUROC fell by so much."""
    noises, counted = (OF_MODEL, noise_after(fall)), Counter[str]()
    for seed in range(start, start + simulations):
        baseline, current = test_set(seed, noises)
        (difference,) = differences(current, baseline, ("auroc",))
        verdict = difference.verdict(MARGIN)
        again = difference.verdict(CI_MARGIN) if verdict is Verdict.INCONCLUSIVE else verdict
        counted.update([verdict, "CI passes" if again in PASSES else "CI fails"])
    names = (*Verdict, "CI passes")
    return {str(name): counted[name] / simulations for name in names}


def main() -> None:
    """Simulate, print and write."""
    start = time.perf_counter()
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "design": {
            "patients": PATIENTS, "margin": MARGIN, "ci_margin": CI_MARGIN,
            "simulations": SIMULATIONS, "auroc": round(auroc(OF_MODEL), 4),
        },
        "falls": {
            f"{margins:g} margins": rates(margins * MARGIN, start=round(20_000 * margins))
            for margins in FALLS
        },
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
