"""Fetch one file over HTTP: interruptions cost nothing, and a wrong byte never gets the final name.

Bytes go to `<name>.part`; `<name>.part.json` says of which version of which address they are the
beginning. The next attempt asks for the rest of that very version (RFC 9110: If-Range 13.1.5, Range
14.2) and starts over when there is any doubt.
"""

import errno
import hashlib
import os
import random
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep
from typing import Any

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from thorax.errors import DataError, IntegrityError, ResourceError
from thorax.io import locked, read_json, write_json
from thorax.progress import bar

ATTEMPTS = 6  # in a row without one new byte: pauses of 1 to 16 s outlast a router's restart
MAX_BACKOFF = 60.0  # s; in a longer silence a user takes the program for dead
MAX_RETRY_AFTER = 900.0  # s; where a server wants a longer pause, the user had better come back
TIMEOUT = (10.0, 60.0)  # s to connect and between two bytes; a file host may think for a while
TRANSIENT = (408, 425, 429, *range(500, 600))  # HTTP states that a later attempt may not meet
CHUNK = 1 << 17  # bytes; all that a kill can cost, yet long enough for hashing at full speed


def fetch(
    url: str,
    destination: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
) -> None:
    """Download `url` to `destination`, continuing what an earlier attempt left.

    `size` is in bytes, checksums are hexadecimal. A file that already has its final name stays and
    is only compared with `size`, so one that a user put there by hand counts.

    Raises:
        DataError: the server refuses, or gives a web page instead of the file.
        IntegrityError: size or checksum are not as promised; no such bytes are kept.
        ResourceError: the disk is full, or `ATTEMPTS` attempts in a row brought no new byte.
        BusyError: another process is fetching the same file.
    """
    if _is_there(destination, size):
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    lock = destination.with_name(f".{destination.name}.lock")
    with locked(lock, f"The download of {destination}"):
        if not _is_there(destination, size):  # another process may just have finished it
            checksums = {k: v.lower() for k, v in (("sha256", sha256), ("md5", md5)) if v}
            part = Part(url, destination, size, checksums)
            _download(part)
            part.finish()
        lock.unlink(missing_ok=True)  # a process that still opens the old one finds the file done


def require_room(folder: Path, needed: int) -> None:
    """Raise a `ResourceError` unless the disk of `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        need, have, lack = (tqdm.format_sizeof(n, "B") for n in (needed, free, needed - free))
        raise ResourceError(
            f"{need} are still to be fetched into {folder.absolute()}, but its disk has {have} "
            f"free: {lack} are missing. Make room and run again."
        )


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
        """Take over what an earlier process left, or drop it where nothing vouches for it."""
        self.url, self.destination, self.size, self.checksums = url, destination, size, checksums
        self.path = part_path(destination)
        self.sidecar = self.path.with_name(f"{self.path.name}.json")
        self.by_hand = (
            "To do it by hand: open the address in a browser and save the file as "
            f"{destination.absolute()}, or set data.path in params.yaml to a copy that you have."
        )
        try:
            version = Version(**read_json(self.sidecar))
        except (DataError, TypeError):  # none, cut off, or of an older layout
            version = Version("", None, None)
        if version.url == url and (version.validator or checksums) and self.path.exists():
            self._begin(version)
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self._count(chunk)
        else:
            self.restart(None)

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
        actual = {"size": str(self.offset)} | {k: h.hexdigest() for k, h in self._hashes.items()}
        promised = self.checksums | ({} if self.total is None else {"size": str(self.total)})
        for what, expected in promised.items():
            if actual[what] != expected:
                self.restart(None)
                raise IntegrityError(
                    f"{self.url}: expected {what} {expected}, found {actual[what]}; what came is "
                    "deleted. Run again; if this repeats, the publisher changed the file or "
                    f"something on the way alters it. {self.by_hand}"
                )
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.destination)
        self.sidecar.unlink(missing_ok=True)


def _is_there(destination: Path, size: int | None) -> bool:
    actual = destination.stat().st_size if destination.exists() else None
    if actual is not None and size not in (None, actual):
        raise IntegrityError(
            f"{destination.absolute()} has {actual} bytes where {size} were expected. Delete it or "
            "move it away, and run again."
        )
    return actual is not None


class _TransientError(Exception):
    """A failure that a later attempt may not meet; `wait` is the pause in s the server wants."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait or 0.0


