"""The command `thorax card`: draft the card of an unknown table, with what is still to be decided.

A draft guesses and says so; it is read once as a run would read it, and what that gives stands at
its head.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from thorax.archives import TABLE, path_in_data
from thorax.config import Data, TableCard, check
from thorax.config.schema import View
from thorax.dicom.header import VIEW
from thorax.download import read
from thorax.download.sources.films import COLUMNS
from thorax.download.sources.tables import read_table
from thorax.draft import columns as guess
from thorax.draft.columns import Column
from thorax.draft.labels import find_labels
from thorax.draft.text import Draft, scalar, values, written
from thorax.errors import DataError, ThoraxError
from thorax.io import LABEL
from thorax.survey import Survey, listing


def draft(table: Path, images: Path) -> str:
    """A card for `table`, whose images lie under `images`, with comments.

    Raises:
        DataError: the table or the images do not exist, or the table cannot be read.
    """
    for path in (table, images):
        if not path.exists():
            raise DataError(f"{path} does not exist.")
    if not table.name.lower().endswith(TABLE):
        raise DataError(f"{table} is no {', '.join(TABLE)}. Export it as CSV.")
    within = images if images.is_dir() else images.parent
    root = Path(os.path.commonpath([table.parent.resolve(), within.resolve()]))
    content = listing(root)
    encoding = _encoding(table)
    rows = read_table(table.read_bytes(), str(table), encoding)
    if content and content.films:
        rows = rows.map(content.alias)
    result = Draft({"file": _file(table, root, content)})
    if encoding != "utf-8":
        result.set("encoding", encoding)
        result.questions.append(f"the table is not UTF-8: are names right when read as {encoding}?")
    found = guess.columns_of(rows)
    rest = _describe(result, rows, found, content or Survey(root))
    _ask_headers(result, content or Survey(root))
    used = find_labels(result, rest)
    if unused := [column for column in rest if column.name not in used]:
        result.questions.append("columns not used, should one be (`keep`, `site`, a label)?")
        result.questions += [f"    {column.name}: {values(column.words)}" for column in unused]
    return written(result, table, root, _read_back(result.keys, content, root))


def _encoding(table: Path) -> str:
    """UTF-8 if the bytes are; else what writes a table in Western Europe, or UTF-16 by its mark."""
    content = table.read_bytes()
    if table.name.lower().endswith((".parquet", ".gz")):
        return "utf-8"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _file(table: Path, root: Path, content: Survey | None) -> str:
    """Name of the table, with its folders where another one has the same name."""
    same = [
        at for at in (content.tables if content else ()) if path_in_data(at).endswith(table.name)
    ]
    return table.name if len(same) < 2 else table.resolve().relative_to(root).as_posix()


def _describe(
    result: Draft, rows: pd.DataFrame, columns: list[Column], content: Survey
) -> list[Column]:
    """Find the columns of image, patient, view, sex …; the columns that are left."""
    _image(result, rows, content)
    image = result.keys["image"]
    rest = [column for column in columns if column.name != image]
    if patient := guess.patient_column(rest):
        result.set("patient", patient, f"{rows[patient].nunique():,} patients")
    elif pattern := guess.patient_pattern(rows[image]):
        result.set("patient_pattern", pattern, "a number in the names of the images")
        result.questions.append("is the number in the names of the images the patient's?")
    elif not _named_by_headers(content, "PatientID"):
        result.questions.append(
            "nothing names patients, so that images of one may be trained and tested on. Is there "
            "a column (`patient`), or a part of the file name (`patient_pattern: '^(.+?)_'`)?"
        )
    rest = [column for column in rest if column.name != patient]
    by_name = {column.name: column for column in rest}
    for key, name in guess.described(rest):
        result.set(key, name, values(by_name[name].words))
        if key == "view" and (lateral := _laterals(by_name[name])):
            frontal = [word for word in by_name[name].filled if word not in lateral]
            result.questions.append(
                f"{', '.join(lateral)} are lateral views: leave them out? "
                f"keep: {{{scalar(name)}: [{', '.join(map(scalar, frontal))}]}}"
            )
    return [column for column in rest if column.name not in result.keys.values()]


def _ask_headers(result: Draft, content: Survey) -> None:
    """DICOM keywords for what no column tells."""
    for key, keyword in {"patient": "PatientID", **COLUMNS}.items():
        taken = key in result.keys or (key == "patient" and "patient_pattern" in result.keys)
        if not taken and (count := _named_by_headers(content, keyword)):
            result.set(key, keyword, f"in {count:,} DICOM headers")


def _named_by_headers(content: Survey, keyword: str) -> int:
    films = (film for at, film in content.films.items() if at in content.images)
    return sum(bool(film.value(keyword)) for film in films)


def _image(result: Draft, rows: pd.DataFrame, content: Survey) -> None:
    uids = [film.uid for at, film in content.films.items() if film.uid and at in content.images]
    match = guess.image_column(rows, [*content.images, *uids], content.alias)
    if match is None:
        result.set("image", str(rows.columns[0]), "a guess: no column names an image")
        result.questions.append("which column names the images, and where do they lie?")
        return
    column, suffix, share = match
    result.set("image", column, f"{share:.0%} of the rows name an image that is here")
    if suffix:
        result.set("suffix", suffix)
    if not rows[column].is_unique:
        result.set("merge_rows", True, f"{len(rows):,} rows, {rows[column].nunique():,} images")
        result.questions.append("is it right that a finding in any row of an image is present?")


def _laterals(column: Column) -> list[str]:
    return [word for word in column.filled if VIEW.get(word.upper()) == "LATERAL"]


def _read_back(keys: Mapping[str, Any], content: Survey | None, root: Path) -> str:
    """What a run would read with this card, or why it would stop."""
    if content is None:
        return f"Not tried: {root} holds large archives that must be unpacked to list them."
    try:
        card = check(keys, TableCard, "this card")
        names = {"patient_id": "auto", "patient_pattern": None}
        settings = {"source": "table", "path": str(root), "card": card, "task": "auto"} | names
        settings["views"] = [*get_args(View)]
        data = Data.model_construct(**settings, positive=None)  # type: ignore[arg-type]
        labeled = read(content, data)
    except ThoraxError as error:
        return f"A run would stop with it: {error}"
    classes = (
        f"{column.removeprefix(LABEL)} {int((labeled.table[column] == 1).sum()):,}"
        for column in map(str, labeled.table.filter(like=LABEL))
    )
    patients = f"of {labeled.table['patient_id'].nunique():,} patients"
    if labeled.patient_rule == "none":
        patients = "of unknown patients"
    text = f"{len(labeled.table):,} images {patients}. {labeled.task}: "
    return "\n".join([f"Read with this card: {text}{', '.join(classes)}.", *labeled.notes])
