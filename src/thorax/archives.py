"""Folders, zip and tar archives read in place, as one flat list of locations.

A location is a path relative to a root with `!` between an archive and its member:
`images_001.tar.gz!images/00000001_000.png`, or just `NORMAL/a.jpeg` in a plain folder. A root that
is itself an archive has locations that start with its own name. Nothing is ever unpacked to disk.
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

from thorax.errors import DataError
from thorax.progress import bar

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
IMAGE = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
TABLE = (".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".tsv.gz")
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz")  # a tar that must be unpacked to list its members
GLANCE = 2**30  # bytes of such archives that are unpacked only to list them, in some seconds
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    RuntimeError,  # zipfile: a password, or a compression that it does not know
)  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """What lies under a root: SHA-256 of every image, bytes of every table, by location.

    `others` are the locations of all other files but a README.md.
    """

    root: Path
    images: dict[str, str] = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    def add(self, location: str, content: bytes) -> None:
        """Take up a file by its kind."""
        if location.lower().endswith(IMAGE):
            self.images[location] = hashlib.sha256(content).hexdigest()
        elif location.lower().endswith(TABLE):
            self.tables[location] = content
        elif location != "README.md":
            self.others.append(location)


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
        for location, content in walk(root, _any, opened=_named(*IMAGE, *TABLE)):
            result.add(location, content)
            progress.update(len(content))
    return result


def listing(root: Path) -> Survey | None:
    """The same without reading an image: the hashes are empty, so that all images seem equal.

    None where that would take long: large archives of the kind .tar.gz tell nothing before they are
    unpacked.
    """
    packed = (path for path in _files(root) if path.name.lower().endswith(COMPRESSED))
    if sum(path.stat().st_size for path in packed if path.name.lower().endswith(TAR)) > GLANCE:
        return None
    result = Survey(root)
    for location, content in walk(root, _any, opened=_named(*TABLE)):
        result.add(location, content)
    return replace(result, images=dict.fromkeys(result.images, ""))


def images(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (location, bytes) of every image."""
    return walk(root, _named(*IMAGE))


def _any(_location: str) -> bool:
    return True


def _named(*suffixes: str) -> Callable[[str], bool]:
    return lambda name: name.lower().endswith(suffixes)


def total_bytes(root: Path) -> int:
    """Size of all that `walk` can meet, for estimates; archives count in their packed size."""
    return sum(path.stat().st_size for path in _files(root))


def walk(
    root: Path,
    wanted: Callable[[str], bool],
    opened: Callable[[str], bool] = lambda _: True,
) -> Iterator[tuple[str, bytes]]:
    """Yield (location, bytes) of every wanted file, archives in their own order.

    Of a file that is not `opened` the bytes are empty.

    What operating systems leave behind (`__MACOSX`, `.DS_Store`, `._*`) is never yielded: read
    naively, it doubles a Kaggle archive.
    """
    for path in _files(root):
        location = path.name if path == root else path.relative_to(root).as_posix()
        if path.name.lower().endswith((*ZIP, *TAR)):
            yield from _members(path, f"{location}!", wanted, opened)
        elif wanted(location):
            try:
                yield location, path.read_bytes() if opened(location) else b""
            except OSError as error:
                raise DataError(f"{path.absolute()} cannot be read ({error}).") from error


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
    path: Path, prefix: str, wanted: Callable[[str], bool], opened: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    try:
        if path.name.lower().endswith(ZIP):
            with zipfile.ZipFile(path) as archive:
                for entry in sorted(archive.infolist(), key=lambda e: e.header_offset):
                    name = entry.filename
                    if not entry.is_dir() and not _is_debris(name) and wanted(prefix + name):
                        yield prefix + name, archive.read(entry) if opened(name) else b""
        else:
            with tarfile.open(path) as tar:
                for member in tar:
                    name = member.name.removeprefix("./")
                    if member.isfile() and not _is_debris(name) and wanted(prefix + name):
                        file = tar.extractfile(member) if opened(name) else None
                        yield prefix + name, file.read() if file else b""
    except BROKEN as error:
        raise DataError(
            f"{path.absolute()} is damaged or no archive ({error}). Delete it and fetch it again."
        ) from error
