"""Whom a model fails: metrics by sex, age, view, vendor, site and follow-up, and their pairs."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import (
    Attribute,
    BaselineComparison,
    Gap,
    Group,
    MetadataBaseline,
    Subgroups,
)
from thorax.config import Evaluate
from thorax.dataset import NEVER, Dataset
from thorax.evaluate.metadata_baseline import baseline, features
from thorax.io import rounded
from thorax.metrics.groups import attributes
from thorax.metrics.influence import of_class
from thorax.metrics.intervals import Patients, Statistic, mean, p_value, undefined
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

HEALTHY = ("no finding", "normal")
MIN_IMAGES = 5  # with and without a class that its AUROC needs in every group
MIN_PATIENTS = 10  # under which a group is too small whatever its images
METRICS = ("auroc", "sensitivity", "specificity")


def subgroup_metrics(
    params: Evaluate, predictions: Predictions, thresholds: Array, images: pd.DataFrame
) -> Subgroups:
    """Metrics of every group and pair of groups; no baseline yet.

    Args:
        params: smallest group.
        predictions: the evaluated images.
        thresholds: the frozen ones [O].
        images: all images of the data, as from `dataset.cached_images`.
    """
    groups = attributes(images.set_index("image_id", drop=False))
    groups = groups.loc[predictions.images["image_id"]].reset_index(drop=True)
    d = predictions.task.decide(predictions.p, thresholds)
    evaluation = Evaluation(predictions, d, params.min_subgroup_size)
    nothing = Estimate(value=None, reason="there are no training images")
    none = BaselineComparison(baseline=nothing, model=nothing, difference=nothing)
    return Subgroups(
        attributes={str(name): evaluation.of(groups[name]) for name in groups},
        pairs={
            f"{a} × {b}": evaluation.of(crossed(groups[a], groups[b]))
            for a, b in combinations(groups, 2)
        },
        metadata=MetadataBaseline(columns=[], classes={}, mean=none),
    )


def metadata_baseline(dataset: Dataset, predictions: Predictions, fold: int) -> MetadataBaseline:
    """The baseline on metadata alone, taught by the training images of a fold.

    It is compared on those of the evaluated images that the fold's model has not seen.
    """
    unseen = predictions.take(predictions.images["fold"].isin([fold, NEVER]))
    known = features(dataset.table.set_index("image_id", drop=False))
    trained = dataset.rows("train", fold)
    return baseline(
        known.iloc[trained],
        dataset.targets[trained],
        unseen,
        known.loc[unseen.images["image_id"]],
    )


def crossed(a: "pd.Series[str]", b: "pd.Series[str]") -> "pd.Series[str]":
    """Both groups of each image as one, empty where either is unknown."""
    return (a + ", " + b).where((a != "") & (b != ""), "")


@dataclass(frozen=True)
class Evaluation:
    """What all groups share: predictions, decisions [N, O], and from how many images on."""

    predictions: Predictions
    d: Array
    min_images: int

    @cached_property
    def patients(self) -> Patients:
        """Those of all images, so that groups which share patients can be compared."""
        return Patients.of(self.predictions.images["patient_id"])

    def of(self, values: "pd.Series[str]") -> Attribute:
        """All groups of one attribute, over the classes that every group can be evaluated on."""
        groups = {name: np.flatnonzero(values == name) for name in sorted(set(values) - {""})}
        small = {name: why for name, rows in groups.items() if (why := self._too_small(rows))}
        large = {name: rows for name, rows in groups.items() if name not in small}
        classes = self._common_classes(list(large.values()))
        lacking = "" if classes else f"no class has {MIN_IMAGES} images with and without it"
        if lacking:
            small |= dict.fromkeys(large, f"{lacking} in every group")
        measured = {} if lacking else {n: self._metrics(r, classes) for n, r in large.items()}
        ordered = [*large, *(name for name in groups if name not in large)]
        return Attribute(
            classes=[self.predictions.outputs[c] for c in classes],
            groups=[
                Group(
                    name=name,
                    images=len(groups[name]),
                    patients=self._patients(groups[name]),
                    reason=small.get(name, ""),
                    metrics={
                        key: each.estimate("no class means healthy")
                        for key, each in measured.get(name, {}).items()
                    },
                )
                for name in ordered
            ],
            gap=_gap({name: metrics["auroc"] for name, metrics in measured.items()}),
        )

    def _too_small(self, rows: NDArray[np.int64]) -> str:
        if len(rows) < self.min_images:
            return f"under {self.min_images} images"
        few = self._patients(rows) < MIN_PATIENTS
        return f"under {MIN_PATIENTS} {self.patients.unit}" if few else ""

    def _patients(self, rows: NDArray[np.int64]) -> int:
        return len(np.unique(self.patients.of_image[rows]))

    def _common_classes(self, groups: list[NDArray[np.int64]]) -> list[int]:
        """Classes of which every group has a few images with and without."""
        y = self.predictions.y
        return [
            c
            for c in range(y.shape[1])
            if groups
            and all(min((y[g, c] == 1).sum(), (y[g, c] == 0).sum()) >= MIN_IMAGES for g in groups)
        ]

    def _metrics(self, rows: NDArray[np.int64], classes: list[int]) -> dict[str, Statistic]:
        """Mean metrics of a group over some classes, and the underdiagnosis rate.

        That is the rate of sick images predicted healthy (Seyyed-Kalantari et al. 2021, Nature
        Medicine 27).
        """
        y, p, d = (table[rows] for table in (self.predictions.y, self.predictions.p, self.d))
        patients, outputs = self.patients.take(rows), self.predictions.outputs
        healthy = [c for c, name in enumerate(outputs) if name.lower() in HEALTHY]
        by_class = {
            c: of_class(y[:, c], p[:, c], d[:, c], patients) for c in {*classes, *healthy[:1]}
        }
        metrics = {key: mean([by_class[c][key] for c in classes]) for key in METRICS}
        if healthy:
            overlooked = _complement(by_class[healthy[0]]["specificity"])
        elif len(outputs) == 1:
            overlooked = _complement(metrics["sensitivity"])
        else:
            overlooked = undefined(patients, "")
        return metrics | {"underdiagnosis": overlooked}


def _complement(proportion: Statistic) -> Statistic:
    return replace(proportion, value=1 - proportion.value, influence=-proportion.influence)


def _gap(aurocs: dict[str, Statistic]) -> Gap | None:
    """Best and worst group by AUROC, their difference, and its p-value.

    The best and the worst are picked after the fact, so an interval of their difference would lie
    above 0 far too often. Their p-value is therefore multiplied by the number of pairs that there
    are (Bonferroni).
    """
    if len(aurocs) < 2:
        return None
    worst, *_, best = sorted(aurocs, key=lambda name: aurocs[name].value)
    p = p_value(aurocs[best], aurocs[worst])
    return Gap(
        worst=worst,
        best=best,
        auroc=round(aurocs[best].value - aurocs[worst].value, 4),
        p_value=None if p is None else rounded(min(1.0, p * comb(len(aurocs), 2))),
    )
