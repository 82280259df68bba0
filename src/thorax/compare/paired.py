"""Paired comparison of two sets of predictions for the same images."""

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from thorax.config import METRICS as HEADLINE
from thorax.errors import DataError
from thorax.metrics.influence import ALL, of_class, share
from thorax.metrics.intervals import Patients, Statistic, difference, mean

METRICS = tuple(name for name in HEADLINE if name != "loss")  # all of them: the higher, the better
IDENTITY = ("image_id", "patient_id", "sha256")  # of an image, as far as both tables have it
NAMED = 5  # images named in a message


class Verdict(StrEnum):
    """Where the interval of the difference lies against zero and against minus the margin."""

    PASS = "PASS"
    WITHIN = "WORSE BUT WITHIN THE MARGIN"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Difference:
    """A metric of two models on the same images: current minus baseline, 95% interval."""

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

    def verdict(self, margin: float) -> Verdict:
        """Non-inferiority (Piaggio et al. 2012, JAMA): the interval against −margin."""
        if self.high < -margin:
            return Verdict.FAIL
        if self.low <= -margin:
            return Verdict.INCONCLUSIVE
        return Verdict.WITHIN if self.high < 0 else Verdict.PASS

    def patients_needed(self, margin: float) -> int | None:
        """Patients after which a difference of this size would be decided.

        The interval shrinks with the root of the number of patients, until −margin lies outside of
        it. None where the difference is the margin.
        """
        half, reach = (self.high - self.low) / 2, abs(self.value + margin)
        return math.ceil(self.patients * (half / reach) ** 2) if reach > 1e-9 else None


def differences(
    current: pd.DataFrame, baseline: pd.DataFrame, metrics: tuple[str, ...] = METRICS
) -> list[Difference]:
    """Every metric of two tables of predictions that both have, paired over patients.

    Args:
        current: rows as from `read_decided`.
        baseline: the same images and labels, in any order.
        metrics: some of `METRICS`; macro over the classes that are defined in both.

    Raises:
        DataError: other images, labels or classes, or no image at all.
    """
    tables = [table.sort_values("image_id", ignore_index=True) for table in (current, baseline)]
    require_same_images(*tables)
    if tables[0].empty:
        raise DataError("There is no such image: the split left none. Nothing to compare.")
    classes = list(zip(*map(_by_class, tables), strict=True))
    patients = tables[0]["patient_id"].nunique()
    result = []
    for metric in metrics:
        pairs = [(now[metric], was[metric]) for now, was in classes]
        defined = [pair for pair in pairs if all(np.isfinite(each.value) for each in pair)]
        if not defined:
            continue
        after, before = (mean(side) for side in zip(*defined, strict=True))
        low, high = difference(after, before).interval()
        if low is not None and high is not None:
            result.append(Difference(metric, before.value, after.value, low, high, patients))
    return result


def _by_class(table: pd.DataFrame) -> list[dict[str, Statistic]]:
    """Metrics of each class; where classes exclude each other, accuracy is that of the images."""
    names = [column.removeprefix("y_") for column in table.columns if column.startswith("y_")]
    score = "p" if f"p_{names[0]}" in table else "logit"
    y, scores = (table[[f"{k}_{name}" for name in names]].to_numpy(float) for k in ("y", score))
    predicted = [text.split("|") for text in table["predicted"]]
    d = np.array([[name in text for name in names] for text in predicted], float)
    patients = Patients.of(table["patient_id"])
    classes = [of_class(y[:, i], scores[:, i], d[:, i], patients) for i in range(len(names))]
    if len(names) > 1 and all((each.sum(axis=1) == 1).all() for each in (y, d)):
        right = share((y * d).sum(axis=1), np.ones(len(y)), patients, ALL)
        return [{**each, "accuracy": right} for each in classes]
    return classes


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
            f"{len(ids - others)} images are only in the current predictions and"
            f" {len(others - ids)} only in the baseline's, such as {', '.join(apart[:NAMED])}. A"
            " paired comparison needs the same images: use the same data and split."
        )
    raise DataError("The same images have other bytes, labels or patients in the baseline.")


def _digest(table: pd.DataFrame, columns: list[str]) -> str:
    text = table[columns].to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()
