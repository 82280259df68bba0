"""A project: the folder with `dvc.yaml` and `params.yaml`, found from within or made anew.

A project holds the code that its stages run, so that its results and the code that made them are
committed together, and DVC sees every change to either.
"""

import os
import shutil
import subprocess
from pathlib import Path

import thorax
import thorax_phantom
from thorax.errors import ConfigError

MARKS = ("dvc.yaml", "params.yaml")
PACKED = "template"  # folder of the installed package that holds `FILES`; see pyproject.toml
FILES = (
    *MARKS, "stages", "recipes", "cards", ".gitignore", ".dvcignore", ".dvc/.gitignore",
    ".dvc/config", ".dvc/plots", "data/local/.gitignore", "data/local/README.md",
)  # fmt: skip


def find_root(here: Path) -> Path:
    """The project that a folder belongs to: the nearest one upward.

    Raises:
        ConfigError: there is none.
    """
    for folder in (here, *here.parents):
        if all((folder / name).is_file() for name in MARKS):
            return folder
    raise ConfigError(
        f"Neither {here} nor a folder above it is a project, with {' and '.join(MARKS)}. Change "
        "into one, or make one with `thorax init DIR`."
    )


def create(folder: Path) -> str:
    """Make a project in a new or empty folder, with git where that is here; what to do next.

    Raises:
        ConfigError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty. Name a new folder.")
    package = Path(thorax.__file__).parent
    template = package / PACKED  # in an installed package; a checkout is a project itself
    template = template if template.is_dir() else package.parent.parent
    for name in FILES:
        _copy(template / name, folder / name)
    for code in (package, Path(thorax_phantom.__file__).parent):
        _copy(code, folder / "src" / code.name)
    commit = _commit(folder)
    return (
        f"{folder} is a project{commit}. Next:\n"
        f"  cd {folder}\n"
        "  thorax run        # synthetic X-rays, in minutes\n"
        "  thorax run -S data.source=folder -S data.path=/absolute/path/images.zip"
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", PACKED))
    else:
        shutil.copy(source, target)


def _commit(folder: Path) -> str:
    """Commit the new project to a repository of its own, unless it lies in one already."""
    if shutil.which("git") is None:
        (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
        return "; without git there is `dvc repro`, but no experiment"
    if _git(folder, "rev-parse", "--show-toplevel"):
        return " in your git repository; commit it before the first run"
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    who = {
        f"GIT_{role}_{key}": "thorax"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    known = _git(folder, "config", "user.email")
    done = _git(folder, "commit", "--quiet", "-m", "Start", **({} if known else who))
    return ", committed to git" if done else "; commit it before the first run"


def _git(folder: Path, *words: str, **environment: str) -> bool:
    command = ["git", *words]
    environ = os.environ | environment
    return (
        subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, check=False
        ).returncode
        == 0
    )
