"""How good the guess at the lung fields is: on phantoms, where the truth is known.

python benchmarks/lungs.py        # writes benchmarks/lungs.json, about 20 seconds
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import numpy as np

from thorax.explain.lung_mask import lung_fields
from thorax.explain.occlusion import widened
from thorax.io import write_json
from thorax.provenance import machine
from thorax_phantom.cohort import draw_patient
from thorax_phantom.lungs import lung_field
from thorax_phantom.radiograph import photograph, render

SEED = 11  # not the cohort on which the number of votes and the bonus for the area were chosen
PATIENTS = 300
SIZE = 192


def main() -> None:
    """First visit of every patient; print and write."""
    images, truth = [], []
    for number in range(1, PATIENTS + 1):
        patient = draw_patient(SEED, number)
        visit = patient.visits[0]
        attenuation, _ = render(patient, visit, SIZE)
        images.append(photograph(SEED, patient, visit, attenuation, marker=True))
        truth.append(lung_field(patient, visit, SIZE))
    lungs = np.stack(truth)
    start = time.perf_counter()
    fields = lung_fields(np.stack(images))
    seconds = time.perf_counter() - start
    usual = np.broadcast_to(lungs.mean(axis=0) > 0.5, lungs.shape)
    wide = widened(fields)

    def summary(values: np.ndarray) -> dict[str, float]:
        return {
            "mean": round(float(values.mean()), 3),
            "lowest_5_percent": round(float(np.quantile(values, 0.05)), 3),
        }

    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "phantoms": PATIENTS,
        "dice": summary(_dice(fields, lungs)),
        "dice_of_the_mean_field": summary(_dice(usual, lungs)),
        "lung_covered_by_the_widened_field": summary(_share(wide & lungs, lungs)),
        "widened_field_that_is_lung": summary(_share(wide & lungs, wide)),
        "ms_per_image": round(1000 * seconds / PATIENTS, 1),
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


def _dice(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 2 * _share(a & b, a.astype(int) + b)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(part.sum(axis=(1, 2)) / whole.sum(axis=(1, 2)))


if __name__ == "__main__":
    main()
