"""Does the audit call a shortcut that is there, and none where there is none?

Phantoms whose corner marker goes with Nodule, which is hard to see, with nothing, or with Effusion,
which the network finds without it; shipped settings otherwise. The audit only exchanges corners;
beside it stands what that imitates, the AUROC on the same test visits X-rayed again with the
chances of a marker swapped between images with and without the finding.

python benchmarks/shortcut.py        # writes benchmarks/shortcut.json, about 14 minutes
"""

import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import numpy as np
from lightning_fabric import Fabric

from thorax.config import Params, Paths, load_params, load_paths
from thorax.dataset.dataset import open_cohort
from thorax.dataset.loader import Batches
from thorax.download import prepare
from thorax.evaluate import evaluate
from thorax.io import read_json, write_json
from thorax.metrics.classification import auroc
from thorax.models.inference import open_model, predict
from thorax.preprocess import preprocess
from thorax.preprocess.decode import prepare as resize
from thorax.provenance import machine
from thorax.split import split
from thorax.train.loop import train
from thorax_phantom.cohort import draw_patient, marker_rates
from thorax_phantom.radiograph import photograph, render

ROOT = Path(__file__).resolve().parent.parent
MARKERS = (("Nodule", 0.6), ("Nodule", 0.0), ("Effusion", 0.6))
SEEDS = (0, 1)


def settings(label: str, correlation: float, seed: int) -> Params:
    """The shipped parameters with another marker and cohort."""
    sections = load_params(ROOT / "params.yaml").model_dump()
    sections["data"] |= {
        "phantom_marker_label": label,
        "phantom_marker_correlation": correlation,
        "phantom_seed": seed,
    }
    return Params.model_validate(sections)


def audit(label: str, correlation: float, seed: int, paths: Paths) -> dict[str, Any]:
    """Train on phantoms with so strong a marker, audit the model, and reverse the marker."""
    params = settings(label, correlation, seed)
    prepare(params.data, paths)
    preprocess(params.preprocess, paths)
    split(params.split, paths)
    train(0, params.model, params.train, params.augment, paths)
    evaluate(params.evaluate, [0], paths)
    found = read_json(Path(paths.predictions) / "probes.json")
    own = found["per_class"][label]
    reversed_auroc = judge(label, params, paths)
    as_it_is = own["covered"]["corners"]["before"]
    return {
        "label": label,
        "correlation": correlation,
        "seed": seed,
        "exchanged": own["exchanged"],
        "corners_covered": own["covered"]["corners"],
        "marker_reversed": {
            "before": as_it_is,
            "after": reversed_auroc,
            "fall": round(as_it_is - reversed_auroc, 4),
        },
        "shortcuts": found["shortcuts"],
    }


def judge(label: str, params: Params, paths: Paths) -> float:
    """AUROC of the label on the test visits, X-rayed again with the marker's chances swapped."""
    cohort = open_cohort(paths)
    rows, output = cohort.rows("test", 0), cohort.outputs.index(label)
    y = cohort.targets[:, output]
    rates = marker_rates(float(y.mean()), params.data.phantom_marker_correlation)
    images = []
    for row in rows:
        number, visit = (int(part) for part in cohort.table["image_id"][row][:-4].split("_"))
        patient = draw_patient(params.data.phantom_seed, number)
        shot = patient.visits[visit]
        marker = shot.marker_draw < rates[1 if y[row] == 1 else 0]
        attenuation, _ = render(patient, shot, params.data.phantom_pixels)
        seed = params.data.phantom_seed
        image = photograph(seed, patient, shot, attenuation, marker=marker)
        images.append(resize(image, params.preprocess)[0])
    fabric = Fabric(devices=1)
    network, batches = open_model(cohort, 0, fabric, paths)
    again = Batches(np.stack(images), batches.mean, batches.deviation, batches.device, True)
    p = predict(fabric, network, again, np.arange(len(rows)), cohort.task, "reversed")
    return round(float(auroc(y[rows], p[:, output])), 4)


def main() -> None:
    """All of them, each in its own folder; print and write."""
    start, paths = time.perf_counter(), load_paths(ROOT / "dvc.yaml")
    audits = []
    for seed in SEEDS:
        for label, correlation in MARKERS:
            with TemporaryDirectory() as folder:
                os.chdir(folder)
                shutil.copytree(ROOT / "data/local", "data/local")
                audits.append(audit(label, correlation, seed, paths))
                os.chdir(ROOT)
            print(audits[-1])
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "audits": audits,
        "seconds": round(time.perf_counter() - start),
    }
    write_json(Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
