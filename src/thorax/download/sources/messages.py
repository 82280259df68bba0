"""Rows, names and labels as a message lists them."""

import difflib
from collections.abc import Collection, Iterable, Mapping

import pandas as pd

_LISTED = 20  # examples in one message


def listed(items: Iterable[object]) -> str:
    """Join the first 20 items and say how many more there are."""
    texts = [str(item) for item in items]
    more = len(texts) - _LISTED
    return ", ".join(texts[:_LISTED]) + (f" … and {more:,} more" if more > 0 else "")


def listed_images(rows: pd.DataFrame) -> str:
    """The images of a labeled list, each with where its row stands."""
    return listed(rows["image_id"] + " (" + rows.index + ")")


def unknown_labels(rows: Mapping[str, int], known: Collection[str], where: str) -> str:
    """Describe labels that stand for no class; `rows` is the number of rows of each."""
    words = []
    for label, count in sorted(rows.items(), key=lambda item: (-item[1], item[0])):
        near = difflib.get_close_matches(label, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        words.append(f"{label!r} ({count:,} row{'s' * (count > 1)}{hint})")
    allowed = ", ".join(repr(name) for name in known)
    return f"{len(words)} unknown in {where}: {listed(words)}. Known are {allowed}."
