"""Which image a name in a table means, and which folders name a split; packed or not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from thorax.archives import path_in_data
from thorax.download.sources.tables import listed
from thorax.survey import Survey

# Names of the official split in folders and tables; nobody is tested on `val`.
SPLITS = {
    "train": "trainval", "training": "trainval", "trainval": "trainval", "train_val": "trainval",
    "val": "trainval", "valid": "trainval", "validate": "trainval", "validation": "trainval",
    "test": "test", "testing": "test",
}  # fmt: skip

VALIDATION = ("val", "valid", "validate", "validation")


@dataclass(frozen=True)
class Matches:
    """Location of every name (empty where no image has it), with notes and problems."""

    locations: list[str]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def shared_folders(paths: Iterable[str]) -> int:
    """Count the leading folders that all paths have in common."""
    folders = [path.split("/")[:-1] for path in paths]
    shared = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        shared += 1
    return shared


def attach(table: pd.DataFrame, images: Mapping[str, str], survey: Survey) -> Matches:
    """Give every row the `location` and `sha256` of the image that its `image_id` means.

    That is a name of a file, or the SOP Instance UID of a DICOM file.
    """
    matches = match_images(table["image_id"].tolist(), images)
    films = sorted(survey.films.items(), key=lambda film: not film[1].reason)  # the usable last
    by_uid = {film.uid: at for at, film in films if film.uid and at in images}
    found = zip(matches.locations, table["image_id"], strict=True)
    table["location"] = [location or by_uid.get(name, "") for location, name in found]
    table["sha256"] = [images.get(location, "") for location in table["location"]]
    return matches


def match_images(names: Sequence[str], images: Mapping[str, str]) -> Matches:
    """Find the image that each name of a table means, in any folder depth or archive.

    A name matches a path that ends with it. Folders that all names start with may be missing on
    disk (`CheXpert-v1.0/train/…` in a table whose images were unpacked elsewhere). `images` are
    SHA-256 by location.
    """
    wanted = [name.replace("\\", "/").strip("/").removeprefix("./") for name in names]
    order = sorted(images, key=lambda place: ("!" in place, len(place), place))
    paths = {location: path_in_data(location) for location in order}
    for surplus in range(shared_folders(wanted) + 1):
        shorter = [name.split("/", surplus)[-1] for name in wanted]
        candidates = _candidates(shorter, paths)
        if any(candidates):
            break
    return _pick(names, candidates, images)


def _candidates(names: Sequence[str], paths: Mapping[str, str]) -> list[list[str]]:
    """Locations whose path ends with a name, looked up by the number of its folders."""
    depths = {name.count("/") for name in names}
    by_end = defaultdict(list)
    for location, path in paths.items():
        folders = path.split("/")
        for depth in depths:
            if depth < len(folders):
                by_end["/".join(folders[-depth - 1 :])].append(location)
    return [by_end.get(name, []) for name in names]


def _pick(names: Sequence[str], candidates: list[list[str]], images: Mapping[str, str]) -> Matches:
    several = {name: at for name, at in zip(names, candidates, strict=True) if len(at) > 1}
    differ = [name for name, at in several.items() if len({images[place] for place in at}) > 1]
    matches = Matches([at[0] if at else "" for at in candidates])
    if differ:
        examples = (f"{name}: {' and '.join(several[name][:2])}" for name in differ)
        matches.problems.append(
            f"{len(differ)} names match several different files; keep one of each, or point "
            f"data.path at one folder: {listed(examples)}"
        )
    if len(several) > len(differ):
        copies = len(several) - len(differ)
        matches.notes.append(
            f"{copies} images lie on disk more than once, byte for byte; one used."
        )
    return matches
