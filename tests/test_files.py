"""Files are whole or absent; locks hold; the checkout is found from a temporary copy."""

from pathlib import Path

import pytest

from thorax.errors import BusyError, DataError
from thorax.io import locked, main_root, read_json, replacing, rounded, write_json


def test_a_failed_write_leaves_the_old_file_and_no_leftovers(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_a_crash_are_swept(tmp_path):
    (tmp_path / ".a.json.123.tmp").write_text("half")
    write_json(tmp_path / "a.json", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_json_never_holds_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not (tmp_path / "a.json").exists()


def test_broken_or_missing_json_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="dvc repro"):
        read_json(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(tmp_path / "a.json")


def test_rounding_keeps_undefined_undefined():
    assert rounded(0.123456) == 0.1235
    assert rounded(float("nan")) is None
    assert rounded(None) is None


def test_a_lock_is_held_by_one(tmp_path):
    again = locked(tmp_path / "lock", "It")
    with locked(tmp_path / "lock", "It"), pytest.raises(BusyError, match="It is in use"), again:
        pass
    with locked(tmp_path / "lock", "It"):
        pass


def test_the_checkout_is_found_from_dvcs_temporary_copy(tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    (copy / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert main_root() == copy
    (copy / ".dvc/config.local").write_text(f"[cache]\n    dir = {tmp_path}/main/.dvc/cache\n")
    assert main_root() == Path(tmp_path / "main")
    (copy / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    assert main_root() == copy
