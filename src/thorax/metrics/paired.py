"""Paired comparison of two sets of predictions for the same images."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.errors import DataError
from thorax.metrics.bootstrap import draw, interval, replicate_metrics, sample

RISING = ("auroc", "average_precision", "accuracy", "precision", "recall", "f1")
DRAWS = 2000
SEED = 0
IDENTITY = ("image_id", "patient_id", "sha256")  # of a test image; tables of old have no sha256
NAMED = 5  # images named in a message

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A metric of two models on the same images: current minus baseline, 95 % interval."""

    metric: str
    baseline: float
    current: float
    low: float
    high: float
    patients: int

    @property
    def value(self) -> float:
        """Current minus baseline."""
        return self.current - self.baseline

    def verdict(self, margin: float) -> str:
        """PASS above −margin, FAIL when it is not and nothing speaks for no fall, else open."""
        if self.low > -margin:
            return "PASS"
        return "FAIL" if self.high < 0 else "INCONCLUSIVE"

    def patients_needed(self, margin: float) -> int | None:
        """Patients after which a difference of this size would be decided.

        The interval shrinks with the root of the number of patients; it must end above −margin, or
        below 0, whichever takes fewer. None where the difference lies on neither side.
        """
        half = (self.high - self.low) / 2
        reach = max(self.value + margin, -self.value)
        return math.ceil(self.patients * (half / reach) ** 2) if reach > 0 else None


def differences(
    current: pd.DataFrame, baseline: pd.DataFrame, metrics: tuple[str, ...] = RISING
) -> list[Difference]:
    """Every metric of two tables of predictions, by the same draws of patients for both.

    Args:
        current: rows as in `predictions/test.csv`, `y_…` and `p_…` as numbers.
        baseline: the same images and labels, in any order.
        metrics: some of `RISING`; macro over the classes that are defined in both.

    Raises:
        DataError: other images, labels or classes.
    """
    tables = [table.sort_values("image_id", ignore_index=True) for table in (current, baseline)]
    require_same_images(*tables)
    drawn = [_replicates(table) for table in tables]
    exact = [_replicates(table, exact=True) for table in tables]
    patients = tables[0]["patient_id"].nunique()
    found = []
    for metric in metrics:
        defined = np.isfinite(exact[0][metric][0]) & np.isfinite(exact[1][metric][0])
        if not defined.any():
            continue
        gaps = (drawn[0][metric] - drawn[1][metric])[:, defined].mean(axis=1)
        low, high, _ = interval(gaps)
        now, was = (float(each[metric][0, defined].mean()) for each in exact)
        if low is not None and high is not None:
            found.append(Difference(metric, was, now, low, high, patients))
    return found


def require_same_images(current: pd.DataFrame, baseline: pd.DataFrame) -> None:
    """Compare ids and labels of two tables sorted by image; the message names what differs."""
    labels = [column for column in current.columns if column.startswith("y_")]
    if labels != [column for column in baseline.columns if column.startswith("y_")]:
        raise DataError("The two predictions are of different classes; they cannot be compared.")
    identity = [name for name in IDENTITY if name in current and name in baseline]
    if _digest(current, identity + labels) == _digest(baseline, identity + labels):
        return
    ids, others = set(current["image_id"]), set(baseline["image_id"])
    apart = sorted(ids ^ others)
    if apart:
        raise DataError(
            f"{len(ids - others)} test images are only in the current predictions and"
            f" {len(others - ids)} only in the baseline's, such as {', '.join(apart[:NAMED])}. A"
            " paired comparison needs the same test images: use the same data and split."
        )
    raise DataError("The same test images have other bytes, labels or patients in the baseline.")


def digest(table: pd.DataFrame) -> str:
    """SHA-256 over image ids, patients, bytes and labels, in the order of the ids."""
    names = map(str, table.columns)
    columns = [name for name in names if name in IDENTITY or name.startswith("y_")]
    return _digest(table.sort_values("image_id", ignore_index=True), columns)


def _digest(table: pd.DataFrame, columns: list[str]) -> str:
    text = table[columns].to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _replicates(table: pd.DataFrame, *, exact: bool = False) -> dict[str, Array]:
    """Metrics [R, classes] of replicates; of the sample itself [1, classes] where `exact`."""
    names = [column.removeprefix("y_") for column in table.columns if column.startswith("y_")]
    y, p = (table[[f"{k}_{name}" for name in names]].to_numpy(float) for k in ("y", "p"))
    d = np.array(
        [[f"|{name}|" in f"|{text}|" for name in names] for text in table["predicted"]], float
    )
    draws = sample(len(table)) if exact else draw(table["patient_id"], DRAWS, SEED)
    found = replicate_metrics(y, p, d, draws)
    if len(names) > 1 and (y.sum(axis=1) == 1).all() and (d.sum(axis=1) == 1).all():
        # Exclusive classes: accuracy is of images, the same for every class.
        weights = draws.by_image()
        right = weights @ (y * d).sum(axis=1) / weights.sum(axis=1)
        found["accuracy"] = np.repeat(right[:, None], len(names), axis=1)
    return found
