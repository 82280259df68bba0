"""Start DVC experiments by name, each in a clean copy of the checkout, and keep their output."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from thorax.artifacts.headline import SUMMARY_FOLLOWS
from thorax.compare.history import experiments
from thorax.errors import ConfigError
from thorax.io import main_root
from thorax.provenance import git

LOGS = Path(".dvc/tmp/recipes")
REPLACED = "-replaced"  # behind the name of an earlier experiment while its successor runs


def require_commit() -> None:
    """Refuse to start without the commit that DVC's experiments are kept beside."""
    if git("rev-parse", "--verify", "HEAD") is None:
        raise ConfigError(
            "Experiments need a git checkout with a commit: `git init`, `git add --all`,"
            " `git commit -m start`, then try again."
        )


def require_clean_params() -> None:
    """Refuse to start while `params.yaml` differs from its commit: every experiment inherits it."""
    require_commit()
    if git("diff", "--quiet", "HEAD", "--", "params.yaml") is None:
        raise ConfigError(
            "params.yaml is modified, and every recipe would inherit the change. Commit it, or"
            " undo it with `git checkout params.yaml`; pass changes with -S."
        )


def start(overrides: Sequence[str], name: str | None, where: str | None) -> bool:
    """One experiment in the checkout, or with `--temp` or `--queue` as DVC means them."""
    words = [*(["--name", name] if name else []), *([where] if where else []), *_set(overrides)]
    environment = {**_environment()} | ({} if where else {SUMMARY_FOLLOWS: "1"})
    done = subprocess.run(["dvc", "exp", "run", *words], env=environment, check=False)
    return done.returncode == 0


def run(name: str, overrides: Sequence[str]) -> bool:
    """Run one experiment in a temporary copy of the checkout and write its output to its log.

    An earlier experiment of that name is replaced, and kept if this one fails.
    """
    earlier = name + REPLACED
    replaces = name in experiments() and _dvc_exp("rename", "--force", name, earlier)
    done = False
    try:
        command = ("dvc", "exp", "run", "--temp", "--name", name, *_set(overrides))
        done = _logged(command, log_of(name)) and name in experiments()
    finally:
        if replaces:
            _dvc_exp("remove", earlier) if done else _dvc_exp("rename", "--force", earlier, name)
    return done


def queue(name: str, overrides: Sequence[str]) -> bool:
    """Put one experiment into DVC's queue; `dvc queue start` runs it."""
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
    return f"not run. {next(errors, 'The log names no error.')} (log: {log_of(name)})"


def _set(overrides: Sequence[str]) -> list[str]:
    return [word for override in overrides for word in ("-S", override)]


def _logged(command: Sequence[str], log: Path) -> bool:
    """Run a command, its output both shown and written to a log; whether it succeeded."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
        ) as process,
    ):
        for line in process.stdout or ():
            print(line, end="", flush=True)
            file.write(line)
    return process.returncode == 0


def _dvc_exp(*words: str) -> bool:
    done = subprocess.run(["dvc", "exp", *words], capture_output=True, check=False)
    return done.returncode == 0


def _environment() -> Mapping[str, str]:
    """The temporary copy is committed to; a user whom git does not know gets this name."""
    named = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "thorax"), ("EMAIL", "thorax@localhost"))
    }
    known = git("config", "user.email") is not None
    return os.environ if known else named | dict(os.environ)
