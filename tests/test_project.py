"""A project is found from any folder within, and made anew from what is installed."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from small_run import ROOT
from thorax import project
from thorax.config import read_yaml
from thorax.errors import DISTRIBUTION, ConfigError


def test_the_nearest_project_upward_is_found(tmp_path):
    for name in project.MARKS:
        (tmp_path / name).touch()
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (inner / "params.yaml").touch()
    assert project.find_root(inner) == project.find_root(tmp_path) == tmp_path
    with pytest.raises(ConfigError, match=r"Neither .* is a project.*thorax init DIR"):
        project.find_root(Path("/"))


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "my project"
    return folder, project.create(folder)


def test_a_new_project_has_all_that_dvc_needs(made):
    folder, text = made
    assert "committed to git" in text
    status = ["git", "status", "--porcelain", "--ignored"]
    assert subprocess.check_output(status, cwd=folder, text=True) == ""
    done = subprocess.run(
        ["dvc", "repro", "--dry", "download"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Running stage 'download'" in done.stdout
    stages = read_yaml(folder / "dvc.yaml")["stages"].values()
    deps = {dep for stage in stages for dep in stage["deps"] if not dep.startswith(("$", "data"))}
    assert len(deps) > 30
    assert all((folder / dep).exists() for dep in deps)
    code = (folder / "src/thorax/train/loop.py").read_bytes()
    assert code == (ROOT / "src/thorax/train/loop.py").read_bytes()


def test_nobody_s_files_are_overwritten_or_copied(tmp_path, made):
    with pytest.raises(ConfigError, match="not empty"):
        project.create(made[0])
    assert {path.name for path in (made[0] / "data/local").iterdir()} == {
        ".gitignore", "README.md",
    }  # fmt: skip


def test_a_project_without_git_or_within_a_repository_says_so(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert "commit it before" in project.create(tmp_path / "within")
    assert not (tmp_path / "within/.git").exists()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "no experiment" in project.create(tmp_path / "without")
    assert "no_scm" in (tmp_path / "without/.dvc/config.local").read_text()


def test_the_wheel_brings_what_a_project_needs():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert packed == {name: f"thorax/{project.PACKED}/{name}" for name in project.FILES}
    assert settings["project"]["name"] == DISTRIBUTION
