"""How good the heuristic lung mask is: on phantoms, where the truth is known.

python benchmarks/lungs.py        # writes benchmarks/lungs.json, about 20 seconds
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.explain.lung_mask import lung_masks
from thorax.explain.occlusion import dilated
from thorax.io import write_json
from thorax.provenance import machine
from thorax_phantom.cohort import draw_patient
from thorax_phantom.radiograph import acquire, lung_field, render

Masks = NDArray[np.bool_]
Array = NDArray[np.float64]

SEED = 11  # not the cohort on which the number of votes and the bonus for the area were chosen
PATIENTS = 300
SIZE = 192


def measure(patients: int = PATIENTS) -> dict[str, Any]:
    """Overlap of masks and truth on the first visit of every patient."""
    images, truth = [], []
    for number in range(1, patients + 1):
        patient = draw_patient(SEED, number)
        visit = patient.visits[0]
        attenuation, _ = render(patient, visit, SIZE)
        images.append(acquire(SEED, patient, visit, attenuation, marker=True))
        truth.append(lung_field(patient, visit, SIZE))
    lungs = np.stack(truth)
    start = time.perf_counter()
    masks = lung_masks(np.stack(images))
    seconds = time.perf_counter() - start
    average = np.broadcast_to(lungs.mean(axis=0) > 0.5, lungs.shape)
    wide = dilated(masks)
    return {
        "phantoms": patients,
        "dice": _summary(_dice(masks, lungs)),
        "dice_of_the_mean_mask": _summary(_dice(average, lungs)),
        "lung_inside_the_dilated_mask": _summary(_fraction(wide & lungs, lungs)),
        "dilated_mask_that_is_lung": _summary(_fraction(wide & lungs, wide)),
        "ms_per_image": round(1000 * seconds / patients, 1),
    }


def _summary(values: Array) -> dict[str, float]:
    return {
        "mean": round(float(values.mean()), 3),
        "lowest_5_percent": round(float(np.quantile(values, 0.05)), 3),
    }


def _dice(a: Masks, b: Masks) -> Array:
    both = 2 * (a & b).sum(axis=(1, 2))
    return np.asarray(both / (a.sum(axis=(1, 2)) + b.sum(axis=(1, 2))))


def _fraction(part: Masks, whole: Masks) -> Array:
    return np.asarray(part.sum(axis=(1, 2)) / whole.sum(axis=(1, 2)))


def main() -> None:
    """Measure, print and write."""
    result = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), **measure()}
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
