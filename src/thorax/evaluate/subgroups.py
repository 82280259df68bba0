"""Whom a model fails: metrics by sex, age, view, vendor, site and follow-up, and their pairs."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts.evaluation import Attribute, Gap, Group, Subgroups
from thorax.config import Evaluate, Paths
from thorax.dataset import NEVER, open_dataset
from thorax.evaluate.metadata_baseline import baseline, features
from thorax.io import rounded
from thorax.metrics.bootstrap import Replicates, estimate, over_replicates, resample
from thorax.metrics.classification import ones, per_class
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array, Values

AGE_BANDS = {  # below so many years
    "0–17": 18,
    "18–39": 40,
    "40–59": 60,
    "60–79": 80,
    "80 and older": 200,
}
HEALTHY = ("no finding", "normal")
MIN_IMAGES = 5  # with and without a class that its AUROC needs in every group
MIN_PATIENTS = 10  # under which a group is too small whatever its images
METRICS = ("auroc", "sensitivity", "specificity")


def subgroup_metrics(
    params: Evaluate, predictions: Predictions, d: Array, fold: int, paths: Paths
) -> Subgroups:
    """Metrics of every group and pair of groups, and the baseline on metadata alone.

    Args:
        params: replicates, seed, smallest group.
        predictions: the evaluated images.
        d: decisions [N, O] at the frozen thresholds.
        fold: the first one; its training images teach the baseline.
        paths: of manifest, cache and split.
    """
    dataset = open_dataset(paths)
    images = dataset.table.set_index("image_id", drop=False)
    groups = attributes(images).loc[predictions.images["image_id"]].reset_index(drop=True)
    replicates = resample(predictions.images["patient_id"], params.n_bootstrap, params.seed)
    evaluation = _Evaluation(predictions, d, params.min_subgroup_size, replicates)
    pairs = combinations(groups, 2)
    unseen = predictions.take(
        predictions.images["fold"].isin([fold, NEVER])
    )  # by the first fold's model
    known = features(images)
    trained = dataset.rows("train", fold)
    return Subgroups(
        n_bootstrap=params.n_bootstrap,
        attributes={str(name): evaluation.of(groups[name]) for name in groups},
        pairs={f"{a} × {b}": evaluation.of(_crossed(groups[a], groups[b])) for a, b in pairs},
        metadata=baseline(
            known.iloc[trained],
            dataset.targets[trained],
            unseen,
            known.loc[unseen.images["image_id"]],
            params,
        ),
    )


def attributes(images: pd.DataFrame) -> pd.DataFrame:
    """Group of each image as text, empty where unknown; only attributes with two groups or more.

    Args:
        images: all images of the data, with `patient_id`, `sex`, `age`, `view`, `vendor`, `site`.
            Follow-up is inferred from the order of a patient's image ids.
    """
    bands = [-1, *(years - 0.5 for years in AGE_BANDS.values())]
    age = pd.cut(images["age"], bands, labels=list(AGE_BANDS)).astype(object)
    visit = images.groupby("patient_id")["image_id"].rank(method="first")
    table = pd.DataFrame(
        {
            "sex": images["sex"],
            "age": age.where(age.notna(), ""),
            "view": images["view"],
            "vendor": images["vendor"],
            "site": images["site"],
            "visit": np.where(visit == 1, "first", "follow-up"),
        }
    ).astype(str)
    return table[[name for name in table if table[name][table[name] != ""].nunique() > 1]]


def _crossed(a: "pd.Series[str]", b: "pd.Series[str]") -> "pd.Series[str]":
    return (a + ", " + b).where((a != "") & (b != ""), "")


@dataclass(frozen=True)
class _Evaluation:
    """What all groups share: predictions, decisions [N, O], and one set of replicates."""

    predictions: Predictions
    d: Array
    min_images: int
    replicates: Replicates

    def of(self, values: "pd.Series[str]") -> Attribute:
        """All groups of one attribute, over the classes that every group can be evaluated on."""
        groups = {name: np.flatnonzero(values == name) for name in sorted(set(values) - {""})}
        small = {name: why for name, rows in groups.items() if (why := self._too_small(rows))}
        large = {name: rows for name, rows in groups.items() if name not in small}
        classes = self._common_classes(list(large.values()))
        measured = {name: self._group(name, rows, classes) for name, rows in large.items()}
        return Attribute(
            classes=[self.predictions.outputs[c] for c in classes],
            groups=[
                *(group for group, _ in measured.values()),
                *(self._without(name, groups[name], why) for name, why in small.items()),
            ],
            gap=_gap(list(measured.values())),
        )

    def _too_small(self, rows: NDArray[np.int64]) -> str:
        if len(rows) < self.min_images:
            return f"under {self.min_images} images"
        return f"under {MIN_PATIENTS} patients" if self._patients(rows) < MIN_PATIENTS else ""

    def _patients(self, rows: NDArray[np.int64]) -> int:
        return int(self.predictions.images["patient_id"].iloc[rows].nunique())

    def _common_classes(self, groups: list[NDArray[np.int64]]) -> list[int]:
        """Classes of which every group has a few images with and without."""
        y = self.predictions.y
        return [
            c
            for c in range(y.shape[1])
            if groups
            and all(min((y[g, c] == 1).sum(), (y[g, c] == 0).sum()) >= MIN_IMAGES for g in groups)
        ]

    def _without(self, name: str, rows: NDArray[np.int64], reason: str) -> Group:
        patients = self._patients(rows)
        return Group(name=name, images=len(rows), patients=patients, reason=reason, metrics={})

    def _group(self, name: str, rows: NDArray[np.int64], classes: list[int]) -> tuple[Group, Array]:
        """A group's metrics, and its replicates of the AUROC."""
        group = self._without(name, rows, "")
        if not classes:
            reason = f"no class has {MIN_IMAGES} images with and without it in every group"
            return group.model_copy(update={"reason": reason}), np.zeros(0)
        y, p, d = (table[rows] for table in (self.predictions.y, self.predictions.p, self.d))

        def metrics(w: Array) -> Values:
            return self._macro(per_class(y, p, d, w), classes)

        exact = metrics(ones(len(rows)))
        replicates = over_replicates(metrics, self.replicates.take(rows))
        estimates = {
            key: estimate(exact[key][0], replicates[key], "no class means healthy") for key in exact
        }
        return group.model_copy(update={"metrics": estimates}), replicates["auroc"]

    def _macro(self, metrics: Values, classes: list[int]) -> Values:
        """Mean metrics [R] over some classes, and the underdiagnosis rate.

        That is the rate of sick images predicted healthy (Seyyed-Kalantari et al. 2021, Nature
        Medicine 27).
        """
        means = {key: metrics[key][:, classes].mean(axis=1) for key in METRICS}
        outputs = self.predictions.outputs
        healthy = [c for c, name in enumerate(outputs) if name.lower() in HEALTHY]
        if healthy:
            means["underdiagnosis"] = 1 - metrics["specificity"][:, healthy[0]]
        elif len(outputs) == 1:
            means["underdiagnosis"] = 1 - metrics["sensitivity"][:, 0]
        else:
            means["underdiagnosis"] = np.full(len(means["auroc"]), np.nan)
        return means


def _gap(groups: list[tuple[Group, Array]]) -> Gap | None:
    """Best and worst group by AUROC, their difference, and its p-value.

    The best and the worst are picked after the fact, so an interval of their difference would lie
    above 0 far too often. Instead every group's replicates are moved to one common value, as if all
    groups were alike, and the widest difference of each replicate is compared with the one seen.
    """
    aurocs = {
        group.name: (group.metrics["auroc"].value, replicates)
        for group, replicates in groups
        if group.metrics
    }
    known = {name: (value, drawn) for name, (value, drawn) in aurocs.items() if value is not None}
    if len(known) < 2:
        return None
    ranked = sorted(known, key=lambda name: known[name][0])
    gap = known[ranked[-1]][0] - known[ranked[0]][0]
    moved = np.stack([drawn - value for value, drawn in known.values()])
    widest = np.ptp(moved[:, np.isfinite(moved).all(axis=0)], axis=0)
    p_value = (1 + (widest >= gap).sum()) / (1 + len(widest)) if len(widest) > 1 else None
    return Gap(worst=ranked[0], best=ranked[-1], auroc=round(gap, 4), p_value=rounded(p_value))
