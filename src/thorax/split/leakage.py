"""Leakage audit: what two sets of images share, by patient, bytes, likeness and name."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.archives import path_in_data
from thorax.near_duplicates import near_across

KINDS = ("shared_patients", "identical", "near_identical", "same_name")
LEAKS = ("shared_patients", "identical", "near_identical")  # an equal name alone is a coincidence
EXAMPLES = 20


@dataclass(frozen=True)
class Images:
    """One set: ids, file paths, checksums [N], fingerprints, and patients by each id rule.

    Attributes:
        ids: how an image is named in the result.
        paths: location of each file; only the last part counts as its name.
        sha256: of the bytes.
        hashes: uint8 [N, 32].
        thumbnails: uint8 [N, 32, 32].
        patients: rule → patient of each image, empty text for unknown.
    """

    ids: list[str]
    paths: list[str]
    sha256: list[str]
    hashes: NDArray[np.uint8]
    thumbnails: NDArray[np.uint8]
    patients: dict[str, list[str]]

    def take(self, rows: NDArray[np.int64]) -> "Images":
        """Some of the images."""
        return Images(
            [self.ids[i] for i in rows],
            [self.paths[i] for i in rows],
            [self.sha256[i] for i in rows],
            self.hashes[rows],
            self.thumbnails[rows],
            {rule: [each[i] for i in rows] for rule, each in self.patients.items()},
        )


def compare(a: Images, b: Images, *, distance: int, correlation: float) -> dict[str, Any]:
    """What b shares with a: for each kind the images of b concerned, and examples [id a, id b].

    `shared_patients` follows the first id rule, and counts every rule under `by_rule`.
    `near_identical` leaves out what is identical.
    """
    rules = [rule for rule in b.patients if rule in a.patients]
    by_rule = {rule: _equal(a.patients[rule], b.patients[rule]) for rule in rules}
    first = by_rule[rules[0]] if rules else []
    near = near_across((a.hashes, a.thumbnails), (b.hashes, b.thumbnails), distance, correlation)
    near = [(i, j) for i, j in near if a.sha256[i] != b.sha256[j]]
    names = ([PurePosixPath(path_in_data(p)).name for p in each.paths] for each in (a, b))
    pairs = {
        "shared_patients": first,
        "identical": _equal(a.sha256, b.sha256),
        "near_identical": near,
        "same_name": _equal(*names),
    }
    found: dict[str, Any] = {"images": [len(a.ids), len(b.ids)]}
    for kind, each in pairs.items():
        examples = [[a.ids[i], b.ids[j]] for i, j in each[:EXAMPLES]]
        found[kind] = {"images": len({j for _, j in each}), "examples": examples}
    if rules:
        own = b.patients[rules[0]]
        found["shared_patients"]["patients"] = len({own[j] for _, j in first})
    found["shared_patients"]["by_rule"] = {
        rule: len({j for _, j in each}) for rule, each in by_rule.items()
    }
    return found


def _equal(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    """First row of a with the same text, for every row of b that has one."""
    first: dict[str, int] = {}
    for i, text in enumerate(a):
        first.setdefault(text, i)
    return [(first[text], j) for j, text in enumerate(b) if text and text in first]


def shares_anything(found: dict[str, Any], kinds: Iterable[str] = KINDS) -> bool:
    """Whether any image of the second set is concerned."""
    return any(found[kind]["images"] for kind in kinds)


def audit_split(
    images: Images, part: "pd.Series[str]", *, distance: int, correlation: float
) -> list[dict[str, Any]]:
    """Every two sides of a split that must not meet, each compared.

    Args:
        images: all of them.
        part: train, val, test or fold_<k> of each image.
        distance: as in `near_identical`.
        correlation: as in `near_identical`.
    """
    rows = {name: np.flatnonzero(part == name) for name in pd.unique(part)}
    folds = sorted(name for name in rows if name.startswith("fold_"))
    if folds:
        own = np.concatenate([rows[name] for name in folds])
        rows["trainval"] = np.sort(own)
        sides = [("other folds", name) for name in folds] + [("trainval", "test")]
    else:
        sides = [("train", "val"), ("train", "test"), ("val", "test")]
    results = []
    for a, b in sides:
        if b not in rows or (a not in rows and a != "other folds"):
            continue
        first = np.setdiff1d(rows["trainval"], rows[b]) if a == "other folds" else rows[a]
        found = compare(
            images.take(first), images.take(rows[b]), distance=distance, correlation=correlation
        )
        results.append({"a": a, "b": b, **found})
    return results


def summary(results: list[dict[str, Any]]) -> str:
    """A line for each two sides: images of the second concerned, by kind."""
    lines = []
    for each in results:
        counts = ", ".join(f"{kind} {each[kind]['images']:,}" for kind in KINDS)
        lines.append(f"{each['a']} / {each['b']}: {counts}")
    return "\n".join(lines)
