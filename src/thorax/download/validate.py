"""What must hold for every labeled list of images, wherever it comes from."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import get_args

import pandas as pd

from thorax.artifacts.data import Task
from thorax.config.schema import View
from thorax.dicom.header import VIEW
from thorax.download.sources.base import LabelTable
from thorax.download.sources.tables import listed, listed_images
from thorax.errors import DataError
from thorax.io import LABEL, MANIFEST_COLUMNS, class_names

SEX = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}
NO_SEX = {"", "U", "O", "UNKNOWN", "OTHER"}
_PER_YEAR = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.25}  # units of DICOM's ages
_OLDEST = 120
_UNKNOWN = "unknown"
_ALL: Collection[str] = get_args(View)


def validate(labeled: LabelTable, where: str, views: Collection[str] = _ALL) -> LabelTable:
    """Normalize a labeled list and check it; the result is sorted by `image_id`.

    Sex becomes M, F or empty; view PA, AP, LATERAL or empty; age years within 0-120 or empty; notes
    count what became empty. Images of other than these `views` are dropped. Identical rows of one
    image are merged.

    Raises:
        DataError: all problems of the data at `where` at once, the source's first.
    """
    notes, problems = list(labeled.notes), list(labeled.problems)
    table = _complete(labeled.table)
    table["view"] = _normalized(table["view"], VIEW, {""}, notes)
    table = _of_views(table, views, notes)
    table["sex"] = _normalized(table["sex"], SEX, NO_SEX, notes)
    table["age"] = _years(table["age"], notes)
    table = _merged(table, notes, problems)
    table = _with_labels(table, labeled.task, notes, problems)
    if len(table):
        problems += _patient_problems(table)
        problems += _class_problems(table, notes)
        notes += _copies(table)
    elif not problems:
        problems.append("No image is left to learn from.")
    if problems:
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise DataError(f"{count} in {where}:\n" + "\n".join(f"- {text}" for text in problems))
    table = table.sort_values("image_id", kind="stable").reset_index(drop=True)
    return replace(labeled, table=table, notes=notes, problems=[])


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    """Put the manifest's columns first, empty where the source does not know them."""
    labels = [column for column in table if str(column).startswith(LABEL)]
    unknown = {column: "" for column in MANIFEST_COLUMNS if column not in table}
    table = table.assign(**unknown)[[*MANIFEST_COLUMNS, *labels]]
    for column in ("image_id", "patient_id"):
        table[column] = table[column].str.strip()
    return table


def _normalized(
    texts: "pd.Series[str]", known: dict[str, str], empty: set[str], notes: list[str]
) -> list[str]:
    upper = [text.strip().upper() for text in texts]
    strange = [text for text in upper if text not in known and text not in empty]
    if strange:
        values = listed(map(repr, sorted(set(strange))))
        notes.append(f"{len(strange):,} rows have an unknown {texts.name} ({values}); left empty.")
    return [known.get(text, "") for text in upper]


def _of_views(table: pd.DataFrame, views: Collection[str], notes: list[str]) -> pd.DataFrame:
    named = table["view"].replace("", _UNKNOWN)
    kept = named.isin(list(views))
    if not kept.all():
        counts = listed(f"{n:,} {view}" for view, n in named[~kept].value_counts().items())
        notes.append(f"{(~kept).sum():,} images dropped for their view ({counts}; data.views).")
    return table[kept]


def _years(texts: "pd.Series[str]", notes: list[str]) -> list[str]:
    """Read every distinct age once; years without noise, such as `58` or `0.92`."""
    ages = {text: years(text.strip().upper()) for text in texts.unique()}
    wrong = [text for text in texts if ages[text] is None]
    if wrong:
        values = listed(map(repr, sorted(set(wrong))))
        notes.append(f"{len(wrong):,} ages outside 0-{_OLDEST} years ({values}) became missing.")
    return [ages[text] or "" for text in texts]


