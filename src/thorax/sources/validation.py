"""What must hold for every labelled list of images, wherever it comes from."""

from dataclasses import replace

import pandas as pd

from thorax.errors import DataError
from thorax.sources.dataset import Dataset
from thorax.sources.reading import listed
from thorax.tables import LABEL, MANIFEST_COLUMNS, class_names

_SEX = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}
_NO_SEX = {"", "U", "O", "UNKNOWN", "OTHER"}
_VIEW = {
    "PA": "PA", "POSTEROANTERIOR": "PA", "AP": "AP", "ANTEROPOSTERIOR": "AP", "AP SUPINE": "AP",
    "AP ERECT": "AP", "L": "LATERAL", "LL": "LATERAL", "RL": "LATERAL", "LAT": "LATERAL",
    "LATERAL": "LATERAL",
}  # fmt: skip
_YEARS = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.25}  # of DICOM's age strings, a year
_OLDEST = 120


def validate(dataset: Dataset, where: str) -> Dataset:
    """Normalise a labelled list and check it; the result is sorted by `image_id`.

    Sex becomes M, F or empty; view PA, AP, LATERAL or empty; age years within 0-120 or empty; all
    three count what they blank. Rows that say the same of one image are merged.

    Args:
        dataset: as a source reads it.
        where: the data's place, for the message.

    Raises:
        DataError: all problems at once, those that the source found first.
    """
    notes, problems = list(dataset.notes), list(dataset.problems)
    table = _complete(dataset.table)
    table["view"] = _normal(table["view"], _VIEW, {""}, "view", notes)
    table["sex"] = _normal(table["sex"], _SEX, _NO_SEX, "sex", notes)
    table["age"] = _years(table["age"], notes)
    table = _merged(table, notes, problems)
    table = _labelled(table, dataset.task, notes, problems)
    problems += _patient_problems(table)
    problems += _class_problems(table, dataset.task, notes)
    notes += _copies(table)
    if problems:
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise DataError(f"{count} in {where}:\n" + "\n".join(f"- {text}" for text in problems))
    table = table.sort_values("image_id", kind="stable").reset_index(drop=True)
    return replace(dataset, table=table, notes=notes, problems=[])


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    """Put the manifest's columns first and fill those that the source does not know."""
    labels = [column for column in table if str(column).startswith(LABEL)]
    table = table.reindex(columns=[*MANIFEST_COLUMNS, *labels])
    table[MANIFEST_COLUMNS] = table[MANIFEST_COLUMNS].fillna("").astype(str)
    for column in ("image_id", "patient_id"):
        table[column] = table[column].str.strip()
    return table


def _normal(
    texts: "pd.Series[str]", known: dict[str, str], empty: set[str], what: str, notes: list[str]
) -> "pd.Series[str]":
    upper = texts.str.strip().str.upper()
    strange = ~upper.isin([*known, *empty])
    if strange.any():
        values = listed(repr(text) for text in sorted(set(texts[strange])))
        notes.append(f"{strange.sum():,} rows have an unknown {what} ({values}); left empty.")
    return upper.map(known).fillna("")


def _years(texts: "pd.Series[str]", notes: list[str]) -> "pd.Series[str]":
    """Read `58`, `58.0` or DICOM's `058Y`, `011M`, `003W`, `010D`; write years without noise."""
    parts = texts.str.strip().str.upper().str.extract(r"^(\d+(?:\.\d*)?)([YMWD]?)$")
    years = pd.to_numeric(parts[0]) / parts[1].map(_YEARS)
    wrong = (texts.str.strip() != "") & ~years.between(0, _OLDEST)
    if wrong.any():
        values = listed(repr(text) for text in sorted(set(texts[wrong])))
        notes.append(f"{wrong.sum():,} ages outside 0-{_OLDEST} years ({values}) became missing.")
    return years.mask(wrong).map(lambda year: "" if pd.isna(year) else f"{round(year, 2):g}")


