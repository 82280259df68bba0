"""Everything the page is made of, read once; no section opens a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax import provenance
from thorax.config import Paths, Report
from thorax.io import read_csv, read_json, sha256_file
from thorax.report import wording
from thorax.report.rows import read_cohort

PARTS = ("val", "test")


@dataclass(frozen=True)
class GradCam:
    """One explained image a class: ids and classes [K], evidence uint8 [K, H, W], the layer."""

    image_ids: list[str]
    outputs: list[str]
    maps: NDArray[np.uint8]
    layer: str


@dataclass(frozen=True)
class Inputs:
    """What the stages before the report wrote.

    Attributes:
        options: section `report` of the parameters.
        dataset: what is known of the data set: title, task, classes, counts, notes.
        cohort: manifest rows of the cached images [N], with `width` and `height` of the originals
            in pixels and `part` (train, val, test or fold_<k>).
        images: uint8 [N, H, W], memory-mapped.
        quarantine: images that could not be read, and why.
        split: counts per part, and whether groups stand on two sides.
        metrics: `metrics.json`.
        intervals: part → class → metric → low, high, undefined replicates that were left out.
        undefined: path of a metric → why it has no value.
        journal: fold → what its training took, where that is known on this machine.
        leakage: what stands on both sides of the split.
        calibration, subgroups, localisation, probes: what evaluate found of these topics.
        points: operating points: rule and threshold per output.
        models: fold → model description, with parameters and history.
        predictions: `val` and `test` → one row an image, `y_…` and `p_…` as numbers.
        gradcam: one explained image a class.
        covered: name → an image with that part covered, uint8 [H, W]; what the probes saw.
        roc, precision_recall, confusion: tables behind the figures.
        digests: file → SHA-256, of the tables that say who is in the run.
    """

    options: Report
    dataset: dict[str, Any]
    cohort: pd.DataFrame
    images: NDArray[np.uint8]
    quarantine: pd.DataFrame
    split: dict[str, Any]
    metrics: dict[str, Any]
    intervals: dict[str, Any]
    undefined: dict[str, str]
    journal: dict[int, dict[str, Any] | None]
    leakage: dict[str, Any]
    calibration: dict[str, Any]
    subgroups: dict[str, Any]
    localisation: dict[str, Any]
    probes: dict[str, Any] | None
    points: dict[str, Any]
    models: dict[int, dict[str, Any]]
    predictions: dict[str, pd.DataFrame]
    gradcam: GradCam
    covered: dict[str, NDArray[np.uint8]]
    roc: pd.DataFrame
    precision_recall: pd.DataFrame
    confusion: pd.DataFrame
    digests: dict[str, str]

    @property
    def classes(self) -> list[str]:
        """All classes of the data, in its own order."""
        names: list[str] = self.dataset["classes"]
        return names

    @property
    def outputs(self) -> list[str]:
        """Classes with an output of their own; of a binary task the positive one only."""
        names: list[str] = self.first_model["outputs"]
        return names

    @property
    def exclusive(self) -> bool:
        """Whether the most likely class is decided for, instead of every one over its threshold."""
        return bool(self.dataset["task"] == "multi-class")

    @property
    def leaky(self) -> bool:
        """Whether images that belong together stand on two sides of the split."""
        return bool(self.metrics["protocol"]["leaky"])

    @property
    def parts(self) -> list[str]:
        """Parts with predictions, the one to believe first: test, else validation."""
        return [part for part in reversed(PARTS) if self.metrics[part]["images"]]

    @property
    def headline(self) -> str:
        """The part whose numbers come first."""
        return self.parts[0]

    def bounds(self, part: str, name: str, key: str) -> str:
        """95% interval of a class's metric as text, empty where it was not taken."""
        ends = self.intervals.get(part, {}).get(name, {}).get(key, {})
        return wording.interval(ends.get("low"), ends.get("high"))

    @property
    def first_model(self) -> dict[str, Any]:
        """Description of the first fold's model; all folds share task, outputs and parameters."""
        return next(iter(self.models.values()))


def gather(options: Report, paths: Paths) -> Inputs:
    """Read what the earlier stages wrote.

    Raises:
        DataError: a file is missing or broken.
        IntegrityError: cache and split table do not speak of the same images.
    """
    cache, predictions, plots = Path(paths.cache), Path(paths.predictions), Path(paths.plots)
    metrics = read_json(Path(paths.metrics))
    folds = sorted(int(name) for name in metrics["folds"] if name.isdigit())
    models = {fold: read_json(Path(paths.models) / str(fold) / "model.json") for fold in folds}
    outputs = models[folds[0]]["outputs"]
    numbers = [f"{prefix}_{name}" for name in outputs for prefix in ("y", "p")]
    split = read_json(Path(paths.split_table))
    confusion = read_csv(plots / "confusion.csv", numbers=["count"])
    return Inputs(
        options=options,
        dataset=read_json(Path(paths.dataset)),
        cohort=read_cohort(paths, split),
        images=np.load(cache / "images.npy", mmap_mode="r"),
        quarantine=read_csv(cache / "quarantine.csv"),
        split=split,
        metrics=metrics,
        intervals=read_json(predictions / "intervals.json"),
        undefined=read_json(predictions / "undefined.json"),
        journal={
            fold: provenance.recorded_run(model["fingerprint"]) for fold, model in models.items()
        },
        leakage=read_json(Path(paths.leakage)),
        calibration=read_json(predictions / "calibration.json"),
        subgroups=read_json(predictions / "subgroups.json"),
        localisation=read_json(predictions / "localisation.json"),
        probes=read_json(predictions / "probes.json"),
        points=read_json(Path(paths.bundle) / "operating_points.json"),
        models=models,
        predictions={part: read_csv(predictions / f"{part}.csv", numbers) for part in PARTS},
        gradcam=_gradcam(predictions / "gradcam.npz"),
        covered=dict(np.load(predictions / "probes.npz", allow_pickle=False)),
        roc=read_csv(plots / "roc.csv", ["fpr", "tpr"]),
        precision_recall=read_csv(plots / "precision_recall.csv", ["recall", "precision"]),
        confusion=confusion.astype({"count": int}),
        digests={path: sha256_file(Path(path)) for path in (paths.manifest, paths.split)},
    )


def _gradcam(path: Path) -> GradCam:
    with np.load(path, allow_pickle=False) as kept:
        ids, outputs = kept["image_ids"].tolist(), kept["outputs"].tolist()
        return GradCam(ids, outputs, kept["maps"], str(kept["layer"]))
