"""Everything the page is made of, read once; no section opens a file."""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts.data import DatasetInfo, LeakageAudit, SplitSummary, SubsetCounts
from thorax.artifacts.evaluation import (
    Calibration,
    PredictionsInfo,
    Results,
    Stress,
    Subgroups,
    SubsetMetrics,
)
from thorax.artifacts.explanation import Localization, Occlusion, PixelBaselines
from thorax.artifacts.model import ModelFile, OperatingPoints
from thorax.config import Paths, Report
from thorax.dataset import join, open_images
from thorax.io import LABEL, read_csv, sha256_file
from thorax.provenance.looks import looks
from thorax.provenance.seeds import Seeds, seeds
from thorax.report import wording

BAND = ("low", "high")


@dataclass(frozen=True)
class GradCam:
    """The arrays of `gradcam.npz`: ids and classes [K], maps [K, H, W].

    Of each class the most probable image that shows it comes first.
    """

    image_ids: NDArray[np.str_]
    outputs: NDArray[np.str_]
    maps: NDArray[np.uint8]
    layer: NDArray[np.str_]

    def map_of(self, image_id: str, name: str) -> NDArray[np.uint8] | None:
        """Evidence for a class in an image [H, W], None where none was kept."""
        (rows,) = np.nonzero((self.image_ids == image_id) & (self.outputs == name))
        return self.maps[rows[0]] if len(rows) else None


@dataclass(frozen=True)
class Inputs:
    """What the stages before the report wrote.

    Attributes:
        table: the cached images [N], as from `join`.
        images: uint8 [N, H, W], memory-mapped.
        quarantine: images that could not be read, and why.
        models: fold → model.
        weights: fold → numbers in its file of weights, those of normalization layers included.
        bytes: of the first fold's file of weights.
        predictions: `val` and `test` → one row an image, `y_…` and `p_…` as numbers.
        occluded: name → the first image with that part occluded, uint8 [H, W].
        roc, precision_recall, confusion: tables behind the figures.
        digests: file → SHA-256, of the tables that say who is in the run.
        looks: runs that have predicted this test set by now, this one included.
        seeds: this run and those that differ from it in the training seed only.
    """

    options: Report
    dataset: DatasetInfo
    table: pd.DataFrame
    images: NDArray[np.uint8]
    quarantine: pd.DataFrame
    split: SplitSummary
    leakage: LeakageAudit
    models: dict[int, ModelFile]
    weights: dict[int, int]
    bytes: int
    points: OperatingPoints
    results: Results
    calibration: Calibration
    subgroups: Subgroups
    localization: Localization
    occlusion: Occlusion
    baselines: PixelBaselines
    stress: Stress
    predictions: dict[str, pd.DataFrame]
    gradcam: GradCam
    occluded: dict[str, NDArray[np.uint8]]
    roc: pd.DataFrame
    precision_recall: pd.DataFrame
    confusion: pd.DataFrame
    digests: dict[str, str]
    looks: int
    seeds: Seeds

    @property
    def subsets(self) -> list[str]:
        """Subsets with predictions, the one to believe first: test, else validation."""
        return [name for name in ("test", "val") if self.results.subset(name).images]

    @property
    def headline(self) -> str:
        """The subset whose metrics come first."""
        return self.subsets[0]

    def subset_name(self, subset: str) -> str:
        """Name of a subset, and how it was predicted where there are several models."""
        name, models = wording.subset_name(subset), len(self.models)
        if models == 1 or subset not in self.subsets:
            return name
        alone = subset == "val" and self.results.out_of_fold
        return f"{name} ({'out of fold' if alone else f'ensemble of {models}'})"

    @property
    def metrics(self) -> SubsetMetrics:
        """Metrics of that subset."""
        return self.results.subset(self.headline)

    @property
    def intervals(self) -> str:
        """What stands behind the interval of every metric."""
        return wording.intervals(patients_unknown=self.dataset.patients_unknown)

    def patients(self, count: int) -> str:
        """How many patients, such as `90`, or that nobody knows."""
        return "unknown" if self.dataset.patients_unknown else wording.count(count)

    def people(self, counts: SubsetCounts | SubsetMetrics) -> str:
        """Images and patients, such as `328 images of 90 patients`."""
        images = wording.plural(counts.images, "image")
        if self.dataset.patients_unknown:
            return f"{images} of unknown patients"
        return f"{images} of {wording.plural(counts.patients, 'patient')}"

    @property
    def model(self) -> ModelFile:
        """The first fold's model; every fold has its task and outputs."""
        return next(iter(self.models.values()))


def has_label(table: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Whether each image is known to show a class [N]."""
    mask: NDArray[np.bool_] = (table[LABEL + name] == 1).to_numpy()
    return mask


def gather(options: Report, paths: Paths) -> Inputs:
    """Read what the earlier stages wrote.

    Raises:
        DataError: a file is missing or broken.
        IntegrityError: one is of another version, or cache and split list different images.
    """
    cache, plots, models = Path(paths.cache), Path(paths.plots), Path(paths.models)
    evaluation, explanations = Path(paths.evaluation), Path(paths.explanations)
    info = PredictionsInfo.read(Path(paths.predictions) / "predictions.json")
    folds = {k: ModelFile.read(models / str(k) / "model.json") for k in info.folds}
    weights = {k: models / str(k) / "weights.safetensors" for k in info.folds}
    (on_test,) = Path(paths.test_predictions).glob("*.csv")
    numbers = [f"{prefix}_{name}" for name in info.outputs for prefix in ("y", "p")]
    return Inputs(
        options=options,
        dataset=DatasetInfo.read(Path(paths.dataset)),
        table=join(paths),
        images=open_images(cache),
        quarantine=read_csv(cache / "quarantine.csv"),
        split=SplitSummary.read(Path(paths.split_summary)),
        leakage=LeakageAudit.read(Path(paths.leakage)),
        models=folds,
        weights={k: count_weights(file) for k, file in weights.items()},
        bytes=weights[info.folds[0]].stat().st_size,
        points=OperatingPoints.read(Path(paths.bundle) / "operating_points.json"),
        results=Results.read(evaluation / "results.json"),
        calibration=Calibration.read(evaluation / "calibration.json"),
        subgroups=Subgroups.read(evaluation / "subgroups.json"),
        localization=Localization.read(explanations / "localization.json"),
        occlusion=Occlusion.read(explanations / "occlusion.json"),
        baselines=PixelBaselines.read(explanations / "baselines.json"),
        stress=Stress.read(evaluation / "stress.json"),
        predictions={s: read_csv(evaluation / f"{s}.csv", numbers) for s in ("val", "test")},
        gradcam=GradCam(**_arrays(explanations / "gradcam.npz")),
        occluded=_arrays(explanations / "occlusion.npz"),
        roc=read_csv(plots / "roc.csv", ["fpr", "tpr", *BAND]),
        precision_recall=read_csv(plots / "precision_recall.csv", ["recall", "precision", *BAND]),
        confusion=read_csv(plots / "confusion.csv", ["count"]).astype({"count": int}),
        digests={path: sha256_file(Path(path)) for path in (paths.manifest, paths.split)},
        looks=looks(on_test),
        seeds=seeds(on_test, paths),
    )


def count_weights(path: Path) -> int:
    """Numbers in a safetensors file, from its header: a length of 8 bytes, then JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return sum(prod(tensor["shape"]) for tensor in header.values())


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)
