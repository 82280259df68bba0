"""Whom a model fails: metrics by sex, age, view, vendor, site and follow-up, and their pairs."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.io import rounded
from thorax.metrics.bootstrap import Draws, draw, replicate_metrics, sample, share_interval
from thorax.metrics.summary import Predictions

Array = NDArray[np.float64]

AGES = {
    "0–17": 18,
    "18–39": 40,
    "40–59": 60,
    "60–79": 80,
    "80 and older": 200,
}  # below so many years
HEALTHY = ("no finding", "normal")
OUTCOMES = 5  # images with and without a class that its AUROC needs at least
PATIENTS = 10  # under which a group is too small whatever its images
DRAWS, PAIR_DRAWS = 500, 200  # at most; there are many groups
KEYS = ("auroc", "recall", "specificity", "underdiagnosis")


@dataclass(frozen=True)
class Group:
    """One group: what is written of it, and its replicates of the AUROC for the gap."""

    row: dict[str, Any]
    auroc: Array


def attributes(manifest: pd.DataFrame) -> pd.DataFrame:
    """Groups of each image as text, empty where unknown; only attributes with two groups or more.

    Args:
        manifest: all images of the data, with `patient_id`, `sex`, `age`, `view` and, where known,
            `vendor` and `site`. Follow-up is told by the order of a patient's image ids.
    """
    labels = [""] * len(manifest)
    bands = pd.cut(manifest["age"], [-1, *(a - 0.5 for a in AGES.values())], labels=list(AGES))
    order = manifest.groupby("patient_id")["image_id"].rank(method="first")
    known = {
        "sex": manifest["sex"],
        "age": bands.astype(object).where(bands.notna(), ""),
        "view": manifest["view"],
        "vendor": manifest.get("vendor", pd.Series(labels, manifest.index)),
        "site": manifest.get("site", pd.Series(labels, manifest.index)),
        "visit": pd.Series(np.where(order == 1, "first", "follow-up"), manifest.index),
    }
    table = pd.DataFrame(known).astype(str)
    return table[[name for name in table if table[name][table[name] != ""].nunique() > 1]]


def summarise(
    part: Predictions, d: Array, groups: pd.DataFrame, *, draws: int, seed: int, min_group: int
) -> dict[str, Any]:
    """Metrics of every group and pair of groups, ready for JSON.

    Args:
        part: the images judged.
        d: decisions [N, O] at the frozen thresholds.
        groups: `attributes` of the same images, row by row.
        draws: bootstrap replicates over patients, cut to `DRAWS` and `PAIR_DRAWS`.
        seed: of the draws.
        min_group: images below which a group is too small to be judged.
    """
    groups = groups.reset_index(drop=True)
    result: dict[str, Any] = {"min_group": min_group, "draws": min(draws, DRAWS)}
    patients = part.images["patient_id"]
    judge, crossing = (
        _Judge(part, d, min_group, draw(patients, min(draws, most), seed))
        for most in (DRAWS, PAIR_DRAWS)
    )
    single = {name: groups[name] for name in groups}
    crossed = {f"{a} × {b}": _crossed(groups[a], groups[b]) for a, b in combinations(groups, 2)}
    result["attributes"] = {n: judge.split(v) for n, v in single.items()}
    result["pairs"] = {n: crossing.split(v) for n, v in crossed.items()}
    return result


def _crossed(a: "pd.Series[str]", b: "pd.Series[str]") -> "pd.Series[str]":
    return (a + ", " + b).where((a != "") & (b != ""), "")


@dataclass(frozen=True)
class _Judge:
    part: Predictions
    d: Array
    min_group: int
    draws: Draws  # of all images: groups are paired where they share patients

    def split(self, values: "pd.Series[str]") -> dict[str, Any]:
        """All groups of one attribute, over the classes that every group can be judged by."""
        names = [name for name in pd.unique(values) if name]
        rows = {name: np.flatnonzero(values == name) for name in sorted(names)}
        small = {name: why for name, own in rows.items() if (why := self._too_small(own))}
        large = {name: own for name, own in rows.items() if name not in small}
        classes = self._common_classes(list(large.values()))
        groups = {name: self._group(name, own, classes) for name, own in large.items()}
        return {
            "classes": [self.part.outputs[c] for c in classes],
            "groups": [
                *(each.row for each in groups.values()),
                *({"name": n, "images": len(rows[n]), "reason": why} for n, why in small.items()),
            ],
            "gap": _gap(groups),
        }

    def _too_small(self, rows: NDArray[np.int64]) -> str | None:
        if len(rows) < self.min_group:
            return f"under {self.min_group} images"
        few = self.part.images["patient_id"].iloc[rows].nunique() < PATIENTS
        return f"under {PATIENTS} patients" if few else None

    def _common_classes(self, groups: list[NDArray[np.int64]]) -> list[int]:
        """Classes of which every group has a few images with and without."""
        return [
            c
            for c in range(self.part.y.shape[1])
            if groups
            and all(
                min((self.part.y[rows, c] == 1).sum(), (self.part.y[rows, c] == 0).sum())
                >= OUTCOMES
                for rows in groups
            )
        ]

    def _group(self, name: str, rows: NDArray[np.int64], classes: list[int]) -> Group:
        y, p, d = (table[rows] for table in (self.part.y, self.part.p, self.d))
        patients = self.part.images["patient_id"].iloc[rows]
        row: dict[str, Any] = {
            "name": name, "images": len(rows), "patients": patients.nunique(), "reason": None,
        }  # fmt: skip
        if not classes:
            reason = f"no class has {OUTCOMES} images with and without it in every group"
            return Group({**row, "reason": reason}, np.zeros(0))
        exact, drawn = (
            _columns(replicate_metrics(y, p, d, draws), classes, self.part)
            for draws in (sample(len(rows)), self.draws.of(rows))
        )
        for key in KEYS:
            low, high, _ = share_interval(drawn[key])
            row |= {key: rounded(float(exact[key][0]))}
            row |= {f"{key}_low": rounded(low), f"{key}_high": rounded(high)}
        return Group(row, drawn["auroc"])


def _columns(
    replicates: dict[str, Array], classes: list[int], part: Predictions
) -> dict[str, Array]:
    """Macro metrics [R] over some classes, and the rate of sick images called healthy."""
    found = {key: replicates[key][:, classes].mean(axis=1) for key in KEYS[:3]}
    healthy = [c for c, name in enumerate(part.outputs) if name.lower() in HEALTHY]
    if healthy:
        found["underdiagnosis"] = 1 - replicates["specificity"][:, healthy[0]]
    elif part.task == "binary":
        found["underdiagnosis"] = 1 - replicates["recall"][:, 0]
    else:
        found["underdiagnosis"] = np.full(len(found["auroc"]), np.nan)
    return found


def _gap(groups: dict[str, Group]) -> dict[str, Any] | None:
    """Best and worst group by AUROC, their difference, and how often chance gives as much.

    The best and the worst are picked after the fact, so an interval of their difference would lie
    above 0 far too often. Instead every group's replicates are moved to one common value, as if all
    groups were alike, and the widest difference of each replicate is compared with the one seen.
    """
    judged = {name: each for name, each in groups.items() if each.row.get("auroc") is not None}
    if len(judged) < 2:
        return None
    ranked = sorted(judged, key=lambda name: judged[name].row["auroc"])
    gap = judged[ranked[-1]].row["auroc"] - judged[ranked[0]].row["auroc"]
    moved = np.stack([each.auroc - each.row["auroc"] for each in judged.values()])
    widest = np.ptp(moved[:, np.isfinite(moved).all(axis=0)], axis=0)
    chance = (1 + (widest >= gap).sum()) / (1 + len(widest)) if len(widest) > 1 else None
    return {
        "worst": ranked[0], "best": ranked[-1], "auroc": rounded(gap), "chance": rounded(chance),
    }  # fmt: skip
