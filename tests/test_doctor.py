"""What would stop a run is found before DVC starts."""

import shutil
from pathlib import Path

import pytest

from thorax import doctor
from thorax.errors import ConfigError, DataError, ResourceError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data/local").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(old: str, new: str) -> None:
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new), encoding="utf-8")


def test_the_shipped_settings_are_ready(checkout):
    assert "Ready" in doctor.doctor()


def test_what_dvc_parses_itself_is_checked(checkout):
    edit("folds: [0]", "folds: zero")
    with pytest.raises(ConfigError, match=r"split\.folds"):
        doctor.doctor()


@pytest.mark.parametrize("path", ["null", "''", "~", "nowhere"])
def test_a_wrong_data_path_is_explained(checkout, path):
    edit("path: data/local ", f"path: {path} ")
    with pytest.raises((ConfigError, DataError), match=r"data\.path"):
        doctor.doctor()


def test_a_full_disk_is_said_beforehand(checkout, monkeypatch):
    full = shutil._ntuple_diskusage(10**12, 10**12, 1)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: full)
    with pytest.raises(ResourceError, match="free"):
        doctor.doctor()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("\n  weights: none", "\n  weights: nope.pth", r"model\.weights"),
        ("card: null", "card: cards/nope.yaml", r"data\.card"),
    ],
)
def test_a_file_that_is_not_there_stops_it(checkout, old, new, key):
    edit(old, new)
    with pytest.raises(ConfigError, match=key + r".*does not exist"):
        doctor.doctor()
