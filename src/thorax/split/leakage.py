"""Leakage audit: what two sets of images share, by patient, bytes, similarity and name."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts.data import Overlap, Shared, SharedPatients
from thorax.patient_ids import AS_LISTED

KINDS = ("shared_patients", "identical", "near_identical", "same_name")
LEAKS = ("shared_patients", "identical", "near_identical")  # an equal name alone is a coincidence
EXAMPLES = 20

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Images:
    """One set of images.

    Attributes:
        ids: how an image is named in the result.
        paths: location of each file; only the last part counts as its name.
        sha256: of the bytes.
        patients: rule → patient of each image, empty text for unknown.
    """

    ids: list[str]
    paths: list[str]
    sha256: list[str]
    patients: dict[str, list[str]]

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "Images":
        """Some of the images."""
        return Images(
            [self.ids[i] for i in rows],
            [self.paths[i] for i in rows],
            [self.sha256[i] for i in rows],
            {rule: [known[i] for i in rows] for rule, known in self.patients.items()},
        )


def compare(names: tuple[str, str], a: Images, b: Images, near: Pairs) -> Overlap:
    """What b shares with a.

    `shared_patients` follows what the data sets list; where one lists nobody, any rule that fits
    its file names. `by_rule` counts each of them. `near_identical` leaves out what is identical.

    Args:
        names: of a and b, for the result.
        a: the first set.
        b: the second set, whose images are counted.
        near: near-identical images as (row of a, row of b).
    """
    rules = [rule for rule in b.patients if rule in a.patients]
    by_rule = {rule: _equal(a.patients[rule], b.patients[rule]) for rule in rules}
    decisive = [AS_LISTED] if AS_LISTED in rules else rules
    shared = sorted({pair for rule in decisive for pair in by_rule[rule]}, key=itemgetter(1))
    patients = (len({b.patients[rule][j] for _, j in by_rule[rule]}) for rule in decisive)
    file_names = [[re.split("[/!]", path)[-1] for path in set_.paths] for set_ in (a, b)]
    different = [(i, j) for i, j in near if a.sha256[i] != b.sha256[j]]
    return Overlap(
        a=names[0],
        b=names[1],
        images=(len(a.ids), len(b.ids)),
        shared_patients=SharedPatients(
            **_shared(a, b, shared).model_dump(),
            patients=max(patients, default=0),
            by_rule={rule: len({j for _, j in pairs}) for rule, pairs in by_rule.items()},
        ),
        identical=_shared(a, b, _equal(a.sha256, b.sha256)),
        near_identical=_shared(a, b, different),
        same_name=_shared(a, b, _equal(*file_names)),
    )


def _shared(a: Images, b: Images, pairs: Pairs) -> Shared:
    examples = [(a.ids[i], b.ids[j]) for i, j in pairs[:EXAMPLES]]
    return Shared(images=len({j for _, j in pairs}), examples=examples)


def _equal(a: list[str], b: list[str]) -> Pairs:
    """First row of a with the same text, for every row of b that has one."""
    first: dict[str, int] = {}
    for i, text in enumerate(a):
        first.setdefault(text, i)
    return [(first[text], j) for j, text in enumerate(b) if text and text in first]


def overlaps(overlap: Overlap, kinds: Iterable[str] = KINDS) -> bool:
    """Whether any image of the second set is concerned."""
    return any(getattr(overlap, kind).images for kind in kinds)


def audit_split(images: Images, split: "pd.Series[str]", near: Pairs) -> list[Overlap]:
    """Every two subsets that must not meet, compared.

    Args:
        images: all of them.
        split: train, val, test or fold_<k> of each image.
        near: near-identical pairs (i, j) of all images, i < j.
    """
    rows = {name: np.flatnonzero(split == name) for name in pd.unique(split)}
    folds = sorted(name for name in rows if name.startswith("fold_"))
    if folds:
        trainval = np.sort(np.concatenate([rows[name] for name in folds]))
        pairs = [("other folds", np.setdiff1d(trainval, rows[name]), name) for name in folds]
        held_out = (("trainval", trainval, "val"), ("trainval", trainval, "test"))
        pairs += [*held_out, ("val", rows.get("val", np.zeros(0, int)), "test")]
    else:
        pairs = [(a, rows.get(a, np.zeros(0, int)), b)
                 for a, b in (("train", "val"), ("train", "test"), ("val", "test"))]  # fmt: skip
    return [
        compare((a, b), images.take(first), images.take(rows[b]), _between(near, first, rows[b]))
        for a, first, b in pairs
        if b in rows and len(first)
    ]


def _between(near: Pairs, a: NDArray[np.int64], b: NDArray[np.int64]) -> Pairs:
    """Those pairs that join two sets of rows, as places within each set, in the order of a."""
    in_a, in_b = ({row: place for place, row in enumerate(rows.tolist())} for rows in (a, b))
    both_ways = [*near, *((j, i) for i, j in near)]
    return sorted((in_a[i], in_b[j]) for i, j in both_ways if i in in_a and j in in_b)


def summary(audit: list[Overlap], *, patients_unknown: bool) -> str:
    """A line for each two subsets: images of the second concerned, by kind.

    Of unknown patients only those count that file names tell although they were not asked.
    """

    def shown(pair: Overlap, kind: str) -> str:
        images: int = getattr(pair, kind).images
        unknown = patients_unknown and kind == "shared_patients" and not images
        return f"{kind} {'unknown' if unknown else f'{images:,}'}"

    return "\n".join(
        f"{pair.a} / {pair.b}: " + ", ".join(shown(pair, kind) for kind in KINDS) for pair in audit
    )
