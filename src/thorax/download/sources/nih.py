"""NIH ChestX-ray14 (Wang et al. 2017) and anything else in its layout.

A `Data_Entry` table, the two official lists where they exist, and images in folders or archives of
any depth; some of the twelve archives are enough.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from thorax.archives import file_name, path_in_data
from thorax.config import Data
from thorax.download.sources.base import Item, LabelTable
from thorax.download.sources.labels import split_labels
from thorax.download.sources.match import attach
from thorax.download.sources.tables import decode, listed, listed_images, read_table
from thorax.errors import DataError
from thorax.io import LABEL
from thorax.survey import Survey

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

# NIH Clinical Center: https://nihcc.app.box.com/v/ChestXray-NIHCC (labels: release of 2020).
_BOX = (
    "https://nihcc.app.box.com/index.php"
    "?rm=box_download_shared_file&vanity_name=ChestXray-NIHCC&file_id=f_"
)
_TABLES = (
    Item(
        "Data_Entry_2017_v2020.csv",
        _BOX + "219760887468",
        9_003_496,
        sha256="c69a6daca3549af707ca9cacbdf9f9a7b6a9188e8c61157df653520bb72d8eb1",
    ),
    Item(
        "BBox_List_2017.csv",
        _BOX + "219760940956",
        92_416,
        sha256="0bbfea9d4c4e9771481b3023b1bc9f0df9dea924453b12986beb29b0c4d0c95b",
    ),
    Item(
        "train_val_list.txt",
        _BOX + "256056636701",
        1_470_907,
        sha256="61fbe896321c1c1c8b75f3e4f3a08e4fef6486d95ef8a667c31d4d60dca6cb81",
    ),
    Item(
        "test_list.txt",
        _BOX + "256055473534",
        435_131,
        sha256="38ca5ef7f756092946f57c1a59faca882ed589a1ab1f72590b45dc06c6d5e1cc",
    ),
)
# Addresses from `batch_download_zips.py` and MD5 from question 7 of `FAQ_CHESTXRAY.pdf`, both on
# that page; sizes as the server announced them in October 2026.
_STATIC = "https://nihcc.box.com/shared/static/"
_IMAGES = tuple(
    Item(f"images_{number:03d}.tar.gz", f"{_STATIC}{slug}.gz", size, md5=md5)
    for number, (slug, size, md5) in enumerate(
        (
            ("vfk49d74nhbxq3nqjg0900w5nvkorp5c", 2_008_470_987, "fe8ed0a6961412fddcbb3603c11b3698"),
            ("i28rlmbvmfjbl8p2n3ril0pptcmcu9d1", 3_952_623_504, "ab07a2d7cbe6f65ddd97b4ed7bde10bf"),
            ("f1t00wrtdk94satdfb9olcolqx20z2jp", 3_929_234_850, "2301d03bde4c246388bad3876965d574"),
            ("0aowwzs5lhjrceb3qp67ahp0rd1l1etg", 3_838_903_983, "9f1b7f5aae01b13f4bc8e2c44a4b8ef6"),
            ("v5e3goj22zr6h8tzualxfsqlqaygfbsn", 3_935_496_531, "1861f3cd0ef7734df8104f2b0309023b"),
            ("asi7ikud9jwnkrnkj99jnpfkjdes7l6l", 3_986_301_172, "456b53a8b351afd92a35bc41444c58c8"),
            ("jn1b4mw4n6lnh74ovmcjb8y48h8xj07n", 4_016_328_426, "1075121ea20a137b87f290d6a4a5965e"),
            ("tvpxmn7qyrgl0w8wfh9kqfjskv6nmm1j", 4_018_347_353, "b61f34cec3aa69f295fbb593cbd9d443"),
            ("upyy3ml7qdumlgk2rfcvlb9k6gvqq2pj", 4_111_327_929, "442a3caa61ae9b64e61c561294d1e183"),
            ("l6nilvfa9cg3s28tqv1qc1olm3gnz54p", 4_181_556_296, "09ec81c4c31e32858ad8cf965c494b74"),
            ("hhq8fkdgvcari67vfhs7ppg2w6ni4jze", 4_187_084_020, "499aefc67207a5a97692424cf5dbeed5"),
            ("ioqwiy20ihqwyr8pf4c24eazhh281pbu", 2_914_187_733, "dc9fda1757c2de0032b63347a7d2895c"),
        ),
        start=1,
    )
)
ITEMS = (*_TABLES, *_IMAGES)  # 45 GB


def read(survey: Survey, _data: Data) -> LabelTable:
    """Read ChestX-ray14: 14 findings and No Finding, of which an image may have several."""
    return read_layout(survey, CLASSES)


def read_layout(survey: Survey, classes: Sequence[str]) -> LabelTable:
    """Read any data set in NIH's layout; what lies in a folder `masks` is no image to classify.

    Raises:
        DataError: no entry table, or a column missing; other problems go to the result.
    """
    place, table, notes = _entries(survey)
    table = _columns(table, place)
    labels, problems = _labels(table["labels"], classes, place)
    table = table.drop(columns="labels").join(labels)
    for column in ("image_id", "patient_id"):
        table[column] = table[column].map(survey.alias)
    masks = {at for at in survey.images if "masks" in PurePosixPath(path_in_data(at)).parts}
    images = {at: sha for at, sha in survey.images.items() if at not in masks}
    matches = attach(table, images, survey)
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
    if unlisted := {*map(file_name, images)} - {*table["image_id"]}:
        notes.append(f"{len(unlisted):,} images on disk are not in {place}.")
    return LabelTable(
        "multi-label", None, table[~absent], notes + matches.notes, problems + matches.problems
    )


def _entries(survey: Survey) -> tuple[str, pd.DataFrame, list[str]]:
    """Find the entry table; of two releases the later one."""
    names = ("data_entry", "sample_labels")
    tables = {
        content: place
        for place, content in sorted(survey.tables.items())
        if file_name(place).lower().startswith(names)
    }
    if not tables:
        raise DataError(
            f"{survey.root} holds no table Data_Entry_2017….csv beside its "
            f"{len(survey.images):,} images. Download it from the NIH's page and put it there."
        )
    content, place = max(tables.items(), key=lambda item: ("v2020" in item[1], item[1]))
    others = [other for other in tables.values() if other != place]
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
    texts: "pd.Series[str]", classes: Sequence[str], place: str
) -> tuple[pd.DataFrame, list[str]]:
    """Labels from texts such as `Mass|Nodule`, and problems."""
    where = f"{place}, column Finding Labels"
    labels, problems = split_labels(texts, {name: name for name in classes}, "|", where)
    both = (labels[LABEL + NO_FINDING] == 1) & (labels.sum(axis=1) > 1)
    if both.any():
        counts = texts[both].value_counts(sort=False).items()
        examples = listed(f"{text!r} ({count:,} rows)" for text, count in counts)
        problems.append(f"No Finding beside a finding in {place}: {examples}.")
    return labels, problems


def _official_split(
    survey: Survey, image_ids: "pd.Series[str]", notes: list[str], problems: list[str]
) -> "pd.Series[str]":
    listed_in: dict[str, str] = {}
    both: set[str] = set()
    for place, content in sorted(survey.tables.items()):
        split = _LISTS.get(file_name(place).lower())
        if split is not None:
            names = dict.fromkeys(decode(content, place).split(), split)
            both |= {name for name in names if listed_in.get(name, split) != split}
            listed_in |= names
    if both:
        problems.append(
            f"{len(both):,} images are in both official lists: {listed(sorted(both))}. Fetch the "
            "lists again."
        )
    splits = image_ids.map(lambda name: listed_in.get(name, ""))
    if listed_in and (splits == "").any():
        notes.append(f"{(splits == '').sum():,} rows of the table are in no official list.")
    return splits


def _mismatched_patients(table: pd.DataFrame) -> list[str]:
    """Compare Patient ID with the number that every published file name starts with."""
    number = table["image_id"].str.extract(r"^(\d{8})_\d{3}\.png$")[0].fillna("")
    wrong = (number != "") & (number.str.lstrip("0") != table["patient_id"].str.lstrip("0"))
    if not wrong.any():
        return []
    return [
        f"{wrong.sum():,} rows have a Patient ID that differs from the number in their file name; "
        f"the columns are misaligned. Fetch the table again: {listed_images(table[wrong])}"
    ]
