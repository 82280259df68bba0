"""Folders, zip and tar archives read in place, as one flat list of locations.

A location is a path relative to a root with `!` between an archive and its member:
`images_001.tar.gz!images/00000001_000.png`, or just `NORMAL/a.jpeg` in a plain folder. A root that
is itself an archive has locations that start with its own name. Nothing is ever unpacked to disk.
"""

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from thorax.dicom.parse import is_dicom
from thorax.errors import DataError

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
IMAGE = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
DICOM = (".dcm", ".dicom", ".dic", ".ima")
TABLE = (".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".tsv.gz")
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz")  # a tar that must be unpacked to list its members
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    RuntimeError,  # zipfile: a password, or a compression that it does not know
)  # fmt: skip


def may_be_dicom(name: str) -> bool:
    """By the ending of its name: DICOM's, none, or the number that ends a UID."""
    ending = PurePosixPath(file_name(name)).suffix.lower()
    return ending in (*DICOM, "") or ending[1:].isdigit()


def images(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (location, bytes) of every image and of every DICOM file, under their own names."""
    for location, content in walk(root, _may_be_image):
        if is_dicom(content) or location.lower().endswith(IMAGE):
            yield location, content


def _may_be_image(name: str) -> bool:
    return name.lower().endswith(IMAGE) or may_be_dicom(name)


def total_bytes(root: Path) -> int:
    """Size of all that `walk` can meet, for estimates; archives count in their packed size."""
    return sum(path.stat().st_size for path in _files(root))


def compressed_bytes(root: Path) -> int:
    """Size of the tars that must be unpacked to list their members."""
    packed = (path for path in _files(root) if path.name.lower().endswith(COMPRESSED))
    return sum(path.stat().st_size for path in packed if path.name.lower().endswith(TAR))


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
