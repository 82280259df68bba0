"""How long the table work of evaluate takes at the size of NIH's official test part.

Predictions are made up: 25,596 images of 2,797 patients, 14 findings.

python benchmarks/evaluate_speed.py        # writes benchmarks/evaluate_speed.json
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.config import load_params
from thorax.evaluate import metadata_baseline, subgroups
from thorax.evaluate.curves import write
from thorax.io import write_json
from thorax.metrics.calibration import fit_temperature
from thorax.metrics.operating import summarise
from thorax.metrics.summary import Predictions, intervals, subset_metrics
from thorax.metrics.thresholds import choose
from thorax.provenance import machine
from thorax.tasks import TASKS

IMAGES, PATIENTS, CLASSES = 25_596, 2_797, 14


def made_up(rng: np.random.Generator) -> tuple[Predictions, pd.DataFrame]:
    """Predictions, and what is known of the patients."""
    patient = np.sort(np.r_[np.arange(PATIENTS), rng.integers(0, PATIENTS, IMAGES - PATIENTS)])
    y = (rng.random((IMAGES, CLASSES)) < rng.uniform(0.01, 0.3, CLASSES)).astype(float)
    p = 1 / (1 + np.exp(-(1.5 * y - 2 + rng.standard_normal(y.shape))))
    people = pd.DataFrame(
        {
            "image_id": [f"{i:08}.png" for i in range(IMAGES)],
            "patient_id": patient.astype(str),
            "sex": rng.choice(["F", "M"], PATIENTS)[patient],
            "age": rng.integers(1, 95, PATIENTS)[patient].astype(float),
            "view": rng.choice(["PA", "AP"], IMAGES),
        }
    )
    images = people[["image_id", "patient_id"]].assign(subset="test", fold=-1)
    names = [f"Finding {i}" for i in range(CLASSES)]
    return Predictions("multi-label", names, images, y, np.round(p, 6)), people


def main() -> None:
    """Time each part once, print and write."""
    params = load_params(Path(__file__).resolve().parent.parent / "params.yaml").evaluate
    rng = np.random.default_rng(0)
    (val, _), (test, people) = made_up(rng), made_up(rng)
    sizes = pd.DataFrame({"width": rng.integers(1500, 3000, IMAGES), "height": 2500})
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[name] = round(time.perf_counter() - start, 1)
        return result

    columns = list(zip(val.y.T, val.p.T, strict=True))
    chosen = timed("thresholds", lambda: [choose("youden", y, p) for y, p in columns])
    limits = np.array([0.5 if t is None else t for t in chosen])
    d = TASKS["multi-label"].decide(test.p, limits)

    def judged(part: Predictions, name: str) -> dict[str, Any]:
        bounds, _ = intervals(part, d, params)
        return subset_metrics(part, d, limits, bounds, name, {})

    metrics = {
        "val": timed("metrics, val", lambda: judged(val, "val")),
        "test": timed("metrics, test", lambda: judged(test, "test")),
    }
    temperature, _ = timed("temperature", lambda: fit_temperature(val.y, val.p, exclusive=False))
    timed("calibration", lambda: summarise(val, test, limits, temperature, [0.05]))
    groups = subgroups.attributes(people)
    draws = {"draws": params.bootstrap, "seed": 0}
    timed("subgroups", lambda: subgroups.summarise(test, d, groups, min_group=30, **draws))
    known = metadata_baseline.features(people, sizes)
    timed(
        "metadata", lambda: metadata_baseline.baseline(known, val.y, test, known, draws=500, seed=0)
    )
    with TemporaryDirectory() as folder:
        timed("plots", lambda: write({"val": val, "test": test}, metrics, Path(folder)))
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "images": IMAGES,
        "patients": PATIENTS,
        "classes": CLASSES,
        "draws": params.bootstrap,
        "seconds": seconds,
        "total": round(sum(seconds.values()), 1),
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
