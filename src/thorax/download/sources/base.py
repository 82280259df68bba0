"""What a source is: a labeled list of images, and how its files come into the raw store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from thorax.artifacts.data import Task
from thorax.config import Data
from thorax.download.http import fetch, part_path, require_room
from thorax.survey import Survey


@dataclass(frozen=True)
class LabelTable:
    """A labeled list of images.

    Attributes:
        task: key of `tasks.TASKS`.
        positive: the class that a binary model's single output stands for, else None.
        table: columns of `io.MANIFEST_COLUMNS` and one `label_<class>` per class (1, 0 or NaN for
            unknown); two classes of a binary task both have a column. The index says where a row
            comes from (`row 17`, or the image's location), for messages.
        notes: what a reader of the results should know (counts of repaired or dropped rows).
        problems: what the user has to correct; `validate` raises them with its own.
        patient_rule: as in `DatasetInfo`.
    """

    task: Task
    positive: str | None
    table: pd.DataFrame
    notes: list[str]
    problems: list[str] = field(default_factory=list)
    patient_rule: str = "listed"


@dataclass(frozen=True)
class Source:
    """How one data set is fetched into the raw store and read from there or from `data.path`.

    Attributes:
        read: labeled list from what lies on disk; opens no image.
        patient_namespace: within which a patient's identifier means one person.
        store: name of the folder or archive in the raw store that `fetch` fills.
        fetch: fills the store where it is incomplete; None: the user brings the data.
        missing: bytes that `fetch` would have to download.
        check: raises what is wrong with the settings, before anything is read or fetched.
        outputs: classes with an output of the model's, where they are known without the data.
    """

    title: str
    citation: str
    license: str
    read: Callable[[Survey, Data], LabelTable]
    patient_namespace: Callable[[Data], str] = lambda data: data.source
    store: Callable[[Data], str] = lambda data: data.source
    fetch: Callable[[Data, Path], None] | None = None
    missing: Callable[[Path], int] = lambda _store: 0
    check: Callable[[Data], object] = lambda _data: None
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One file as its publisher offers it; `size` in bytes, checksums hexadecimal."""

    name: str
    url: str
    size: int
    sha256: str | None = None
    md5: str | None = None


def fetch_all(items: Sequence[Item], store: Path) -> None:
    """Fetch what is missing, once it is clear that the disk can hold all of it."""
    store.mkdir(parents=True, exist_ok=True)
    require_room(store, missing_bytes(items, store))
    for item in items:
        fetch(item.url, store / item.name, sha256=item.sha256, md5=item.md5, size=item.size)


def missing_bytes(items: Sequence[Item], store: Path) -> int:
    """Bytes that are neither in finished nor in unfinished files."""
    missing = 0
    for item in items:
        destination = store / item.name
        if not destination.exists():
            unfinished = part_path(destination)
            missing += item.size - (unfinished.stat().st_size if unfinished.exists() else 0)
    return missing
