"""What a source gives: how to fetch it, and its labelled list of images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from thorax.archives import Survey
from thorax.config import Data


@dataclass(frozen=True)
class Dataset:
    """A labelled list of images.

    Attributes:
        task: `multi-label`, `binary` or `multi-class`.
        positive: the class that a binary model's single output stands for, else None.
        table: columns of `tables.MANIFEST_COLUMNS` and one `label_<class>` per class
            (1, 0 or NaN for unknown); two classes of a binary task both have a column. The index
            says where a row comes from (`row 17`, or the image's location), for messages.
        notes: what a reader of the numbers should know (counts of repaired or dropped rows).
        problems: what the user has to correct; `validation.validate` raises them with its own.
    """

    task: str
    positive: str | None
    table: pd.DataFrame
    notes: list[str]
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """How one data set is fetched into the raw store and read from there or from `data.path`.

    Attributes:
        title: name of the data set.
        citation: whom to cite.
        licence: terms of use.
        read: labelled list from what lies on disk; opens no image.
        people: among whom a patient's identifier means one person; known as one string.
        store: name of the folder or archive under `data/raw` that `fetch` fills.
        fetch: fills the store where it is incomplete; None: the user brings the data.
        missing: bytes that `fetch` would have to download.
    """

    title: str
    citation: str
    licence: str
    read: Callable[[Survey, Data], Dataset]
    people: Callable[[Data], str] = lambda data: data.source
    store: Callable[[Data], str] = lambda data: data.source
    fetch: Callable[[Data, Path], None] | None = None
    missing: Callable[[Path], int] = lambda store: 0  # noqa: ARG005 - nothing to download
