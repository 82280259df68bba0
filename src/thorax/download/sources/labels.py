"""Labels of a described table: one column each, or all in one column."""

import math

import pandas as pd

from thorax.config import TableCard
from thorax.download.sources.columns import unknown_labels


def read_labels(rows: pd.DataFrame, card: TableCard, place: str) -> tuple[pd.DataFrame, list[str]]:
    """Turn the cells that the card names into 1, 0 or NaN (unknown) per class.

    Args:
        rows: the table as text.
        card: which cells mean what.
        place: name of the table, for messages.

    Returns:
        Columns `label_<class>` for the same rows, and problems: every cell that has no meaning.
    """
    if card.label is not None:
        return _from_one_column(rows[card.label], card, f"{place}, column {card.label}")
    return _from_columns(rows, card, place)


def _from_one_column(
    texts: "pd.Series[str]", card: TableCard, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """Split every distinct text once; an unknown word makes all classes unknown."""
    meaning: dict[str, list[float]] = {}
    strange: dict[str, int] = {}
    for text, count in texts.value_counts(sort=False).items():
        words = str(text).split(card.separator) if card.separator else [str(text)]
        words = [word.strip() for word in words if word.strip()]
        for word in set(words).difference(card.labels, card.unknown):
            strange[word] = strange.get(word, 0) + int(count)
        known = {card.labels.get(word) for word in words}
        vague = not {*words}.isdisjoint(card.unknown) if words else card.blank == "unknown"
        meaning[str(text)] = [math.nan if vague else float(c in known) for c in card.classes]
    columns = [f"label_{name}" for name in card.classes]
    table = pd.DataFrame.from_dict(meaning, orient="index", columns=columns)
    problems = [unknown_labels(strange, list(card.labels), where)] if strange else []
    return table.loc[texts.tolist()].set_axis(texts.index), problems


def _from_columns(
    rows: pd.DataFrame, card: TableCard, place: str
) -> tuple[pd.DataFrame, list[str]]:
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
        strange = cells[~cells.isin(list(values))].value_counts()
        if len(strange):
            counts = {str(text): int(count) for text, count in strange.items()}
            where = f"{place}, column {column}"
            problems.append(unknown_labels(counts, list(filter(None, values)), where))
        found = cells.map(values).astype(float)
        key = f"label_{name}"
        labels[key] = labels[[key]].assign(found=found).max(axis=1) if key in labels else found
    return labels, problems
