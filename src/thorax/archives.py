"""Folders, zip and tar archives read in place, as one flat list of locations.

A location is a path relative to a root with `!` between an archive and its member:
`images_001.tar.gz!images/00000001_000.png`, or just `NORMAL/a.jpeg` in a plain folder. A root that
is itself an archive has locations that start with its own name. Nothing is ever unpacked to disk.

DICOM files are known by their bytes, whatever their names; where a name tells who is on a picture,
a location holds a pseudonym instead.
"""

import hashlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from thorax.dicom import pseudonyms
from thorax.dicom.header import Film, film_of
from thorax.dicom.parse import HEAD, MOST_BYTES, is_dicom
from thorax.errors import DataError
from thorax.progress import bar

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
IMAGE = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
DICOM = (".dcm", ".dicom", ".dic", ".ima")
TABLE = (".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".tsv.gz")
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz")  # a tar that must be unpacked to list its members
GLANCE = 2**30  # bytes of such archives that are unpacked only to list them, in some seconds
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    RuntimeError,  # zipfile: a password, or a compression that it does not know
)  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """What lies under a root, by location.

    Attributes:
        root: folder or archive.
        images: SHA-256 of every image.
        tables: bytes of every table.
        others: all other files but a README.md.
        films: what the headers of the DICOM images say.
        aside: DICOM files that are no images of a chest, each with the reason.
        aliases: numbers of patients and of images that headers hold, in capitals → pseudonym.
        hiding: parts of locations for which a pseudonym stands there.
        naming: from such a part to its pseudonym.
    """

    root: Path
    images: dict[str, str] = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    films: dict[str, Film] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    hiding: frozenset[str] = frozenset()
    naming: pseudonyms.Naming = str

    def add(self, location: str, content: bytes) -> None:
        """Take up a file by its kind."""
        if is_dicom(content):
            film = film_of(content)
            if film.reason:
                self.aside[location] = film.reason
            else:
                self.images[location] = hashlib.sha256(content).hexdigest()
            self.films[location] = film
        elif location.lower().endswith(IMAGE):
            self.images[location] = hashlib.sha256(content).hexdigest()
        elif location.lower().endswith(TABLE):
            self.tables[location] = content
        elif location != "README.md":
            self.others.append(location)

    def alias(self, text: str) -> str:
        """What stands here for a number or a path of a table: itself, or a pseudonym."""
        known = self.aliases.get(text.strip().upper())
        return known or pseudonyms.hidden(text, self.hiding, self.naming)

    def pseudonym(self, patient: str) -> str:
        """Pseudonym of a patient's number that headers may hold or not."""
        return pseudonyms.patient(patient, self.naming)

    def hidden(self, *, keep: bool) -> "Survey":
        """The same without anything that tells who a patient is.

        `keep` writes the key of the pseudonyms, where there is none.
        """
        if not self.films:
            return self
        name = pseudonyms.naming(keep=keep)
        parts = frozenset(pseudonyms.telling(self.films.items()))
        aliases: dict[str, str] = {}
        films = {}
        for location, film in self.films.items():
            patient, uid = (
                pseudonyms.patient(film.value("PatientID"), name),
                name(film.uid) if film.uid else "",
            )
            number = film.value("PatientID").rpartition("\n")[2]
            aliases |= {number: patient} if number else {}
            aliases |= {film.uid.upper(): uid} if uid else {}
            values = tuple({**dict(film.values), "PatientID": patient}.items())
            films[pseudonyms.hidden(location, parts, name)] = replace(
                film, values=values, uid=uid, identifiers=(), names=()
            )

        def at(place: str) -> str:
            return pseudonyms.hidden(place, parts, name)

        return Survey(
            self.root,
            {at(place): sha256 for place, sha256 in self.images.items()},
            {at(place): content for place, content in self.tables.items()},
            [at(place) for place in self.others],
            films,
            {at(place): reason for place, reason in self.aside.items()},
            aliases,
            parts,
            name,
        )


def survey(root: Path, what: str) -> Survey:
    """Read everything under `root` once, with a progress bar labeled `what`.

    Raises:
        DataError: `root` does not exist, or an archive is damaged.
    """
    if not root.exists():
        raise DataError(f"{root.absolute()} does not exist. Correct data.path in params.yaml.")
    result = Survey(root)
    progress: tqdm[Any] = bar(what, total=total_bytes(root), unit="B")
    with progress:
        for location, content in walk(root, _any, _to_read):
            result.add(location, content)
            progress.update(len(content))
    return result.hidden(keep=True)


def _to_read(name: str) -> int:
    """Bytes that are read: all of images and tables, of DICOM hardly more than it may have."""
    if name.lower().endswith((*IMAGE, *TABLE)):
        return -1
    return MOST_BYTES + 1 if _may_be_dicom(name) else 0


