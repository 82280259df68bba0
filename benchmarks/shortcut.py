"""Does the corner swap flag a shortcut that is there, and none where there is none?

Phantoms whose lead marker goes with Nodule, which is hard to see, with nothing, or with Effusion,
which the network learns without it; shipped settings otherwise. The test only swaps corners; beside
it stands what that imitates, the AUROC on the same test visits X-rayed again with the marker's
rates swapped between images with and without the finding.

    python benchmarks/shortcut.py        # writes benchmarks/shortcut.json, about 14 minutes
"""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.artifacts.explanation import Occlusion
from thorax.config import Data, Params, Paths, load_params, load_paths
from thorax.download import download
from thorax.evaluate import evaluate
from thorax.explain import explain
from thorax.explain.explainer import Explainer, open_explainer
from thorax.io import write_json
from thorax.metrics.classification import auroc_and_ap, ones
from thorax.predict import predict
from thorax.preprocess import preprocess
from thorax.preprocess.decode import resize
from thorax.provenance import machine
from thorax.split import split
from thorax.train import train
from thorax_phantom.cohort import draw_patient, marker_rates
from thorax_phantom.radiograph import acquire, render

ROOT = Path(__file__).resolve().parent.parent
MARKERS = (("Nodule", 0.6), ("Nodule", 0.0), ("Effusion", 0.6))
SEEDS = (0, 1)


def settings(label: str, correlation: float, seed: int, overrides: Sequence[str]) -> Params:
    """The shipped parameters with another marker and cohort."""
    phantom = {"marker_label": label, "marker_correlation": correlation, "seed": seed}
    marked = [f"data.phantom.{name}={value}" for name, value in phantom.items()]
    return load_params(ROOT / "params.yaml", [*marked, *overrides])


def measure(
    label: str, correlation: float, seed: int, paths: Paths, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Train on phantoms with so strong a marker, swap corners, and reverse the marker."""
    params = settings(label, correlation, seed, overrides)
    download(params.data, paths)
    preprocess(params.preprocess, paths)
    split(params.split, paths)
    train(0, params.model, params.train, params.augment, paths)
    predict([0], paths)
    evaluate(params.evaluate, paths)
    explain(params.explain, params.evaluate, paths)
    occlusion = Occlusion.read(Path(paths.explanations) / "occlusion.json")
    tests = occlusion.classes[label].model_dump()
    before, after = reverse(label, params, open_explainer(paths))
    return {
        "label": label,
        "correlation": correlation,
        "seed": seed,
        "swapped": tests["swapped"],
        "pull": tests["pull"],
        "corners_occluded": tests["occluded"]["corners"],
        "marker_reversed": {"before": before, "after": after, "drop": round(before - after, 4)},
        "shortcuts": occlusion.shortcuts,
    }


def reverse(label: str, params: Params, explainer: Explainer) -> tuple[float, float]:
    """AUROC of the label on the test visits, and X-rayed again with the marker's rates swapped."""
    part, output = explainer.predictions, explainer.predictions.outputs.index(label)
    y = part.y[:, output]
    prevalence = float(explainer.dataset.targets[:, output].mean())
    rates = marker_rates(prevalence, params.data.phantom.marker_correlation)
    again = np.stack(
        [
            resize(acquire_again(params.data, image_id, rates[int(present)]), params.preprocess)[0]
            for image_id, present in zip(part.images["image_id"], y, strict=True)
        ]
    )
    before, after = (
        round(float(auroc_and_ap(y, p[:, output], ones(len(y)))[0][0]), 4)
        for p in (part.p, explainer.score(again))
    )
    return before, after


def acquire_again(data: Data, image_id: str, rate: float) -> NDArray[np.uint8]:
    """A test visit with a marker as often as `rate` says, all else being equal."""
    phantom = data.phantom
    number, visit_number = (int(text) for text in image_id.removesuffix(".png").split("_"))
    patient = draw_patient(phantom.seed, number)
    visit = patient.visits[visit_number]
    attenuation, _ = render(patient, visit, phantom.pixels)
    marker = visit.marker_draw < rate
    return acquire(phantom.seed, patient, visit, attenuation, marker=marker)


def main() -> None:
    """All of them, each in its own folder; print and write."""
    start, paths = time.perf_counter(), load_paths(ROOT / "dvc.yaml")
    runs = []
    for seed in SEEDS:
        for label, correlation in MARKERS:
            with TemporaryDirectory() as folder:
                os.chdir(folder)
                shutil.copytree(ROOT / "data/local", "data/local")
                runs.append(measure(label, correlation, seed, paths))
                os.chdir(ROOT)
            print(runs[-1])
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "runs": runs,
        "seconds": round(time.perf_counter() - start),
    }
    write_json(Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
