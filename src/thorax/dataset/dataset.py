"""The labelled images of one run: cache rows joined with labels, patients, subset and fold."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.config import Paths
from thorax.dataset.loader import open_images
from thorax.errors import IntegrityError
from thorax.io import LABEL, read_csv, read_json, read_manifest
from thorax.tasks import TASKS


@dataclass(frozen=True)
class Cohort:
    """All images of the cache with what is known of each.

    Attributes:
        people: among whom a patient's identifier means one person.
        images: uint8 [N, H, W], memory-mapped.
        table: [N] rows with `image_id, patient_id, group, subset, fold, sha256`.
        task: key of `tasks.TASKS`.
        outputs: class of each model output, O of them.
        targets: float [N, O]: 1, 0, NaN for unknown.
    """

    people: str
    images: NDArray[np.uint8]
    table: pd.DataFrame
    task: str
    outputs: list[str]
    targets: NDArray[np.float64]

    def rows(self, subset: str, fold: int) -> NDArray[np.int64]:
        """Cache rows of `train`, `val` (of one fold) or `test` (the same for all folds)."""
        test = (self.table["subset"] == "test").to_numpy()
        held_out = (self.table["fold"] == fold).to_numpy() & ~test
        mask = {"train": ~test & ~held_out, "val": held_out, "test": test}[subset]
        rows: NDArray[np.int64] = np.flatnonzero(mask)
        return rows

    def rows_of(self, image_ids: Iterable[str]) -> NDArray[np.int64]:
        """Cache rows of images."""
        found = pd.Index(self.table["image_id"]).get_indexer(list(image_ids))
        rows: NDArray[np.int64] = found.astype(np.int64)
        return rows


def open_cohort(paths: Paths) -> Cohort:
    """Join cache, manifest and split table.

    Raises:
        IntegrityError: they do not speak of the same images.
    """
    dataset = read_json(Path(paths.dataset))
    split = read_csv(Path(paths.split), numbers=["fold", "group"])
    index = read_csv(Path(paths.cache) / "index.csv")
    if split["image_id"].tolist() != index["image_id"].tolist():
        raise IntegrityError(
            f"{paths.split} and {paths.cache} list different images. Run `dvc repro`."
        )
    labels = read_manifest(Path(paths.manifest)).set_index("image_id").loc[index["image_id"]]
    outputs = TASKS[dataset["task"]].outputs(dataset["classes"], dataset["positive"])
    targets = labels[[LABEL + name for name in outputs]].to_numpy(float)
    images = open_images(Path(paths.cache))
    table = split.assign(sha256=labels["sha256"].to_numpy())
    return Cohort(dataset["people"], images, table, dataset["task"], outputs, targets)