def _may_be_dicom(name: str) -> bool:
    """By the ending of its name: DICOM's, none, or the number that ends a UID."""
    ending = PurePosixPath(file_name(name)).suffix.lower()
    return ending in (*DICOM, "") or ending[1:].isdigit()


def listing(root: Path) -> Survey | None:
    """The same without reading an image: the hashes are empty, so that all images seem equal.

    Of DICOM files the headers are read. None where that would take long: large archives of the
    kind .tar.gz tell nothing before they are unpacked.
    """
    packed = (path for path in _files(root) if path.name.lower().endswith(COMPRESSED))
    if sum(path.stat().st_size for path in packed if path.name.lower().endswith(TAR)) > GLANCE:
        return None
    result = Survey(root)
    for location, content in walk(root, _any, _to_glance_at):
        result.add(location, content)
    return replace(result, images=dict.fromkeys(result.images, "")).hidden(keep=False)


def _to_glance_at(name: str) -> int:
    return -1 if name.lower().endswith(TABLE) else HEAD if _may_be_dicom(name) else 0


def images(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (location, bytes) of every image and of every DICOM file, under their own names."""
    for location, content in walk(root, _may_be_image):
        if is_dicom(content) or location.lower().endswith(IMAGE):
            yield location, content


def hidden_images(root: Path) -> Iterator[tuple[str, bytes]]:
    """The same, without what names of DICOM files tell of a patient."""
    for location, content in images(root):
        if is_dicom(content):
            one = Survey(root, films={location: film_of(content)}).hidden(keep=False)
            yield next(iter(one.films)), content
        else:
            yield location, content


def _any(_location: str) -> bool:
    return True


def _may_be_image(name: str) -> bool:
    return name.lower().endswith(IMAGE) or _may_be_dicom(name)


def total_bytes(root: Path) -> int:
    """Size of all that `walk` can meet, for estimates; archives count in their packed size."""
    return sum(path.stat().st_size for path in _files(root))


def walk(
    root: Path,
    wanted: Callable[[str], bool],
    most: Callable[[str], int] = lambda _: -1,
) -> Iterator[tuple[str, bytes]]:
    """Yield (location, bytes) of every wanted file, archives in their own order.

    `most` says how many bytes are read of a file; -1 means all.

    What operating systems leave behind (`__MACOSX`, `.DS_Store`, `._*`) is never yielded: read
    naively, it doubles a Kaggle archive.
    """
    for path in _files(root):
        location = path.name if path == root else path.relative_to(root).as_posix()
        if path.name.lower().endswith((*ZIP, *TAR)):
            yield from _members(path, f"{location}!", wanted, most)
        elif wanted(location):
            try:
                with path.open("rb") as file:
                    content = file.read(most(location))
            except OSError as error:
                raise DataError(f"{path.absolute()} cannot be read ({error}).") from error
            yield location, content


def path_in_data(location: str) -> str:
    """Path of an image as if its archive were unpacked in place: `a.zip!x/y.png` is `x/y.png`."""
    archive, _, member = location.partition("!")
    if not member or not archive.lower().endswith((*ZIP, *TAR)):
        return location
    folder = archive.rpartition("/")[0]
    return f"{folder}/{member}" if folder else member


def file_name(location: str) -> str:
    """Last part of a path, also of a member of an archive."""
    return path_in_data(location).rpartition("/")[2]


def _files(root: Path) -> list[Path]:
    """List all files in a stable order; links to folders are followed, each folder once."""
    if root.is_file():
        return [root]
    inside, seen = [], set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        subfolders[:] = sorted(subfolders) if real not in seen else []
        inside += [Path(folder, name) for name in names if real not in seen]
        seen.add(real)
    inside = sorted(path for path in inside if path.is_file())
    return [path for path in inside if not _is_debris(path.relative_to(root).as_posix())]


def _is_debris(name: str) -> bool:
    names = PurePosixPath(name).parts
    return any(name == "__MACOSX" or name.startswith(".") for name in names)


def _members(
    path: Path, prefix: str, wanted: Callable[[str], bool], most: Callable[[str], int]
) -> Iterator[tuple[str, bytes]]:
    try:
        if path.name.lower().endswith(ZIP):
            with zipfile.ZipFile(path) as archive:
                for entry in sorted(archive.infolist(), key=lambda e: e.header_offset):
                    name = entry.filename
                    if not entry.is_dir() and not _is_debris(name) and wanted(prefix + name):
                        with archive.open(entry) as member:
                            yield prefix + name, member.read(most(name))
        else:
            with tarfile.open(path) as tar:
                for info in tar:
                    name = info.name.removeprefix("./")
                    if info.isfile() and not _is_debris(name) and wanted(prefix + name):
                        file = tar.extractfile(info)
                        yield prefix + name, file.read(most(name)) if file else b""
    except BROKEN as error:
        raise DataError(
            f"{path.absolute()} is damaged or no archive ({error}). Delete it and fetch it again."
        ) from error
