"""Progress of long work: a bar on a terminal, a line a minute in a log, both with an estimate."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")  # PEP 695 syntax needs Python 3.12


def bar(
    items: Iterable[T] | None, what: str, *, total: int | None = None, unit: str = "image"
) -> "tqdm[T]":
    """Wrap an iterable (or None, to be advanced by hand with `.update(n)`) in a progress bar.

    On a terminal it is redrawn in place; in a log it prints a line a minute.
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=what,
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        dynamic_ncols=terminal,
        mininterval=0.2 if terminal else 60.0,
        maxinterval=10.0 if terminal else 60.0,
        ascii=not terminal,
    )
