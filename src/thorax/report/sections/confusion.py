"""Confusion matrices as tables that anyone can read, shaded by the share of each row."""

from dataclasses import dataclass

import pandas as pd

from thorax.report import wording


@dataclass(frozen=True)
class Count:
    """One cell: how many, which share of its row, and whether actual and predicted agree."""

    images: str
    share: str
    strength: float
    right: bool


@dataclass(frozen=True)
class Matrix:
    """Actual classes down, predicted classes across.

    Attributes:
        title: what it is of: a class, or all of them.
        of_class: the class, for the picker; None where all classes share one matrix.
        predicted: heading of each column.
        rows: heading and cells of each row.
    """

    title: str
    of_class: str | None
    predicted: list[str]
    rows: list[tuple[str, list[Count]]]


def matrices(
    table: pd.DataFrame, outputs: list[str], part: str, *, exclusive: bool
) -> list[Matrix]:
    """One matrix for classes that exclude each other, else one per output.

    Args:
        table: `subset, class, actual, predicted, count`.
        outputs: their order.
        part: `val` or `test`.
        exclusive: exactly one class is true of an image.
    """
    own = table[table["subset"] == part]
    if exclusive:
        return [_matrix("All classes", None, own, outputs)]
    return [_matrix(name, name, own[own["class"] == name], list(_SIDES)) for name in outputs]


_SIDES = ("present", "absent")


def _matrix(title: str, of_class: str | None, table: pd.DataFrame, names: list[str]) -> Matrix:
    pairs = zip(table["actual"], table["predicted"], strict=True)
    counts = dict(zip(pairs, table["count"].tolist(), strict=True))
    rows = []
    for actual in names:
        row = [int(counts.get((actual, predicted), 0)) for predicted in names]
        total = sum(row)
        cells = [
            Count(
                wording.count(images),
                wording.percent(images, total),
                round(images / total, 3) if total else 0.0,
                actual == predicted,
            )
            for images, predicted in zip(row, names, strict=True)
        ]
        rows.append((actual, cells))
    return Matrix(title, of_class, names, rows)
