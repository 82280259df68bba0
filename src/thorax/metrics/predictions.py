"""Predictions of a set of images, and the tables they stand in."""

import hashlib
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from thorax.errors import DataError
from thorax.io import read_csv, write_csv
from thorax.tasks import TASKS, Array, Task

IDS = ("image_id", "patient_id", "sha256", "subset", "fold")


@dataclass(frozen=True)
class Predictions:
    """Labels and logits of N images.

    Attributes:
        task_name: key of `tasks.TASKS`.
        outputs: class of each output, O of them.
        images: [N] rows with the columns of `IDS`.
        y: labels [N, O]: 1, 0, NaN for unknown.
        z: logits [N, O].
    """

    task_name: str
    outputs: list[str]
    images: pd.DataFrame
    y: Array
    z: Array

    @property
    def task(self) -> Task:
        """What the logits mean."""
        return TASKS[self.task_name]

    @cached_property
    def p(self) -> Array:
        """Probabilities [N, O]."""
        return self.task.activation(self.z)

    def take(self, rows: "pd.Series[bool]") -> "Predictions":
        """Those of some of the images."""
        keep = rows.to_numpy()
        images = self.images[keep].reset_index(drop=True)
        return Predictions(self.task_name, self.outputs, images, self.y[keep], self.z[keep])

    def write(self, path: Path) -> None:
        """A row an image: ids, then `y_<class>`, `p_<class>` and `logit_<class>` per class."""
        columns: dict[str, Any] = {}
        for i, name in enumerate(self.outputs):
            columns[f"y_{name}"] = pd.array(self.y[:, i], dtype="Int8")  # type: ignore[call-overload]
            columns[f"p_{name}"] = self.p[:, i]
            columns[f"logit_{name}"] = self.z[:, i]
        write_csv(_beside(self.images, columns), path)

    def write_decided(self, decisions: Array, path: Path) -> None:
        """The same with true and predicted classes as text in place of the logits."""
        columns: dict[str, Any] = {}
        for i, name in enumerate(self.outputs):
            columns[f"y_{name}"] = pd.array(self.y[:, i], dtype="Int8")  # type: ignore[call-overload]
            columns[f"p_{name}"] = self.p[:, i]
        columns["true"] = [self._names(row) for row in self.y]
        columns["predicted"] = [self._names(row) for row in decisions]
        write_csv(_beside(self.images, columns), path)

    def write_anonymous(self, decisions: Array, folder: Path) -> Path:
        """Write labels, decisions and scores for git into a folder of their own; returns the file.

        Its name is a digest of the images and patients, which it does not name: a row an image in
        the order of `image_id`, `patient_id` a number, then `predicted` and, per class, `y_<class>`
        and `logit_<class>` with five digits (log-probabilities where classes exclude each other).
        """
        order = np.argsort(self.images["image_id"].to_numpy(str), kind="stable")
        images = self.images.iloc[order]
        z = log_softmax(self.z, axis=1) if self.task.exclusive else self.z
        columns: dict[str, Any] = {"patient_id": pd.factorize(images["patient_id"])[0]}
        columns["predicted"] = [self._names(row) for row in decisions[order]]
        for i, name in enumerate(self.outputs):
            columns[f"y_{name}"] = pd.array(self.y[order, i], dtype="Int8")
            columns[f"logit_{name}"] = [f"{value:.5g}" for value in z[order, i]]
        path = folder / f"{_digest(images)}.csv"
        shutil.rmtree(folder, ignore_errors=True)
        write_csv(pd.DataFrame(columns), path)
        return path

    def _names(self, row: Array) -> str:
        return "|".join(name for name, value in zip(self.outputs, row, strict=True) if value == 1)


def read_predictions(path: Path, task_name: str, outputs: list[str]) -> Predictions:
    """Read what `Predictions.write` wrote."""
    y, z = ([f"{kind}_{name}" for name in outputs] for kind in ("y", "logit"))
    table = read_csv(path, numbers=["fold", *y, *z])
    images = table[list(IDS)].astype({"fold": int})
    return Predictions(
        task_name, outputs, images, table[y].to_numpy(float), table[z].to_numpy(float)
    )


def read_decided(path: Path) -> pd.DataFrame:
    """Read a table of scores and decisions; `y_…`, and `p_…` or `logit_…`, as numbers.

    One without names numbers its images.

    Raises:
        DataError: no such file, or no such table.
    """
    table = read_csv(path)
    missing = [name for name in ("patient_id", "predicted") if name not in table]
    if missing:
        raise DataError(f"{path} is no table of predictions: it lacks {', '.join(missing)}.")
    if "image_id" not in table:
        table.insert(0, "image_id", [f"{row:09}" for row in range(len(table))])
    numbers = [name for name in table.columns if name.startswith(("y_", "p_", "logit_"))]
    table[numbers] = table[numbers].replace("", None).apply(pd.to_numeric)
    return table


def _digest(images: pd.DataFrame) -> str:
    whose = images[["image_id", "patient_id", "sha256"]].to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(whose.encode()).hexdigest()[:16]


def _beside(images: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    return pd.concat([images[list(IDS)], pd.DataFrame(columns, index=images.index)], axis=1)
