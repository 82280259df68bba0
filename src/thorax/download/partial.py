"""The part of a file that has arrived so far, and which version of the file it belongs to."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from thorax.errors import DataError, IntegrityError
from thorax.io import read_json, write_json

CHUNK = 1 << 17  # bytes; all that a kill can cost, yet long enough for hashing at full speed


def part_path(destination: Path) -> Path:
    """Where the bytes of an unfinished download lie."""
    return destination.with_name(f"{destination.name}.part")


@dataclass(frozen=True)
class Version:
    """Which bytes an address offers; None for what the server does not say."""

    url: str
    validator: str | None  # what If-Range may name: a strong ETag, else Last-Modified
    size: int | None

    def contradicts(self, other: "Version") -> bool:
        """Whether two answers cannot be about the same bytes; an answer need not say all."""
        pairs = ((self.validator, other.validator), (self.size, other.size))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


class Part:
    """The unfinished file: bytes on disk, the version they belong to, their running checksums."""

    def __init__(self, url: str, destination: Path, size: int | None, checksums: dict[str, str]):
        self.url, self.destination, self.size, self.checksums = url, destination, size, checksums
        self.path = part_path(destination)
        self.sidecar = self.path.with_name(f"{self.path.name}.json")
        self.by_hand = (
            "To do it by hand: open the address in a browser and save the file as "
            f"{destination.absolute()}, or set data.path in params.yaml to a copy that you have."
        )
        self._resume()

    def _resume(self) -> None:
        """Take over what an earlier process left, or drop it where nothing vouches for it."""
        try:
            version = Version(**read_json(self.sidecar))
        except (DataError, TypeError):  # none, cut off, or of an older layout
            return self.restart(None)
        vouched = version.validator or self.checksums
        if version.url != self.url or not vouched or not self.path.exists():
            return self.restart(None)
        self._begin(version)
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                self._count(chunk)
        return None

    def restart(self, version: Version | None) -> None:
        """Drop all bytes; those that follow belong to `version`."""
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)
        self._begin(version)
        if version:
            write_json(self.sidecar, asdict(version))

    def _begin(self, version: Version | None) -> None:
        self.version, self.offset = version, 0
        announced = version.size if version else None
        self.total = announced if self.size is None else self.size
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in self.checksums}

    def _count(self, chunk: bytes) -> None:
        self.offset += len(chunk)
        for state in self._hashes.values():
            state.update(chunk)

    def append(self, chunks: Iterable[bytes], progress: "tqdm[Any]") -> None:
        """Write bytes behind those on disk."""
        progress.total, progress.initial = self.total, self.offset
        progress.n = progress.last_print_n = self.offset
        progress.refresh()
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                self._count(chunk)
                progress.update(len(chunk))

    def finish(self) -> None:
        """Give the final name to bytes that keep every promise; delete any others."""
        found = {"size": str(self.offset)} | {k: h.hexdigest() for k, h in self._hashes.items()}
        promised = self.checksums | ({} if self.total is None else {"size": str(self.total)})
        for what, expected in promised.items():
            if found[what] != expected:
                self.restart(None)
                raise IntegrityError(
                    f"{self.url}: expected {what} {expected}, found {found[what]}; what came is "
                    "deleted. Run again; if this repeats, the publisher changed the file or "
                    f"something on the way alters it. {self.by_hand}"
                )
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.destination)
        self.sidecar.unlink(missing_ok=True)
