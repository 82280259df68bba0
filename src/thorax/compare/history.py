"""What a git reference or a DVC experiment recorded, wherever DVC keeps the files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from thorax.artifacts.evaluation import Results
from thorax.config import Params, check, flatten, load_paths, parse_yaml
from thorax.errors import ConfigError, DataError, IntegrityError
from thorax.metrics.predictions import read_decided
from thorax.provenance import git
from thorax.provenance.seeds import LOCK, variant

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

RESULTS = "results.json"  # both in `paths.evaluation`
WORKSPACE = "workspace"
REF_PARTS = 5  # refs/exps/<baseline's first two digits>/<the others>/<name>


class NotRecordedError(ConfigError):
    """The reference has no such file: it is older than the file, or nothing was run."""


class NotCachedError(DataError):
    """DVC tracks the file, but neither its cache nor a remote holds the bytes."""


class Predicted(NamedTuple):
    """Predictions as git keeps them, and the name of the test set they are of."""

    test_set: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Revision:
    """A commit, or the working tree, and the files that DVC and git know of it.

    Every reader raises ConfigError for an unknown reference, NotRecordedError or NotCachedError.

    Attributes:
        name: as messages call it.
        ref: git reference; None for the working tree.
        date: of the commit, where it was listed.
    """

    name: str
    ref: str | None
    date: str = ""

    def metrics(self) -> dict[str, Any]:
        """The headline metrics, `metrics.json`."""
        path = load_paths().metrics
        try:
            metrics: dict[str, Any] = json.loads(self._text(path))
        except ValueError as error:
            raise DataError(f"{path} of {self.name} is not valid JSON ({error}).") from None
        return metrics

    def params(self) -> Params:
        """The settings that led to the results."""
        return check(parse_yaml(self._text("params.yaml")), Params, f"params.yaml of {self.name}")

    def results(self) -> Results:
        """Every metric with its interval."""
        path = f"{load_paths().evaluation}/{RESULTS}"
        with self._fetched(path) as file:
            try:
                return Results.read(file)
            except IntegrityError:
                raise NotRecordedError(
                    f"{path} of {self.name} was written by another version of thorax."
                ) from None

    def predictions(self, subset: str) -> pd.DataFrame:
        """Labels, probabilities and decisions of one subset's images, from DVC's cache."""
        with self._fetched(f"{load_paths().evaluation}/{subset}.csv") as file:
            return read_decided(file)

    def test_predictions(self) -> Predicted:
        """Labels, scores and decisions of the test images, which git holds."""
        folder = load_paths().test_predictions
        with self._explained(folder):
            (path,) = self._files.ls(folder, detail=False)
        with self._fetched(path) as file:
            return Predicted(file.stem, read_decided(file))

    def variant(self) -> tuple[str, int]:
        """A digest of all that led to the metrics but the training seed, and that seed."""
        if (found := variant(self._text(LOCK), load_paths())) is None:
            raise NotRecordedError(f"{self.name} has no training in {LOCK}: nothing was run there.")
        return found

    def settings(self) -> dict[str, Any]:
        """Every setting that DVC knows to have led to the results, by its dotted name."""
        stages = parse_yaml(self._text(LOCK))["stages"].values()
        sections = (stage.get("params", {}).get("params.yaml", {}) for stage in stages)
        return {path: value for section in sections for path, value in flatten(section)}

    def fingerprint(self, fold: int) -> str:
        """Fingerprint of the training run of one fold."""
        return str(
            json.loads(self._text(f"{load_paths().models}/{fold}/model.json"))["fingerprint"]
        )

    def md5(self, path: str) -> str | None:
        """DVC's checksum of an output; None where it has none."""
        with self._explained(path):
            info: dict[str, Any] = self._files.info(path)
        digest: str | None = info.get("dvc_info", {}).get("md5")
        return digest

    def _text(self, path: str) -> str:
        with self._fetched(path) as file:
            return file.read_text(encoding="utf-8")

    @contextmanager
    def _fetched(self, path: str) -> Iterator[Path]:
        """A copy of the file, until the block ends."""
        with TemporaryDirectory() as folder:
            copy = Path(folder) / Path(path).name
            with self._explained(path):
                self._files.get_file(path, str(copy))
            yield copy

    @cached_property
    def _files(self) -> "DVCFileSystem":
        from dvc.api import DVCFileSystem  # imported late: it takes half a second
        from dvc.scm import SCMError

        files = DVCFileSystem(rev=self.ref)
        try:
            files.repo  # noqa: B018 - opened here to name an unknown reference
        except SCMError as error:
            known = ", ".join(sorted(experiments())) or "none"
            raise ConfigError(
                f"{self.name!r} is no branch, tag or commit ({error}) and no experiment;"
                f" experiments: {known}."
            ) from None
        return files

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Say of a file that cannot be read whether it was never there or is only not at hand."""
        files = self._files
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexError

        try:
            yield
        except (FileNotFoundError, DataIndexError) as error:
            if isinstance(error, FileNotFoundError) and not files.exists(path):
                raise NotRecordedError(
                    f"{self.name} has no {path}: nothing was run there, or an older thorax wrote"
                    " other files."
                ) from None
            raise NotCachedError(
                f"{path} of {self.name} is neither in the DVC cache nor in a remote; `dvc fetch`"
                " brings it where it was pushed."
            ) from None
        except (OSError, DvcException) as error:
            raise NotCachedError(f"{path} of {self.name} cannot be fetched: {error}.") from None


def working_tree() -> Revision:
    """What stands in the folder now."""
    return Revision("the working tree", None)


def commit(ref: str) -> Revision:
    """A branch, tag or commit as git calls it."""
    return Revision(ref, ref)


def revision(name: str) -> Revision:
    """An experiment, else a commit; `workspace`, as DVC says, is the working tree."""
    if name == WORKSPACE:
        return Revision(name, None)
    return experiments().get(name) or commit(name)


def experiments() -> dict[str, Revision]:
    """The newest experiment of every name, newest first."""
    listed = git(
        "for-each-ref", "--sort=-creatordate", "--format=%(refname) %(creatordate:short)",
        "refs/exps",
    )  # fmt: skip
    newest: dict[str, Revision] = {}
    for line in (listed or "").splitlines():
        ref, _, date = line.partition(" ")
        name = ref.rpartition("/")[2]
        if ref.count("/") == REF_PARTS - 1:
            newest.setdefault(name, Revision(name, ref, date))
    return newest


def experiment(name: str) -> Revision:
    """The newest experiment of that name; a `ConfigError` lists those that there are."""
    known = experiments()
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"No experiment is called {name!r}; there are: {names}.")
    return known[name]
