"""The labeled images of one run: cache rows joined with manifest and split."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts.data import DatasetInfo, Task
from thorax.config import Paths
from thorax.errors import IntegrityError
from thorax.io import LABEL, read_csv, read_manifest
from thorax.tasks import TASKS

NEVER = -1  # fold of an image that is never validated on: test, or the training part of a hold-out
GEOMETRY = ["width", "height", "crop_x", "crop_y", "crop_width", "crop_height", "new_width",
            "new_height", "pad_x", "pad_y"]  # fmt: skip
GRAYS = ["gray_rule", "polarity"]  # of DICOM images, from `dicom.image.Picture`


@dataclass(frozen=True)
class Dataset:
    """All images of the cache with what is known of each.

    Attributes:
        patient_namespace: within which a patient's identifier means one person.
        images: uint8 [N, H, W], memory-mapped.
        table: [N] rows as from `join`.
        task: key of `tasks.TASKS`.
        outputs: class of each model output, O of them.
        targets: float [N, O]: 1, 0, NaN for unknown.
    """

    patient_namespace: str
    images: NDArray[np.uint8]
    table: pd.DataFrame
    task: Task
    outputs: list[str]
    targets: NDArray[np.float64]

    def rows(self, subset: str, fold: int) -> NDArray[np.int64]:
        """Cache rows that the model of a fold trains on (`train`) and watches (`val`)."""
        trainval = (self.table["subset"] == "trainval").to_numpy()
        held_out = (self.table["fold"] == fold).to_numpy() & trainval
        mask = {"train": trainval & ~held_out, "val": held_out}[subset]
        rows: NDArray[np.int64] = np.flatnonzero(mask)
        return rows

    def held_out(self, subset: str) -> NDArray[np.int64]:
        """Cache rows that no fold trains on: `test`, and with several folds `val`."""
        rows: NDArray[np.int64] = np.flatnonzero(self.table["subset"] == subset)
        return rows

    def rows_of(self, image_ids: Iterable[str]) -> NDArray[np.int64]:
        """Cache rows of images.

        Raises:
            IntegrityError: the cache does not hold all of them.
        """
        index = pd.Index(self.table["image_id"])
        rows: NDArray[np.int64] = index.get_indexer(list(image_ids)).astype(np.int64)
        if (rows < 0).any():
            raise IntegrityError("An image is no longer in the cache. Run `dvc repro`.")
        return rows


def cached_images(paths: Paths) -> pd.DataFrame:
    """Manifest rows in the order of the cache, with `perceptual_hash`, `GEOMETRY` and `GRAYS`.

    Raises:
        IntegrityError: the manifest does not list an image of the cache.
    """
    cache = Path(paths.cache)
    index = read_csv(cache / "index.csv", numbers=GEOMETRY)
    manifest = read_manifest(Path(paths.manifest)).set_index("image_id", drop=False)
    unlisted = index["image_id"][~index["image_id"].isin(manifest.index)]
    if len(unlisted):
        raise IntegrityError(
            f"{paths.cache} holds {unlisted.iloc[0]}, which {paths.manifest} does not list. Run"
            " `dvc repro`."
        )
    rows = manifest.loc[index["image_id"]].reset_index(drop=True)
    rows["perceptual_hash"] = [row.tobytes().hex() for row in np.load(cache / "hashes.npy")]
    grays = {name: index.get(name, "") for name in GRAYS}
    return rows.assign(**{name: index[name] for name in GEOMETRY}, **grays)


def join(paths: Paths) -> pd.DataFrame:
    """The same with `group`, `subset`, `fold` and `split` (train, val, test or fold_<k>).

    Raises:
        IntegrityError: cache and split table do not list the same images.
    """
    rows = cached_images(paths)
    assigned = read_csv(Path(paths.split), numbers=["fold", "group"])
    if assigned["image_id"].tolist() != rows["image_id"].tolist():
        raise IntegrityError(
            f"{paths.split} and {paths.cache} list different images. Run `dvc repro`."
        )
    columns = {name: assigned[name] for name in ("group", "subset", "fold")}
    return rows.assign(**columns, split=split_names(assigned))


def split_names(assigned: pd.DataFrame) -> list[str]:
    """train, val, test or fold_<k> of each row of a split table.

    A single fold beside images that are never validated on is a hold-out, called val.
    """
    subset, fold = assigned["subset"], assigned["fold"].astype(int)
    trainval = subset == "trainval"
    hold_out = bool((fold[trainval] == NEVER).any())
    validated = "val" if hold_out else "fold_" + fold.astype(str)
    names = np.where(trainval, np.where(fold == NEVER, "train", validated), subset)
    return [str(name) for name in names]


def open_images(cache: Path) -> NDArray[np.uint8]:
    """Memory-map the cache read-only: uint8 [N, H, W]."""
    images: NDArray[np.uint8] = np.load(cache / "images.npy", mmap_mode="r")
    return images


def open_dataset(paths: Paths) -> Dataset:
    """Join cache, manifest and split table.

    Raises:
        IntegrityError: they do not list the same images.
    """
    about = DatasetInfo.read(Path(paths.dataset))
    table = join(paths)
    outputs = TASKS[about.task].outputs(about.classes, about.positive)
    targets = table[[LABEL + name for name in outputs]].to_numpy(float)
    images = open_images(Path(paths.cache))
    return Dataset(about.patient_namespace, images, table, about.task, outputs, targets)