def _download(part: Part) -> None:
    """Attempt until the part is whole; attempts that bring new bytes do not count as failures."""
    failures, furthest, name = 0, part.offset, part.destination.name
    progress: tqdm[Any] = bar(name, unit="B")
    with requests.Session() as session, progress:
        while True:
            try:
                with _sorted_failures(part):
                    return _attempt(session, part, progress)
            except _TransientError as error:
                failures = 1 if part.offset > furthest else failures + 1
                furthest = max(furthest, part.offset)
                wait = _pause(part, error, failures)
                progress.write(f"{name}: {error}; next attempt in {wait:.0f} s", file=sys.stderr)
                sleep(wait)


@contextmanager
def _sorted_failures(part: Part) -> Iterator[None]:
    """Sort what libraries raise into transient errors and those that no later attempt mends."""
    try:
        yield
    except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
        raise _TransientError(f"the connection failed: {error}") from error
    except requests.RequestException as error:
        raise DataError(f"{part.url} cannot be fetched: {error}. {part.by_hand}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = part.path.absolute()
        raise ResourceError(f"No room to write {place}. Make room and run again.") from error


def _pause(part: Part, error: _TransientError, failures: int) -> float:
    """Seconds until the next attempt; a `ResourceError` once there should be none."""
    if failures == ATTEMPTS or error.wait > MAX_RETRY_AFTER:
        pause = f" (the server wants a pause of {error.wait:.0f} s)" if error.wait else ""
        raise ResourceError(
            f"{part.url} could not be fetched: {error}{pause}. {part.offset} bytes are kept in "
            f"{part.path}; run again later to continue them. {part.by_hand}"
        ) from error
    # Jitter: many jobs that lost the same server must not come back in the same second.
    backoff = min(MAX_BACKOFF, 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)
    return max(error.wait, backoff)


def _attempt(session: requests.Session, part: Part, progress: "tqdm[Any]") -> None:
    if part.offset and part.offset == part.total:
        return  # an earlier process died between the last byte and the final name
    headers = {"Accept-Encoding": "identity"}  # ranges count bytes as they are sent
    if part.version and part.offset:
        headers["Range"] = f"bytes={part.offset}-"
        if part.version.validator:
            headers["If-Range"] = part.version.validator
    with session.get(part.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        _check(response, part)
        start, version = _offer(response, part)
        require_room(part.path.parent, (version.size or part.size or 0) - part.offset)
        if start is None:
            part.restart(version)
        elif start != part.offset or not part.version or version.contradicts(part.version):
            part.restart(None)
            raise _TransientError("the file on the server has changed")
        # Undecoded: servers like to call a .tar.gz a tar with Content-Encoding gzip.
        part.append(response.raw.stream(CHUNK, decode_content=False), progress)
    if part.offset < (part.total or 0):
        raise _TransientError(f"the server broke off after {part.offset} of {part.total} bytes")


def _check(response: requests.Response, part: Part) -> None:
    """Raise the reason why an answer does not hold the file's bytes."""
    status, said = response.status_code, f"HTTP {response.status_code} {response.reason}"
    if status == 416:
        part.restart(None)
        raise _TransientError("the server has nothing behind the bytes that are here")
    if status in TRANSIENT:
        raise _TransientError(said, Retry().get_retry_after(response.raw))
    if status not in (200, 206):
        why = "the file has moved, or wants a log-in"
        raise DataError(f"{part.url} answered {said}: {why}. {part.by_hand}")
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith("text/html") and part.destination.suffix != ".html":
        raise DataError(
            f"{part.url} gave a web page instead of {part.destination.name}: the publisher's error "
            f"page, or the log-in page of your network. {part.by_hand}"
        )


def _offer(response: requests.Response, part: Part) -> tuple[int | None, Version]:
    """Where an answer starts (None: it is the whole file) and which version it is of."""
    headers, start = response.headers, None
    length = headers.get("Content-Length", "")
    if response.status_code == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        start, length = (int(span[1]), span[2]) if span else (-1, "")
    size = int(length) if length.isdigit() else None
    if part.size is not None and size not in (None, part.size):
        raise IntegrityError(
            f"{part.url} offers {size} bytes where {part.size} were expected: the publisher "
            f"changed the file, or this is another one. {part.by_hand}"
        )
    etag = headers.get("ETag", "W/")
    validator = headers.get("Last-Modified") if etag.startswith("W/") else etag
    return start, Version(part.url, validator, size)
