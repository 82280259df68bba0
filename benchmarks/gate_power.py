"""How often the gate errs: models that are equally good, and one that is worse by .035 AUROC.

Simulated test sets of 300 patients with one to six images. The scores of both models are the
finding, plus what is hard about the patient and the image for either model, plus noise that each
model has alone; the worse model has more of the latter.

    python benchmarks/gate_power.py        # writes benchmarks/gate_power.json, about two minutes
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.compare.paired import differences
from thorax.config import load_params
from thorax.io import write_json
from thorax.provenance import machine

ROOT = Path(__file__).resolve().parent.parent
PATIENTS = 300
PREVALENCE = 0.4  # of patients; a patient's images share the finding
SEPARATION = 1.3  # of positives and negatives in the good model, before noise
# Standard deviations of the noise: of patient and image for both models, of each model alone.
OF_PATIENT, OF_IMAGE, OF_MODEL = 0.7, 0.4, 0.35
MARGIN = 0.02
DROP = 0.035
SIMULATIONS = 200


def auroc(of_model: float) -> float:
    """True AUROC of a model with so much noise, between images of two patients."""
    deviation = np.sqrt(2 * (OF_PATIENT**2 + OF_IMAGE**2 + of_model**2))
    return float(norm.cdf(SEPARATION / deviation))


def worse_noise() -> float:
    """Noise of a model whose true AUROC is lower by `DROP`."""
    return float(brentq(lambda noise: auroc(noise) - (auroc(OF_MODEL) - DROP), OF_MODEL, 10))


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


def verdicts(
    noises: tuple[float, float], start: int, simulations: int = SIMULATIONS
) -> dict[str, float]:
    """Rates of PASS, FAIL and INCONCLUSIVE; the second model is the current one."""
    settings = load_params(ROOT / "params.yaml").evaluate
    results = []
    for seed in range(start, start + simulations):
        baseline, current = test_set(seed, noises)
        (difference,) = differences(
            current, baseline, ("auroc",), n_bootstrap=settings.n_bootstrap, seed=settings.seed
        )
        results.append(difference.verdict(MARGIN))
    names = ("PASS", "FAIL", "INCONCLUSIVE")
    return {name: results.count(name) / simulations for name in names}


def main() -> None:
    """Simulate, print and write."""
    start = time.perf_counter()
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "design": {
            "patients": PATIENTS, "margin": MARGIN, "simulations": SIMULATIONS,
            "auroc": round(auroc(OF_MODEL), 4), "worse": round(auroc(worse_noise()), 4),
        },
        "equal": verdicts((OF_MODEL, OF_MODEL), start=0),
        "worse": verdicts((OF_MODEL, worse_noise()), start=10_000),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
