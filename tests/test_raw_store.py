"""Where the images lie, and what to do when they no longer lie there."""

import pytest

from made_up import write_folder
from made_up_dataset import description
from thorax.errors import DataError
from thorax.raw_store import STORE, open_root, own_data, store_path


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "holds"),
    [
        ({}, False),
        ({"README.md": b"x", ".gitignore": b"x", ".DS_Store": b"x"}, False),
        ({"deep/README.md": b"x"}, True),
        ({"deep/a.png": b"x"}, True),
    ],
)
def test_a_readme_and_hidden_files_are_no_data(checkout, files, holds):
    write_folder(checkout / "data/local", files)
    assert (own_data("data/local") is not None) == holds


def test_an_archive_is_data_and_what_does_not_exist_is_not(checkout):
    write_folder(checkout, {"mine.zip": b"x"})
    assert own_data("mine.zip") is not None
    assert own_data("nowhere") is None


def test_a_temporary_copy_uses_data_and_store_of_the_checkout(checkout, monkeypatch):
    write_folder(checkout / "data/local", {"a.png": b"x"})
    copy = checkout / ".dvc/tmp/exps/tmpabc"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert own_data("data/local") == checkout / "data/local"
    assert store_path("nih") == checkout / STORE / "nih"


def test_a_fetched_data_set_is_opened_in_the_store(checkout):
    write_folder(checkout / STORE / "nih", {"a.zip": b"x"})
    fetched = description("data/local", root="raw", store="nih")
    assert open_root(fetched) == checkout / STORE / "nih"


def test_a_store_that_is_gone_names_the_command_that_fetches_it_again():
    with pytest.raises(DataError, match=r"raw/nih is gone\. Run `dvc repro -f download`"):
        open_root(description("data/local", root="raw", store="nih"))


@pytest.mark.parametrize(
    ("root", "files", "says"),
    [
        ("path", {}, "was in use when the manifest was written and now is empty"),
        ("raw", {"a.png": b"x"}, "was empty when the manifest was written and now holds data"),
    ],
)
def test_a_path_that_filled_or_emptied_since_download_is_explained(checkout, root, files, says):
    write_folder(checkout / "data/local", files)
    with pytest.raises(DataError, match=rf"data/local', {says}.*dvc repro -f download"):
        open_root(description("data/local", root=root, store="nih"))
