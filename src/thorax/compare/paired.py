"""Paired comparison of two sets of predictions for the same images."""

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from thorax.config import METRICS as HEADLINE
from thorax.errors import DataError
from thorax.metrics.bootstrap import over_replicates, percentiles, resample
from thorax.metrics.classification import macro, ones, per_class
from thorax.tasks import Array

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
    current: pd.DataFrame,
    baseline: pd.DataFrame,
    metrics: tuple[str, ...] = METRICS,
    *,
    n_bootstrap: int,
    seed: int,
) -> list[Difference]:
    """Every metric of two tables of predictions, by the same replicates of patients for both.

    Args:
        current: rows as from `read_decided`.
        baseline: the same images and labels, in any order.
        metrics: some of `METRICS`; macro over the classes that are defined in both.
        n_bootstrap: replicates.
        seed: of the replicates.

    Raises:
        DataError: other images, labels or classes, or no image at all.
    """
    tables = [table.sort_values("image_id", ignore_index=True) for table in (current, baseline)]
    require_same_images(*tables)
    if tables[0].empty:
        raise DataError("There is no such image: the split left none. Nothing to compare.")
    patients = tables[0]["patient_id"]
    replicates = resample(patients, n_bootstrap, seed)
    exact, replicated = [], []
    for table in tables:
        weighted = _Weighted.of(table)
        exact.append(weighted.metrics(ones(len(table))))
        replicated.append(over_replicates(weighted.metrics, replicates))
    defined = {name: exact[0][name] + exact[1][name] for name in metrics}
    now, was, *replicated = (
        macro({name: values[name] for name in metrics}, defined) for values in (*exact, *replicated)
    )
    result = []
    for metric in metrics:
        low, high, _ = percentiles(replicated[0][metric] - replicated[1][metric])
        if low is not None and high is not None:
            before, after = float(was[metric][0]), float(now[metric][0])
            result.append(Difference(metric, before, after, low, high, patients.nunique()))
    return result


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


@dataclass(frozen=True)
class _Weighted:
    """Labels, scores that rank as probabilities do, and decisions [N, L] of a table."""

    y: Array
    score: Array
    d: Array

    @classmethod
    def of(cls, table: pd.DataFrame) -> "_Weighted":
        names = [column.removeprefix("y_") for column in table.columns if column.startswith("y_")]
        score = "p" if f"p_{names[0]}" in table else "logit"
        y, scores = (table[[f"{k}_{name}" for name in names]].to_numpy(float) for k in ("y", score))
        predicted = [text.split("|") for text in table["predicted"]]
        decisions = np.array([[name in text for name in names] for text in predicted], float)
        return cls(y, scores, decisions)

    @property
    def exclusive(self) -> bool:
        """Whether exactly one class is true of, and predicted for, every image."""
        several = self.y.shape[1] > 1
        return several and all((table.sum(axis=1) == 1).all() for table in (self.y, self.d))

    def metrics(self, w: Array) -> dict[str, Array]:
        """Metrics [R, L] for image weights [R, N]; accuracy of exclusive classes is by image."""
        metrics = per_class(self.y, self.score, self.d, w)
        if self.exclusive:
            right = w @ (self.y * self.d).sum(axis=1) / w.sum(axis=1)
            metrics["accuracy"] = np.repeat(right[:, None], self.y.shape[1], axis=1)
        return metrics
