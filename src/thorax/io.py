"""Files that are either whole or absent, their checksums, and where the shared folders are."""

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from thorax.errors import BusyError, DataError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; once the block ends well it takes the final name.

    The bytes are on disk (fsync) before the name appears, so a crash leaves the old file or the new
    one and never half of one. Leftovers of earlier crashes are swept first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{path.name}.*.tmp"):
        stale.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text under its final name only when it is complete."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with two-space indent and never NaN or Infinity."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Run `dvc repro` to make it.") from None
    except ValueError as error:  # of json and pandas alike
        raise DataError(f"{path} is not {what} ({error}). Run `dvc repro` again.") from None


def read_json(path: Path) -> Any:
    """Read a JSON file that an earlier stage wrote; a `DataError` says which one is broken."""
    with _reading(path, "valid JSON"):
        return json.loads(path.read_text(encoding="utf-8"))


def rounded(value: float | None, decimals: int = 4) -> float | None:
    """As many decimals as published figures here have; None where the value is undefined."""
    return None if value is None or not math.isfinite(value) else round(float(value), decimals)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main_root() -> Path:
    """Root of the user's checkout, also from the temporary copy where `dvc exp run --temp` works.

    Such a copy lies under `<checkout>/.dvc/tmp/exps`. What must survive a run and is no DVC output
    (downloads, checkpoints) is kept in the checkout.
    """
    here = Path.cwd()
    for folder in here.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return here


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock file; `BusyError` when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(path, timeout=0).acquire()
    except Timeout:
        message = f"{what} is in use by another process (lock {path}). Wait for it, or stop it."
        raise BusyError(message) from None
    with lock:
        yield


LABEL = "label_"
MANIFEST_COLUMNS = [
    "image_id", "location", "patient_id", "view", "sex", "age", "vendor", "site", "official_split",
    "sha256",
]  # fmt: skip


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table with Unix line ends under its final name only when it is complete."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read_csv(path: Path, numbers: list[str] | None = None) -> pd.DataFrame:
    """Read a CSV as text; columns in `numbers` (and all `label_…`) become floats, empty is NaN."""
    with _reading(path, "a valid table"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)
    labels = [column for column in table.columns if column.startswith(LABEL)]
    for column in [*labels, *(numbers or [])]:
        table[column] = pd.to_numeric(table[column].replace("", None))
    return table


def read_manifest(path: Path) -> pd.DataFrame:
    """Read the manifest: text, labels 1 / 0 / NaN (unknown), age in years or NaN."""
    return read_csv(path, numbers=["age"])


def class_names(manifest: pd.DataFrame) -> list[str]:
    """Names of the classes in the order of their `label_…` columns."""
    return [column.removeprefix(LABEL) for column in manifest.columns if column.startswith(LABEL)]


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; a `|` inside of a cell is escaped."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return "\n".join([lines[0], "|" + " --- |" * len(head), *lines[1:]])
