"""Runs that differ in `train.seed` only: how much of a metric is luck of the training.

`dvc exp run --queue -S train.seed=0,1,2` makes them; which ones belong together is read from the
`dvc.lock` of experiments and branches, which names the bytes of code and data and every setting.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

from thorax.config import Paths, parse_yaml
from thorax.io import main_root, read_json
from thorax.provenance import git

MAKE_METRICS = ("train", "predict", "evaluate")  # stages
LOCK = "dvc.lock"


@dataclass(frozen=True)
class Seeds:
    """`metrics.json` of each run, by training seed."""

    runs: dict[int, dict[str, Any]]

    def deviation(self, subset: str, metric: str) -> float | None:
        """Standard deviation between the seeds; None for a single one or an undefined metric."""
        values = [metrics.get(subset, {}).get(metric) for metrics in self.runs.values()]
        return None if len(values) < 2 or None in values else stdev(values)


def variant(lock: str, paths: Paths) -> tuple[str, int] | None:
    """A digest of all that led to the metrics but the training seed, and that seed.

    Args:
        lock: content of `dvc.lock`.
        paths: what training makes is left out, because it differs between seeds.
    """
    stages = (parse_yaml(lock) or {}).get("stages", {})
    seed, known = None, []
    for name, stage in sorted(stages.items()):
        if name.partition("@")[0] in MAKE_METRICS:
            settings = stage.get("params", {}).get("params.yaml", {})
            seed = settings.get("train", {}).pop("seed", seed)
            deps = {dep["path"]: dep.get("md5") for dep in stage["deps"]}
            for made in (paths.models, paths.predictions):
                deps.pop(made, None)
            known.append((name, settings, deps))
    if seed is None:
        return None
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest(), seed


def seeds(predictions: Path, paths: Paths) -> Seeds:
    """The last run, and the newest run of every other seed among experiments and branches.

    Args:
        predictions: of the last run's test set, in `paths.test_predictions`.
        paths: of the last run.
    """
    lock = Path(LOCK)
    this = variant(lock.read_text(encoding="utf-8"), paths) if lock.exists() else None
    if this is None:
        return Seeds({})
    runs = {this[1]: read_json(Path(paths.metrics))}
    for tip in _tips():
        if _file(tip, predictions.as_posix()) is None:  # most have another test set
            continue
        other = variant(_file(tip, LOCK) or "", paths)
        metrics = _file(tip, paths.metrics)
        if metrics and other and other[0] == this[0]:
            runs.setdefault(other[1], json.loads(metrics))
    return Seeds(dict(sorted(runs.items())))


def _tips() -> list[str]:
    """Commits of experiments and branches, newest first."""
    names = ("for-each-ref", "--sort=-creatordate", "--format=%(objectname)")
    listed = git(*names, "refs/exps", "refs/heads", folder=main_root()) or ""
    return list(dict.fromkeys(listed.splitlines()))


def _file(commit: str, path: str) -> str | None:
    return git("show", f"{commit}:./{path}", folder=main_root())
