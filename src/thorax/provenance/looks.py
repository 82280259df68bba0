"""How often a test set was looked at: every set of predictions of it that git or this checkout has.

Each of them has its metrics in `thorax summary` and `dvc exp show`, so that a model can have been
chosen by them. The predictions of a test set have one file name in every commit and experiment.
"""

import hashlib
from pathlib import Path

from thorax.io import main_root
from thorax.provenance import git

FOLDER = Path(".dvc/tmp/looks")  # in it a folder per test set, and an empty file per look


def record_look(predictions: Path) -> None:
    """Remember in the user's checkout that these were made; git forgets a removed experiment."""
    record = main_root() / FOLDER / predictions.stem / _blob(predictions)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.touch()


def looks(predictions: Path) -> int:
    """Runs that have predicted the test set of this file, equal predictions counted once."""
    path = predictions.as_posix()
    listing = ("rev-list", "--all", "--full-history", "--objects", "--", path)
    lines = (git(*listing, folder=main_root()) or "").splitlines()
    in_git = {line.split()[0] for line in lines if line.endswith(path)}
    recorded = {file.name for file in (main_root() / FOLDER / predictions.stem).glob("*")}
    return len(in_git | recorded | {_blob(predictions)})


def _blob(path: Path) -> str:
    """What git calls a file of this content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
