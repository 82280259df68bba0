"""The tables that stages exchange: CSV in which every text stays the text it was.

Identifiers such as `00001` and labels such as `None` or `NA` survive, because every column is read
as text first and only the columns known to be numbers are converted.
"""

from pathlib import Path

import pandas as pd

from thorax.errors import DataError
from thorax.files import replacing

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
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Run `dvc repro` to make it.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} is not a valid table ({error}). Run `dvc repro` again.") from None
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
