"""How much processor time the table work of evaluate takes at the size of NIH's official test set.

Predictions are made up: 25,596 images of 2,797 patients, 14 findings. Seconds are those of all
threads together, which other work on the machine does not change.

    python benchmarks/evaluate_speed.py        # writes benchmarks/evaluate_speed.json
"""

import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.artifacts.evaluation import Results, SubsetMetrics
from thorax.config import Evaluate, load_params
from thorax.evaluate import choose_thresholds, curves
from thorax.evaluate.metadata_baseline import baseline, features
from thorax.evaluate.results import fold_metrics, subset_metrics
from thorax.evaluate.subgroups import Evaluation, attributes, crossed
from thorax.io import write_json
from thorax.metrics.calibration import calibration
from thorax.metrics.predictions import Predictions
from thorax.metrics.scaling import fit_scaling
from thorax.provenance import machine

IMAGES, PATIENTS, CLASSES = 25_596, 2_797, 14


def made_up(
    rng: np.random.Generator, images: int = IMAGES, patients: int = PATIENTS
) -> tuple[Predictions, pd.DataFrame]:
    """Predictions, and metadata of the images."""
    patient = np.sort(np.r_[np.arange(patients), rng.integers(0, patients, images - patients)])
    y = (rng.random((images, CLASSES)) < rng.uniform(0.01, 0.3, CLASSES)).astype(float)
    metadata = pd.DataFrame(
        {
            "image_id": [f"{i:08}.png" for i in range(images)],
            "patient_id": patient.astype(str),
            "sex": rng.choice(["F", "M"], patients)[patient],
            "age": rng.integers(1, 95, patients)[patient].astype(float),
            "view": rng.choice(["PA", "AP"], images),
            "vendor": "",
            "site": "",
            "width": rng.integers(1500, 3000, images),
            "height": 2500,
        }
    )
    about = metadata[["image_id", "patient_id"]].assign(sha256="", subset="test", fold=-1)
    z = 1.5 * y - 2 + rng.standard_normal(y.shape)
    names = [f"Finding {i}" for i in range(CLASSES)]
    return Predictions("multi-label", names, about, y, z), metadata


def measure(
    val: Predictions, test: Predictions, metadata: pd.DataFrame, params: Evaluate
) -> dict[str, float]:
    """Processor seconds of each part, run once."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = work()
        seconds[name] = round(time.process_time() - start, 2)
        return result

    def by_group() -> None:
        evaluation = Evaluation(test, d, params.min_subgroup_size)
        groups = attributes(metadata)
        for name in groups:
            evaluation.of(groups[name])
        for a, b in combinations(groups, 2):
            evaluation.of(crossed(groups[a], groups[b]))

    def described(part: Predictions) -> SubsetMetrics:
        return subset_metrics(part, part.task.decide(part.p, thresholds), thresholds)

    chosen = timed("thresholds", lambda: choose_thresholds(params, val))
    thresholds = np.array([threshold.value for threshold in chosen.values()])
    d = test.task.decide(test.p, thresholds)
    results = Results(
        settings=params,
        out_of_fold=False,
        thresholds=chosen,
        leaky=False,
        contaminated=False,
        patients_unknown=False,
        val=timed("metrics, val", lambda: described(val)),
        test=timed("metrics, test", lambda: described(test)),
        folds=timed("fold", lambda: fold_metrics({0: test}, thresholds)),
    )
    scaling = timed("scaling", lambda: fit_scaling(val))
    timed(
        "calibration",
        lambda: calibration(val, test, thresholds, scaling, params.prevalences),
    )
    timed("subgroups", by_group)
    known = features(metadata)
    timed("metadata", lambda: baseline(known, val.y, test, known))
    with TemporaryDirectory() as folder:
        timed("curves", lambda: curves.write({"val": val, "test": test}, results, Path(folder)))
    return seconds


def main() -> None:
    """Time each part once, print and write."""
    params = load_params(Path(__file__).resolve().parent.parent / "params.yaml").evaluate
    rng = np.random.default_rng(0)
    (val, _), (test, metadata) = made_up(rng), made_up(rng)
    seconds = measure(val, test, metadata, params)
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "images": IMAGES,
        "patients": PATIENTS,
        "classes": CLASSES,
        "cpu_seconds": seconds,
        "total": round(sum(seconds.values()), 1),
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
