"""NIH ChestX-ray14 (Wang et al. 2017) and anything else in its layout.

A `Data_Entry` table, the two official lists where they exist, and images in folders or archives of
any depth; who has only some of the twelve archives trains on those.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from thorax.archives import Survey, path_in_data
from thorax.config import Data
from thorax.download.sources.base import Dataset
from thorax.download.sources.columns import decode, listed, read_table, unknown_labels
from thorax.download.sources.match import locate
from thorax.errors import DataError

NO_FINDING = "No Finding"
CLASSES = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
    NO_FINDING,
)  # fmt: skip
_COLUMNS = {
    "Image Index": "image_id",
    "Finding Labels": "labels",
    "Patient ID": "patient_id",
    "Patient Age": "age",
    "View Position": "view",
}
_SEX = ("Patient Sex", "Patient Gender")  # the NIH's later release; the first one and mirrors
_LISTS = {"train_val_list.txt": "trainval", "test_list.txt": "test"}


def read(survey: Survey, _data: Data) -> Dataset:
    """Read ChestX-ray14: 14 findings and No Finding, of which an image may have several."""
    return read_layout(survey, CLASSES)


def read_layout(survey: Survey, classes: Sequence[str]) -> Dataset:
    """Read any data set in NIH's layout.

    Args:
        survey: images and tables; what lies in a folder `masks` is no image to classify.
        classes: the labels that may occur, in the order of the columns.

    Raises:
        DataError: no entry table, or a column missing; other problems go to the dataset.
    """
    problems: list[str] = []
    place, table, notes = _entries(survey)
    table = _columns(table, place)
    labels = _labels(table["labels"], classes, place, problems)
    table = table.drop(columns="labels").join(labels)
    masks = {at for at in survey.images if "masks" in PurePosixPath(path_in_data(at)).parts}
    images = {at: sha for at, sha in survey.images.items() if at not in masks}
    places = locate(table["image_id"].tolist(), images)
    table["location"] = places.locations
    table["sha256"] = [images.get(location, "") for location in places.locations]
    table["official_split"] = _official_split(survey, table["image_id"], notes, problems)
    problems += _mismatched_patients(table)
    absent = table["location"] == ""
    if absent.all():
        problems.append(
            f"None of the {len(table):,} images that {place} names lies under {survey.root}, where "
            f"{len(images):,} images are (such as {listed(list(images)[:2]) or 'none'}). Put the "
            "images, unpacked or as images_001.tar.gz …, beside the table."
        )
    elif absent.any():
        notes.append(f"{absent.sum():,} of {len(table):,} rows left out: their image is not here.")
    if unlisted := {path_in_data(at).rpartition("/")[2] for at in images} - {*table["image_id"]}:
        notes.append(f"{len(unlisted):,} images on disk are not in {place}.")
    return Dataset(
        "multi-label", None, table[~absent], notes + places.notes, problems + places.problems
    )


def _entries(survey: Survey) -> tuple[str, pd.DataFrame, list[str]]:
    """Find the one entry table; of the two releases the later one."""
    names = ("data_entry", "sample_labels")
    found = {
        content: place
        for place, content in sorted(survey.tables.items())
        if path_in_data(place).rpartition("/")[2].lower().startswith(names)
    }
    if not found:
        raise DataError(
            f"{survey.root} holds no table Data_Entry_2017….csv beside its "
            f"{len(survey.images):,} images. Download it from the NIH's page and put it there."
        )
    content, place = max(found.items(), key=lambda item: ("v2020" in item[1], item[1]))
    others = [other for other in found.values() if other != place]
    notes = [f"{place} is read; {listed(others)} is not."] if others else []
    return place, read_table(content, place), notes


def _columns(table: pd.DataFrame, place: str) -> pd.DataFrame:
    sex = next((name for name in _SEX if name in table), _SEX[0])
    names = {**_COLUMNS, sex: "sex"}
    missing = [name for name in names if name not in table]
    if missing:
        raise DataError(
            f"{place} lacks the columns {listed(missing)}; it has {listed(table.columns)}. Use the "
            "table as the NIH publishes it."
        )
    return table[list(names)].rename(columns=names)


def _labels(
    texts: "pd.Series[str]", classes: Sequence[str], place: str, problems: list[str]
) -> pd.DataFrame:
    """Turn `Mass|Nodule` into one column per class; the few distinct texts are split once each."""
    unknown: dict[str, int] = {}
    contradictory = []
    rows = {}
    for text, count in texts.value_counts(sort=False).items():
        words = {word.strip() for word in str(text).split("|")}
        for word in words.difference(classes):
            unknown[word] = unknown.get(word, 0) + int(count)
        if NO_FINDING in words and len(words) > 1:
            contradictory.append(f"{text!r} ({count:,} rows)")
        rows[text] = [float(name in words) for name in classes]
    if unknown:
        problems.append(unknown_labels(unknown, classes, f"{place}, column Finding Labels"))
    if contradictory:
        problems.append(f"No Finding beside a finding in {place}: {listed(contradictory)}.")
    columns = [f"label_{name}" for name in classes]
    known = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return known.loc[texts.tolist()].set_axis(texts.index)


def _official_split(
    survey: Survey, image_ids: "pd.Series[str]", notes: list[str], problems: list[str]
) -> "pd.Series[str]":
    listed_in: dict[str, str] = {}
    both = set()
    for place, content in sorted(survey.tables.items()):
        part = _LISTS.get(path_in_data(place).rpartition("/")[2].lower())
        for name in decode(content, place).split() if part else ():
            both |= {name} if listed_in.get(name, part) != part else set()
            listed_in[name] = str(part)
    if both:
        problems.append(
            f"{len(both):,} images stand in both official lists: {listed(sorted(both))}. Fetch the "
            "lists again."
        )
    split = image_ids.map(lambda name: listed_in.get(name, ""))
    if listed_in and (split == "").any():
        notes.append(f"{(split == '').sum():,} rows of the table are in no official list.")
    return split


def _mismatched_patients(table: pd.DataFrame) -> list[str]:
    """Compare Patient ID with the number that every published file name starts with."""
    number = table["image_id"].str.extract(r"^(\d{8})_\d{3}\.png$")[0].fillna("")
    wrong = (number != "") & (number.str.lstrip("0") != table["patient_id"].str.lstrip("0"))
    if not wrong.any():
        return []
    examples = table.loc[wrong, "image_id"] + " (" + table.index[wrong] + ")"
    return [
        f"{wrong.sum():,} rows have a Patient ID that differs from the number in their file name; "
        f"the columns have come apart. Fetch the table again: {listed(examples)}"
    ]
