"""Everything the page is made of, read once; no section opens a file."""

import json
from dataclasses import dataclass, replace
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
from thorax.dataset import Dataset, join, open_images
from thorax.io import LABEL, read_csv, sha256_file
from thorax.provenance.looks import looks
from thorax.provenance.seeds import Seeds, seeds
from thorax.report import wording
from thorax.report.gradcam import NONE, GradCam

BAND = ("low", "high")


@dataclass(frozen=True)
class Inputs:
    """What is known wherever models were evaluated, in a run or elsewhere.

    Attributes:
        table: the cached images [N], as from `cached_images`.
        images: uint8 [N, H, W], memory-mapped.
        quarantine: images that could not be read, and why.
        models: fold → model.
        weights: fold → numbers in its file of weights, those of normalization layers included.
        bytes: of the first fold's file of weights.
        predictions: `val` and `test` → one row an image, `y_…` and `p_…` as numbers.
        gradcam: none of them outside of a run.
        roc, precision_recall, confusion: tables behind the figures.
        digests: file → SHA-256, of the tables that say who is evaluated.
        seeds: this run and those that differ from it in the training seed only.
        bundle: name of what was evaluated on other data; empty in a run.
    """

    options: Report
    dataset: DatasetInfo
    table: pd.DataFrame
    images: NDArray[np.uint8]
    quarantine: pd.DataFrame
    models: dict[int, ModelFile]
    weights: dict[int, int]
    bytes: int
    points: OperatingPoints
    results: Results
    calibration: Calibration
    subgroups: Subgroups
    predictions: dict[str, pd.DataFrame]
    gradcam: GradCam
    roc: pd.DataFrame
    precision_recall: pd.DataFrame
    confusion: pd.DataFrame
    digests: dict[str, str]
    seeds: Seeds
    bundle: str

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

    @property
    def shown_first(self) -> str:
        """The class to begin with: the first of which any label is known."""
        classes = self.metrics.classes
        known = (n for n, record in classes.items() if record.positives + record.negatives)
        return next(known, self.model.outputs[0])

    @property
    def unit(self) -> str:
        """What a sample is made of: patients, or images where nobody knows whose they are."""
        return "images" if self.dataset.patients_unknown else "patients"

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


@dataclass(frozen=True)
class Run(Inputs):
    """What a run knows besides; its `table` is as from `join`.

    Attributes:
        occluded: name → the first image with that part occluded, uint8 [H, W].
        looks: runs that have predicted this test set by now, this one included.
    """

    split: SplitSummary
    leakage: LeakageAudit
    localization: Localization
    occlusion: Occlusion
    baselines: PixelBaselines
    stress: Stress
    occluded: dict[str, NDArray[np.uint8]]
    looks: int


def has_label(table: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Whether each image is known to show a class [N]."""
    mask: NDArray[np.bool_] = (table[LABEL + name] == 1).to_numpy()
    return mask


def gather(options: Report, paths: Paths) -> Run:
    """Read what the earlier stages wrote.

    Raises:
        DataError: a file is missing or broken.
        IntegrityError: one is of another version, or cache and split list different images.
    """
    explanations, evaluated = Path(paths.explanations), _evaluated(options, paths)
    (on_test,) = Path(paths.test_predictions).glob("*.csv")
    return Run(
        **evaluated,
        table=join(paths),
        images=open_images(Path(paths.cache)),
        gradcam=GradCam(**_arrays(explanations / "gradcam.npz")),
        digests={path: sha256_file(Path(path)) for path in (paths.manifest, paths.split)},
        seeds=seeds(on_test, paths),
        bundle="",
        split=SplitSummary.read(Path(paths.split_summary)),
        leakage=LeakageAudit.read(Path(paths.leakage)),
        localization=Localization.read(explanations / "localization.json"),
        occlusion=Occlusion.read(explanations / "occlusion.json"),
        baselines=PixelBaselines.read(explanations / "baselines.json"),
        stress=Stress.read(Path(paths.evaluation) / "stress.json"),
        occluded=_arrays(explanations / "occlusion.npz"),
        looks=looks(on_test),
    )


def gather_external(options: Report, paths: Paths, dataset: Dataset) -> Inputs:
    """Read what evaluating a bundle on other data wrote; models and bundle lie at its paths."""
    inputs = Inputs(
        **_evaluated(options, paths),
        table=dataset.table,
        images=dataset.images,
        gradcam=NONE,
        digests={paths.manifest: sha256_file(Path(paths.manifest))},
        seeds=Seeds({}),
        bundle=Path(paths.bundle).name,
    )
    # What the bundle's outputs mean counts, and not what the data alone would be taken for.
    about = inputs.dataset.model_copy(update={"task": dataset.task})
    return replace(inputs, dataset=about)


def _evaluated(options: Report, paths: Paths) -> dict[str, Any]:
    """What both have."""
    plots, models, evaluation = Path(paths.plots), Path(paths.models), Path(paths.evaluation)
    info = PredictionsInfo.read(Path(paths.predictions) / "predictions.json")
    weights = {k: models / str(k) / "weights.safetensors" for k in info.folds}
    numbers = [f"{prefix}_{name}" for name in info.outputs for prefix in ("y", "p")]
    return {
        "options": options,
        "dataset": DatasetInfo.read(Path(paths.dataset)),
        "quarantine": read_csv(Path(paths.cache) / "quarantine.csv"),
        "models": {k: ModelFile.read(models / str(k) / "model.json") for k in info.folds},
        "weights": {k: count_weights(file) for k, file in weights.items()},
        "bytes": weights[info.folds[0]].stat().st_size,
        "points": OperatingPoints.read(Path(paths.bundle) / "operating_points.json"),
        "results": Results.read(evaluation / "results.json"),
        "calibration": Calibration.read(evaluation / "calibration.json"),
        "subgroups": Subgroups.read(evaluation / "subgroups.json"),
        "predictions": {s: read_csv(evaluation / f"{s}.csv", numbers) for s in ("val", "test")},
        "roc": read_csv(plots / "roc.csv", ["fpr", "tpr", *BAND]),
        "precision_recall": read_csv(
            plots / "precision_recall.csv", ["recall", "precision", *BAND]
        ),
        "confusion": read_csv(plots / "confusion.csv", ["count"]).astype({"count": int}),
    }


def count_weights(path: Path) -> int:
    """Numbers in a safetensors file, from its header: a length of 8 bytes, then JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return sum(prod(tensor["shape"]) for tensor in header.values())


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)
