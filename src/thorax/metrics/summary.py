"""`metrics.json`: every metric of a set of predictions, with intervals, four decimals.

Undefined values are null; `undefined` collects why. A metric is macro over classes; accuracy of
multi-label tasks is elementwise, of exclusive classes by image.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.config import Evaluate
from thorax.io import rounded
from thorax.metrics import classification
from thorax.metrics.bootstrap import draw, interval, replicate_metrics, share_interval
from thorax.metrics.calibration import wilson
from thorax.tasks import TASKS

SHARES = ("accuracy", "precision", "recall", "specificity", "npv")

Array = NDArray[np.float64]
Bounds = dict[str, tuple[float | None, float | None, int]]


@dataclass(frozen=True)
class Predictions:
    """Labels y [N, O] (NaN unknown) and probabilities p [N, O] of the images in `images`."""

    task: str
    outputs: list[str]
    images: pd.DataFrame  # image_id, patient_id, subset, fold
    y: Array
    p: Array

    @property
    def exclusive(self) -> bool:
        """Whether exactly one class is true of an image."""
        return self.task == "multi-class"

    def of(self, rows: "pd.Series[bool]") -> "Predictions":
        """Those of some of the images."""
        images = self.images[rows].reset_index(drop=True)
        keep = rows.to_numpy()
        return Predictions(self.task, self.outputs, images, self.y[keep], self.p[keep])

    def table(self, decisions: Array) -> pd.DataFrame:
        """One row an image: ids, y and p per class, true and predicted classes as text."""
        columns: dict[str, Any] = {}
        for i, name in enumerate(self.outputs):
            columns[f"y_{name}"] = pd.array(self.y[:, i], dtype="Int8")  # type: ignore[call-overload]
            columns[f"p_{name}"] = self.p[:, i]
        columns["true"] = [self._names(row) for row in self.y]
        columns["predicted"] = [self._names(row) for row in decisions]
        known = ("image_id", "patient_id", "sha256", "subset", "fold")
        ids = self.images[[name for name in known if name in self.images]]
        return pd.concat([ids, pd.DataFrame(columns, index=ids.index)], axis=1)

    def _names(self, row: Array) -> str:
        return "|".join(name for name, value in zip(self.outputs, row, strict=True) if value == 1)


def subset_metrics(
    part: Predictions,
    d: Array,
    thresholds: Array,
    bounds: Bounds,
    name: str,
    undefined: dict[str, str],
) -> dict[str, Any]:
    """All metrics of validation or test, from predictions, decisions d [N, O], and intervals."""
    result: dict[str, Any] = {
        "images": len(part.y),
        "patients": part.images["patient_id"].nunique(),
    }
    headline = classification.overall(part.y, part.p, d, exclusive=part.exclusive)
    for key, value in headline.items():
        result[key] = rounded(value)
        low, high, dropped = bounds.get(key, (None, None, 0))
        result[f"{key}_low"], result[f"{key}_high"] = rounded(low), rounded(high)
        if dropped:
            undefined[f"{name}.{key}_low"] = f"{dropped} replicates undefined and left out"
        if value is None:
            undefined[f"{name}.{key}"] = "undefined in every class"
    result["micro"] = {
        key: rounded(value) for key, value in classification.micro(part.y, d).items()
    }
    result["per_class"] = {}
    for i, output in enumerate(part.outputs):
        y, own = part.y[:, i], classification.per_class(part.y[:, i], part.p[:, i], d[:, i])
        counts = classification.confusion(y, d[:, i])
        own["specificity"] = classification.ratios(
            counts["tn"], counts["fn"], counts["tp"], counts["fp"]
        )["recall"]
        positives, unknown = int(np.nansum(y)), int(np.isnan(y).sum())
        result["per_class"][output] = {
            **{key: rounded(value) for key, value in own.items()},
            "threshold": rounded(float(thresholds[i])),
            "positives": positives,
            "unknown": unknown,
            **counts,
        }
        for key, value in own.items():
            if value is None:
                undefined[f"{name}.per_class.{output}.{key}"] = (
                    f"{positives} present and {len(y) - positives - unknown} absent labels,"
                    f" {counts['tp'] + counts['fp']} decided present"
                )
    return result


def intervals(
    part: Predictions, d: Array, params: Evaluate
) -> tuple[Bounds, dict[str, dict[str, Any]]]:
    """95 % intervals by bootstrap over patients: of the headline, and of every class.

    Returns:
        Low, high and the number of undefined replicates of each headline metric, and the same per
        class and metric, ready for JSON; both are empty without images or replicates.
    """
    if not len(part.y) or not params.bootstrap:
        return {}, {}
    draws = draw(part.images["patient_id"], params.bootstrap, params.seed)
    replicates = replicate_metrics(part.y, part.p, d, draws)
    # Classes that are undefined in the sample itself stay out; others must be defined throughout.
    bounds = {}
    for key, values in replicates.items():
        usable = values[:, np.isfinite(values).any(axis=0)]
        bounds[key] = share_interval(usable.mean(axis=1) if usable.shape[1] else np.full(1, np.nan))
    for key, total, count in _by_image(part, d):
        sums, counts = (
            np.bincount(draws.patient, v, minlength=draws.weights.shape[1]) for v in (total, count)
        )
        with np.errstate(invalid="ignore"):
            bounds[key] = interval((draws.weights @ sums) / (draws.weights @ counts))
    per_class: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(part.outputs):
        per_class[name] = {}
        for key, values in replicates.items():
            low, high, dropped = share_interval(values[:, i])
            if low is None and key in SHARES and dropped < len(values) - 1:
                certain = int(np.nanmax(values[:, i]))
                low, high = wilson(certain * (n := _patients(part, d, i, key)), n)
            per_class[name][key] = {"low": rounded(low), "high": rounded(high), "dropped": dropped}
        if len(part.outputs) == 1:  # the headline is the class
            bounds |= {key: tuple(per_class[name][key].values()) for key in replicates}
    return bounds, per_class


def _patients(part: Predictions, d: Array, i: int, key: str) -> int:
    """Patients with an image that the share `key` of class i counts.

    A share of 0 or 1 is the same in every replicate, but not certain; Wilson's interval of so many
    patients stands in, which takes all images of a patient for one.
    """
    y, called = part.y[:, i], d[:, i] == 1
    counted = {"recall": y == 1, "specificity": y == 0, "precision": called, "npv": ~called}
    rows = counted.get(key, np.ones(len(y), bool)) & ~np.isnan(y)
    return int(part.images["patient_id"][rows].nunique())


def _by_image(part: Predictions, d: Array) -> list[tuple[str, Array, Array]]:
    """Loss and accuracy as sums over images: name, sum and number of terms of each image [N]."""
    known = ~np.isnan(part.y)
    p, y = np.clip(part.p, 1e-7, 1 - 1e-7), np.nan_to_num(part.y)
    if part.exclusive:
        ones = np.ones(len(y))
        return [
            ("loss", -(y * np.log(p)).sum(axis=1), ones),
            ("accuracy", (y * d).sum(axis=1), ones),
        ]
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)) * known
    right = ((y == d) & known).astype(float)
    count = known.sum(axis=1).astype(float)
    return [("loss", loss.sum(axis=1), count), ("accuracy", right.sum(axis=1), count)]


def fold_metrics(per_fold: dict[int, Predictions], task: str, thresholds: Array) -> dict[str, Any]:
    """Test metrics of each fold's own model, their mean and standard deviation."""
    each = {}
    for fold, part in per_fold.items():
        d = TASKS[task].decide(part.p, thresholds)
        own = classification.overall(part.y, part.p, d, exclusive=part.exclusive)
        each[str(fold)] = {key: rounded(value) for key, value in own.items()}
    columns = {key: [own[key] for own in each.values()] for key in classification.HEADLINE}
    table = pd.DataFrame(columns, dtype=float)
    return {
        **each,
        "mean": {key: rounded(float(table[key].mean())) for key in columns},
        "deviation": {key: rounded(float(table[key].std(ddof=1))) for key in columns},
    }