def years(text: str) -> str | None:
    """Read `58`, `58.0` or DICOM's `058Y`, `011M`, `003W`, `010D`; None for no possible age."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?)([YMWD]?)", text)
    if not match:
        return None if text else ""
    years = float(match[1]) / _PER_YEAR[match[2]]
    return f"{round(years, 2):g}" if years <= _OLDEST else None


def _merged(table: pd.DataFrame, notes: list[str], problems: list[str]) -> pd.DataFrame:
    """Keep one of several identical rows of an image; report rows that contradict each other."""
    compared = [str(column) for column in table if column != "location"]
    repeats = table.duplicated(compared)
    if repeats.any():
        notes.append(f"{repeats.sum():,} rows repeat an image that is listed already; merged.")
        table = table[~repeats]
    clash = table["image_id"].duplicated(keep=False) & (table["image_id"] != "")
    if clash.any():
        rows = table[clash].groupby("image_id", sort=False)
        problems.append(
            f"{rows.ngroups:,} images are listed more than once with different content; keep the "
            "right row of each (or set merge_rows in the card of a table with a row per box or "
            "reader): "
            f"{listed(_clash(group, compared) for _, group in rows)}"
        )
    nameless = table["image_id"] == ""
    if nameless.any():
        problems.append(f"{nameless.sum():,} rows name no image: {listed(table.index[nameless])}")
    return table


def _clash(rows: pd.DataFrame, columns: list[str]) -> str:
    first, second = rows.iloc[0], rows.iloc[1]
    pairs = ((name, first[name], second[name]) for name in columns)
    differ = [
        name for name, one, other in pairs if one != other and not pd.isna([one, other]).all()
    ]
    return (
        f"{first['image_id']} ({rows.index[0]} and {rows.index[1]} differ in {', '.join(differ)})"
    )


def _with_labels(
    table: pd.DataFrame, task: Task, notes: list[str], problems: list[str]
) -> pd.DataFrame:
    """Drop images without a known label; where classes exclude each other, demand exactly one."""
    labels = table[[LABEL + name for name in class_names(table)]]
    unknown = labels.isna().all(axis=1)
    if task != "multi-label":
        unknown |= labels.isna().any(axis=1) & (labels != 1).all(axis=1)
        wrong = ~unknown & (labels.eq(1).sum(axis=1) != 1)
        if wrong.any():
            problems.append(
                f"{wrong.sum():,} images have no class or several, but the task is {task}, where "
                f"exactly one holds: {listed_images(table[wrong])}"
            )
        table = table.fillna(dict.fromkeys(labels.columns, 0.0))
    if unknown.any():
        notes.append(f"{unknown.sum():,} images left out, because none of their labels is known.")
    return table[~unknown]


def _patient_problems(table: pd.DataFrame) -> list[str]:
    missing = table["patient_id"] == ""
    if missing.any():
        return [
            f"{missing.sum():,} images have no patient, so that no split could separate patients. "
            "Name one for each, a different one where nothing is known: "
            f"{listed_images(table[missing])}"
        ]
    if table["patient_id"].nunique() == 1:
        return [
            f"{len(table):,} images of 1 patient; at least 2 patients are needed to train on one "
            "and validate on another."
        ]
    return []


def _class_problems(table: pd.DataFrame, notes: list[str]) -> list[str]:
    classes = class_names(table)
    varied = [name for name in classes if {0.0, 1.0} <= set(table[LABEL + name].dropna())]
    for name in classes:
        if name not in varied and len(varied) > 0:
            which = "every" if (table[LABEL + name] == 1).any() else "no"
            notes.append(f"{name}: {which} image with a known label has it; nothing to learn.")
    if varied:
        return []
    present = [name for name in classes if (table[LABEL + name] == 1).any()]
    return [
        f"Only one class occurs ({listed(present) or 'none'} of {listed(classes)}); a classifier "
        "needs images with and without a finding. Add the others, or point data.path higher up."
    ]


def _copies(table: pd.DataFrame) -> list[str]:
    """Count byte-identical images; split keeps them together, but their labels may disagree."""
    known = table[table["sha256"] != ""]  # empty: images were listed, but not read
    copies = known[known["sha256"].duplicated(keep=False)].groupby("sha256", sort=False)
    if not copies.ngroups:
        return []
    labels = [LABEL + name for name in class_names(table)]
    disagree = sum(len(group[labels].drop_duplicates()) > 1 for _, group in copies)
    return [
        f"{sum(map(len, copies.groups.values())):,} images are byte-identical to another one, in "
        f"{copies.ngroups:,} groups, {disagree:,} of which have different labels."
    ]
