"""What lies under a root: images, tables, DICOM headers, and all else.

DICOM files are known by their bytes, whatever their names; where a name tells who is on a picture,
a location holds a pseudonym instead.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from thorax.archives import (
    IMAGE,
    TABLE,
    compressed_bytes,
    images,
    may_be_dicom,
    total_bytes,
    walk,
)
from thorax.dicom import pseudonyms
from thorax.dicom.header import Film, film_of
from thorax.dicom.parse import HEAD, MOST_BYTES, is_dicom
from thorax.errors import DataError
from thorax.progress import bar

GLANCE = 2**30  # bytes of archives that are unpacked only to list them, in some seconds


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
    return MOST_BYTES + 1 if may_be_dicom(name) else 0


def listing(root: Path) -> Survey | None:
    """The same without reading an image: the hashes are empty, so that all images seem equal.

    Of DICOM files the headers are read. None where that would take long: large archives of the
    kind .tar.gz tell nothing before they are unpacked.
    """
    if compressed_bytes(root) > GLANCE:
        return None
    result = Survey(root)
    for location, content in walk(root, _any, _to_glance_at):
        result.add(location, content)
    return replace(result, images=dict.fromkeys(result.images, "")).hidden(keep=False)


def _to_glance_at(name: str) -> int:
    return -1 if name.lower().endswith(TABLE) else HEAD if may_be_dicom(name) else 0


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