def _merged(table: pd.DataFrame, notes: list[str], problems: list[str]) -> pd.DataFrame:
    """Keep one of several rows that say the same of an image; report those that do not."""
    said = [column for column in table if column != "location"]
    repeats = table.duplicated(said)
    if repeats.any():
        notes.append(f"{repeats.sum():,} rows repeat an image that is listed already; merged.")
        table = table[~repeats]
    clash = table["image_id"].duplicated(keep=False) & (table["image_id"] != "")
    if clash.any():
        rows = table[clash].groupby("image_id", sort=False)
        differ = (
            f"{image_id} ({' and '.join(group.index[:2])} differ in {_differing(group[said])})"
            for image_id, group in rows
        )
        problems.append(
            f"{rows.ngroups:,} images are listed more than once with different content; keep the "
            f"right row of each: {listed(differ)}"
        )
    nameless = table["image_id"] == ""
    if nameless.any():
        problems.append(f"{nameless.sum():,} rows name no image: {listed(table.index[nameless])}")
    return table


def _differing(rows: pd.DataFrame) -> str:
    return ", ".join(str(name) for name in rows if rows[name].nunique(dropna=False) > 1)


def _labelled(
    table: pd.DataFrame, task: str, notes: list[str], problems: list[str]
) -> pd.DataFrame:
    """Drop images without any known label; where classes exclude each other, demand exactly one."""
    labels = table[[f"{LABEL}{name}" for name in class_names(table)]]
    unknown = labels.isna().all(axis=1)
    if task != "multi-label":
        unknown |= labels.isna().any(axis=1) & (labels != 1).all(axis=1)
        wrong = ~unknown & (labels.eq(1).sum(axis=1) != 1)
        if wrong.any():
            examples = table.loc[wrong, "image_id"] + " (" + table.index[wrong] + ")"
            problems.append(
                f"{wrong.sum():,} images have no class or several, but the task is {task}, where "
                f"exactly one holds: {listed(examples)}"
            )
        table = table.assign(**{name: labels[name].fillna(0) for name in labels})
    if unknown.any():
        notes.append(f"{unknown.sum():,} images left out, because no label of theirs is known.")
    return table[~unknown]


def _patient_problems(table: pd.DataFrame) -> list[str]:
    missing = table["patient_id"] == ""
    if missing.any():
        examples = table.loc[missing, "image_id"] + " (" + table.index[missing] + ")"
        return [
            f"{missing.sum():,} images have no patient, so that no split could keep patients "
            f"apart. Give each one, or its own where nothing is known: {listed(examples)}"
        ]
    patients = table["patient_id"].nunique()
    if patients < 2:
        return [
            f"{len(table):,} images of {patients} patient{'s' * (patients != 1)}; at least 2 "
            "patients are needed to train on one and validate on another."
        ]
    return []


def _class_problems(table: pd.DataFrame, task: str, notes: list[str]) -> list[str]:
    classes = class_names(table)
    varied = [name for name in classes if {0.0, 1.0} <= set(table[f"{LABEL}{name}"].dropna())]
    for name in classes:
        if name not in varied and len(varied) > 0:
            share = "every" if (table[f"{LABEL}{name}"] == 1).any() else "no"
            notes.append(f"{name}: {share} image with a known label has it; nothing to learn.")
    if varied:
        return []
    present = [name for name in classes if (table[f"{LABEL}{name}"] == 1).any()]
    return [
        f"Only one class occurs ({listed(present) or 'none'} of {listed(classes)}); a classifier "
        "needs images with and without a finding. Add the others, or point data.path higher up."
    ]


def _copies(table: pd.DataFrame) -> list[str]:
    """Count byte-identical images; split keeps them together, but their labels may disagree."""
    copies = table[table["sha256"].duplicated(keep=False)].groupby("sha256", sort=False)
    if not copies.ngroups:
        return []
    labels = [f"{LABEL}{name}" for name in class_names(table)]
    disagree = sum(len(group[labels].drop_duplicates()) > 1 for _, group in copies)
    return [
        f"{sum(map(len, copies.groups.values())):,} images are byte-identical to another one, in "
        f"{copies.ngroups:,} groups, {disagree:,} of which have different labels."
    ]
