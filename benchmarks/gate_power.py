"""How often the gate errs: models that are equally good, and one that is worse by .035 AUROC.

Simulated test parts of 300 patients with one to six images. The scores of both models are the
finding, plus what is hard about the patient and the image for either model, plus each model's own
noise; the worse model has more of the latter.

    python benchmarks/gate_power.py        # writes benchmarks/gate_power.json
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.io import write_json
from thorax.compare.paired import differences
from thorax.provenance import machine

PATIENTS = 300
PREVALENCE = 0.4  # of patients; a patient's images share the finding
SEPARATION = 1.3  # of sick and healthy in the good model, before noise
HARD_PATIENT, HARD_IMAGE, OWN = 0.7, 0.4, 0.35  # deviations: shared, shared, each model's own
MARGIN = 0.02
DROP = 0.035
SIMULATIONS = 200


def auroc(own: float) -> float:
    """True AUROC of a model with so much noise of its own, between images of two patients."""
    spread = np.sqrt(2 * (HARD_PATIENT**2 + HARD_IMAGE**2 + own**2))
    return float(norm.cdf(SEPARATION / spread))


def worse_noise() -> float:
    """Own noise of a model whose true AUROC is lower by `DROP`."""
    return float(brentq(lambda own: auroc(own) - (auroc(OWN) - DROP), OWN, 10))


def test_part(seed: int, own: tuple[float, float]) -> list[pd.DataFrame]:
    """Predictions of two models for the same images."""
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 7, PATIENTS)
    people = np.repeat(np.arange(PATIENTS), images)
    y = (rng.random(PATIENTS) < PREVALENCE)[people].astype(float)
    shared = SEPARATION * y + HARD_PATIENT * rng.standard_normal(PATIENTS)[people]
    shared += HARD_IMAGE * rng.standard_normal(len(people))
    return [_table(people, y, shared + noise * rng.standard_normal(len(people))) for noise in own]


def _table(
    people: NDArray[np.int64], y: NDArray[np.float64], score: NDArray[np.float64]
) -> pd.DataFrame:
    p = 1 / (1 + np.exp(-(score - SEPARATION / 2)))
    ids = [f"{i:05}.png" for i in range(len(people))]
    columns = {"image_id": ids, "patient_id": people.astype(str), "y_Finding": y, "p_Finding": p}
    return pd.DataFrame(columns).assign(predicted=np.where(p >= 0.5, "Finding", ""))


def verdicts(own: tuple[float, float], start: int) -> dict[str, float]:
    """Share of PASS, FAIL and INCONCLUSIVE over the simulations, the second model the current."""
    found = []
    for seed in range(start, start + SIMULATIONS):
        baseline, current = test_part(seed, own)
        found.append(differences(current, baseline, ("auroc",))[0].verdict(MARGIN))
    return {name: found.count(name) / SIMULATIONS for name in ("PASS", "FAIL", "INCONCLUSIVE")}


def main() -> None:
    """Simulate, print and write."""
    start = time.perf_counter()
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "design": {
            "patients": PATIENTS, "margin": MARGIN, "simulations": SIMULATIONS,
            "auroc": round(auroc(OWN), 4), "worse": round(auroc(worse_noise()), 4),
        },
        "equal": verdicts((OWN, OWN), start=0),
        "worse": verdicts((OWN, worse_noise()), start=10_000),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
