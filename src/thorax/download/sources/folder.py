"""Images in one folder per class, also under train, val and test, packed or not."""

import re
from collections import Counter

import pandas as pd

from thorax.archives import path_in_data
from thorax.config import Data
from thorax.download.sources import films
from thorax.download.sources.base import LabelTable
from thorax.download.sources.match import SPLITS, VALIDATION, shared_folders
from thorax.download.sources.tables import listed
from thorax.errors import DataError
from thorax.io import LABEL
from thorax.survey import Survey

# Folders of images without a finding: no positive class, unless data.positive names one.
_NEGATIVE = {
    "normal", "no finding", "nofinding", "other", "healthy", "negative", "control"
}  # fmt: skip
_EXAMPLE = "NORMAL/a.png and PNEUMONIA/b.png, or train/NORMAL/a.png and test/NORMAL/c.png"


def read(survey: Survey, data: Data) -> LabelTable:
    """List the images of class folders.

    Patients are those of DICOM headers, else inferred from file names, if at all.

    The class is the first folder under `train`, `val` or `test` where all images are in such,
    else the first folder that not all images share. Two classes make a binary task, whose positive
    class is `data.positive` or the last in the alphabet that does not say "normal"; more make a
    multi-class task.

    Raises:
        DataError: fewer than two class folders, images in none, or an unknown `data.positive`.
    """
    paths = {location: path_in_data(location) for location in survey.images}
    within = _within_splits(paths) or _without_wrappers(paths)
    table = pd.DataFrame(
        {
            "image_id": list(within.values()),
            "location": list(within),
            "sha256": [survey.images[location] for location in within],
        },
        index=list(within),
    )
    folders = [path.split("/")[:-1] for path in within.values()]
    depth = int(all(above and above[0].lower() in SPLITS for above in folders))
    table["official_split"] = [SPLITS[above[0].lower()] if depth else "" for above in folders]
    inferred = films.patients(table, survey, data)
    table["patient_id"] = inferred.patients
    for column, keyword in films.COLUMNS.items():
        table[column] = films.values(survey, table["location"], keyword)
    label = pd.Series([[*above[depth:], ""][0] for above in folders], table.index)
    classes = sorted(set(label) - {""})
    problems = _problems(table[label == ""].index, classes, data)
    if problems:
        raise DataError(f"{survey.root}: " + " ".join(problems))
    for name in classes:
        table[LABEL + name] = (label == name).astype(float)
    several = len(classes) > 2
    return LabelTable(
        task="multi-class" if several else "binary",
        positive=None if several else data.positive or _positive(classes),
        table=table,
        notes=[*inferred.notes, *_own_validation(folders if depth else [])],
        problems=inferred.problems,
        patient_rule=inferred.rule,
    )


def _positive(classes: list[str]) -> str:
    """The last class that is not named after the absence of a finding, else the last."""
    findings = [name for name in classes if _words(name) not in _NEGATIVE]
    return [*classes, *findings][-1]


def _words(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))


def _within_splits(paths: dict[str, str]) -> dict[str, str] | None:
    """Cut every path down to what starts with its split folder, if all of them have one."""
    within = {}
    for location, path in paths.items():
        *folders, name = path.split("/")
        level = next((i for i, folder in enumerate(folders) if folder.lower() in SPLITS), None)
        if level is None:
            return None
        within[location] = "/".join([*folders[level:], name])
    return within


def _without_wrappers(paths: dict[str, str]) -> dict[str, str]:
    shared = shared_folders(paths.values())
    return {location: path.split("/", shared)[-1] for location, path in paths.items()}


def _own_validation(folders: list[list[str]]) -> list[str]:
    names = Counter(above[0] for above in folders if above[0].lower() in VALIDATION)
    return [
        f"{count:,} images in the folder {name} join those to train on, and validation is drawn "
        "anew; only split.method: official-folders keeps it."
        for name, count in names.items()
    ]


def _problems(outside: "pd.Index[str]", classes: list[str], data: Data) -> list[str]:
    problems = []
    if len(outside):
        problems.append(f"{len(outside):,} images are in no class folder: {listed(outside)}.")
    if len(classes) < 2:
        problems.append(
            f"{len(classes)} class folders are too few ({listed(classes) or 'none'}). Two or more "
            f"are expected, such as {_EXAMPLE}; the name of an archive is no folder."
        )
    if data.positive is not None and classes and data.positive not in classes:
        problems.append(
            f"data.positive is {data.positive!r}, but the folders are {listed(classes)}."
        )
    return problems
