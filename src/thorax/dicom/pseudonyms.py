"""Keyed pseudonyms for what a DICOM header says of a person: no output holds the original.

A pseudonym is the first 64 bits of an HMAC (RFC 2104) with SHA-256. Whoever has no key cannot try
the numbers one by one, which would reverse a plain hash. The key lies in `KEY`, which git and DVC
ignore: with it a patient has the same pseudonym in every run and every folder of this checkout.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Iterable
from functools import cache
from pathlib import Path

from thorax.dicom.header import Film
from thorax.errors import IntegrityError
from thorax.io import main_root, write_text

KEY = Path("data/patients.key")
PREFIX = "hmac-"
SHORTEST = 4  # letters and digits of an identifier that is looked for within names of files
SHORTEST_NAME = 3  # letters of a name that is looked for among their words
_ENDING = re.compile(r"(\.(dcm|dicom|dic|ima|png|jpe?g|bmp|tiff?|webp|zip|tar|tgz|gz|bz2|xz))+$")
_TRIAL = secrets.token_bytes(32)  # for a look that writes nothing, where there is no key yet

Naming = Callable[[str], str]


def naming(*, keep: bool) -> Naming:
    """A function from text to pseudonym; `keep` writes a key where there is none."""
    path = main_root() / KEY
    if keep and not path.exists():
        write_text(path, secrets.token_hex(32) + "\n")
        path.chmod(0o600)
    key = _read(path) if path.exists() else _TRIAL
    return lambda text: PREFIX + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise IntegrityError(
            f"{path} does not hold 64 hexadecimal digits. Restore it from a copy; without it, "
            "delete it and run `dvc repro -f download`, which gives patients new pseudonyms."
        )
    return key


def patient(number: str, name: Naming) -> str:
    """Pseudonym of a patient, empty where there is no number."""
    return name(f"patient {number.upper()}") if number else ""


def telling(films: Iterable[tuple[str, Film]]) -> set[str]:
    """Parts of paths that tell an identifier or a name that stands in the header of their file.

    Args:
        films: location and header.
    """
    found = set()
    for location, film in films:
        numbers = {short for each in film.identifiers if len(short := _bare(each)) >= SHORTEST}
        names = {name.lower() for name in film.names if len(name) >= SHORTEST_NAME}
        for part in re.split("[/!]", location):
            bare = _bare(part)
            words = set(re.findall(r"[^\W_]+", part.lower()))
            if names & words or any(number in bare for number in numbers):
                found.add(part)
    return found


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def hidden(path: str, parts: Collection[str], name: Naming) -> str:
    """The path with pseudonyms for these parts of it; endings that thorax goes by stay."""
    return re.sub(r"[^/!]+", lambda part: _of_part(part[0], name) if part[0] in parts else part[0],
                  path)  # fmt: skip


def _of_part(part: str, name: Naming) -> str:
    ending = _ENDING.search(part.lower())
    return name(part) + (ending[0] if ending else "")


def as_listed(locations: Iterable[str]) -> Naming:
    """A function from a location on disk to how these locations, of a manifest, write it."""
    hiding = {part for place in locations if PREFIX in place for part in re.split("[/!]", place)}
    if not hiding:
        return lambda location: location
    name = naming(keep=False)

    @cache
    def written(part: str) -> str:
        pseudonym = _of_part(part, name)
        return pseudonym if pseudonym in hiding else part

    return lambda location: re.sub(r"[^/!]+", lambda part: written(part[0]), location)


def key_name() -> str:
    """A name for the key, which tells nothing of it: pseudonyms of one key mean one person."""
    return naming(keep=False)("the key itself")
