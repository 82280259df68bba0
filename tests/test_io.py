"""Files are whole or absent, tables keep their text, and the checkout is found."""

import numpy as np
import pandas as pd
import pytest

from thorax.errors import BusyError, DataError
from thorax.io import (
    class_names,
    locked,
    main_root,
    markdown_table,
    read_csv,
    read_json,
    replacing,
    rounded,
    write_csv,
    write_json,
)


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


@pytest.mark.parametrize("inside", [".", "data", "stages/deep"])
def test_the_checkout_is_found_from_dvcs_temporary_copy(tmp_path, monkeypatch, inside):
    copy = tmp_path / ".dvc/tmp/exps/tmpabc" / inside
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert main_root() == tmp_path


def test_a_checkout_that_shares_the_cache_of_another_clone_stays_itself(tmp_path, monkeypatch):
    (tmp_path / "other/.dvc/cache").mkdir(parents=True)
    checkout = tmp_path / "mine"
    (checkout / ".dvc").mkdir(parents=True)
    shared = f"[cache]\n    dir = {tmp_path}/other/.dvc/cache\n"
    (checkout / ".dvc/config.local").write_text(shared)
    monkeypatch.chdir(checkout)
    assert main_root() == checkout


def test_tables_keep_text_as_text_and_unknown_numbers_as_nan(tmp_path):
    path = tmp_path / "a.csv"
    table = {"image_id": ["007", "NA"], "age": ["41", ""], "label_A": ["1", ""]}
    write_csv(pd.DataFrame(table), path)
    assert path.read_bytes() == b"image_id,age,label_A\n007,41,1\nNA,,\n"
    read = read_csv(path, numbers=["age"])
    assert read["image_id"].tolist() == ["007", "NA"]
    np.testing.assert_array_equal(read[["age", "label_A"]], [[41, 1], [np.nan, np.nan]])
    assert class_names(read) == ["A"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n3,4,5\n"])
def test_a_broken_table_says_what_to_do(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"(?s)a\.csv is not a valid table.*dvc repro"):
        read_csv(path)


def test_a_markdown_cell_may_hold_the_sign_that_divides_cells():
    lines = markdown_table(["a", "b"], [["x|y", "1"]]).splitlines()
    assert lines == ["| a | b |", "| --- | --- |", "| x\\|y | 1 |"]
