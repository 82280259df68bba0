"""Labels in the cells of a table: 1, 0 or NaN (unknown) per class."""

import math
from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from thorax.config import TableCard
from thorax.download.sources.tables import unknown_labels
from thorax.io import LABEL

Labels = tuple[pd.DataFrame, list[str]]  # columns `label_<class>`; problems: cells with no meaning


def read_labels(rows: pd.DataFrame, card: TableCard, place: str) -> Labels:
    """Labels of the rows by the cells that the card names; `place` is the table, for messages."""
    if card.label is None:
        return _from_columns(rows, card, place)
    classes, unknown = dict(card.labels), [*card.unknown]
    if card.blank == "absent":
        classes[""] = None
    else:
        unknown.append("")
    where = f"{place}, column {card.label}"
    return split_labels(rows[card.label], classes, card.separator, where, unknown)


def split_labels(
    texts: "pd.Series[str]",
    classes: Mapping[str, str | None],
    separator: str | None,
    where: str,
    unknown: Collection[str] = (),
) -> Labels:
    """Labels from one column such as `Mass|Nodule`; without a separator a cell is one word.

    `classes` gives each word its class or None for no class, an empty word standing for an empty
    cell; `unknown` words make all classes of an image unknown.
    """
    names = list(dict.fromkeys(name for name in classes.values() if name is not None))
    meaning: dict[str, list[float]] = {}
    strange: Counter[str] = Counter()
    for text, count in texts.value_counts(sort=False).items():  # every distinct text once
        cell = str(text)
        words = {word.strip() for word in (cell.split(separator) if separator else [cell])}
        words = words - {""} or {""}
        strange.update(dict.fromkeys(words.difference(classes, unknown), int(count)))
        present = {classes.get(word) for word in words}
        vague = not words.isdisjoint(unknown)
        meaning[cell] = [math.nan if vague else float(name in present) for name in names]
    columns = [LABEL + name for name in names]
    labels = pd.DataFrame.from_dict(meaning, orient="index", columns=columns)
    problems = [unknown_labels(strange, list(filter(None, classes)), where)] if strange else []
    return labels.loc[texts.tolist()].set_axis(texts.index), problems


def _from_columns(rows: pd.DataFrame, card: TableCard, place: str) -> Labels:
    """Look every cell up; where several columns are one class, any that is present wins."""
    values = {
        **dict.fromkeys(card.present, 1.0),
        **dict.fromkeys(card.absent, 0.0),
        **dict.fromkeys(card.unknown, math.nan),
        "": {"present": 1.0, "absent": 0.0, "unknown": math.nan}[card.blank],
    }
    labels = pd.DataFrame(index=rows.index)
    problems = []
    for column, name in card.labels.items():
        if name is None:
            continue
        cells = rows[column].str.strip()
        if strange := Counter(cells[~cells.isin(list(values))]):
            where = f"{place}, column {column}"
            problems.append(unknown_labels(strange, list(filter(None, values)), where))
        label = cells.map(values).astype(float)
        key = LABEL + name
        labels[key] = np.fmax(labels[key], label) if key in labels else label
    return labels, problems
