"""DVC experiments by name: start one in a clean copy of the checkout, read what came of it."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thorax.config import parse_yaml
from thorax.errors import ConfigError
from thorax.io import main_root

NAMED = 5  # refs/exps/<baseline's first two digits>/<the others>/<name>
LOGS = Path(".dvc/tmp/recipes")


@dataclass(frozen=True)
class Result:
    """A finished experiment: its day, its metrics and the settings that led to them."""

    name: str
    date: str
    metrics: dict[str, Any]
    params: dict[str, Any]


def require_clean_params() -> None:
    """Refuse to start while `params.yaml` differs from its commit: every experiment inherits it.

    Raises:
        ConfigError: it is modified, or this is no git checkout with a commit.
    """
    if _git("rev-parse", "--verify", "HEAD") is None:
        raise ConfigError(
            "Experiments need a git checkout with a commit: `git init`, `git add --all`,"
            " `git commit -m start`, then try again."
        )
    if _git("diff", "--quiet", "HEAD", "--", "params.yaml") is None:
        raise ConfigError(
            "params.yaml is modified, and every recipe would inherit the change. Commit it, or"
            " undo it with `git checkout params.yaml`; pass changes with -S."
        )


def run(name: str, overrides: Sequence[str]) -> bool:
    """Run one experiment in a temporary copy of the checkout and write its output to its log.

    An earlier experiment of that name is replaced, and kept if this one fails.
    """
    log = log_of(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    replaced = {ref: _git("rev-parse", ref) or "" for ref in _refs(name)}
    for ref in replaced:
        _git("update-ref", "-d", ref)
    command = ["dvc", "exp", "run", "--temp", "--name", name, *_set(overrides)]
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
        ) as process,
    ):
        for line in process.stdout or ():
            print(line, end="", flush=True)
            file.write(line)
    done = process.returncode == 0 and bool(_refs(name))
    if not done:
        for ref, commit in replaced.items():
            _git("update-ref", ref, commit)
    return done


def queue(name: str, overrides: Sequence[str]) -> bool:
    """Put one experiment into DVC's queue; `dvc queue start` works it off."""
    command = ["dvc", "exp", "run", "--queue", "--name", name, *_set(overrides)]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    output = f"{done.stdout}{done.stderr}"
    log_of(name).parent.mkdir(parents=True, exist_ok=True)
    log_of(name).write_text(output, encoding="utf-8")
    print(f"Queued {name}" if done.returncode == 0 else output, flush=True)
    return done.returncode == 0


def log_of(name: str) -> Path:
    """Where the output of an experiment is kept."""
    return main_root() / LOGS / f"{name}.log"


def reason(name: str) -> str:
    """Why a run failed: the first error in its log, and where the log is."""
    lines = log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
    errors = (line for line in lines if line.partition(":")[0].endswith("Error"))
    return f"not run. {next(errors, 'No error was named.')} (log: {log_of(name)})"


def result(name: str) -> Result | None:
    """Metrics and settings of the newest finished experiment of that name; None without one."""
    found = (_result(name, ref) for ref in _refs(name))
    return next((each for each in found if each is not None), None)


def newest_ref(name: str) -> str | None:
    """Git reference of the newest experiment of that name."""
    return next(iter(_refs(name)), None)


def _result(name: str, ref: str) -> Result | None:
    metrics = _git("show", f"{ref}:./metrics/metrics.json")
    params = _git("show", f"{ref}:./params.yaml")
    if metrics is None or params is None:
        return None
    date = _git("log", "-1", "--format=%cs", ref) or ""
    return Result(name, date, json.loads(metrics), parse_yaml(params))


def names() -> list[str]:
    """Names of all experiments, finished or not."""
    listed = _git("for-each-ref", "--format=%(refname)", "refs/exps") or ""
    parts = [ref.split("/") for ref in listed.split()]
    return sorted({part[-1] for part in parts if len(part) == NAMED})


def _refs(name: str) -> list[str]:
    """Git references of the experiments of that name, the newest first."""
    pattern = f"refs/exps/*/*/{name}"
    found = _git("for-each-ref", "--sort=-creatordate", "--format=%(refname)", pattern)
    return (found or "").split()


def _set(overrides: Sequence[str]) -> list[str]:
    return [word for each in overrides for word in ("-S", each)]


def _git(*words: str) -> str | None:
    """Output of a git command; None where it fails."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError("git is not installed; experiments are kept in it.") from None
    return done.stdout.strip() if done.returncode == 0 else None


def _environment() -> Mapping[str, str]:
    """The temporary copy is committed to; who has told git no name gets this one."""
    named = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "thorax"), ("EMAIL", "thorax@localhost"))
    }
    known = _git("config", "user.email") is not None
    return os.environ if known else named | dict(os.environ)
