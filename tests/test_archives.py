import hashlib
import random
import zipfile

import pytest

from made_up import write_folder, write_tar, write_zip
from thorax.archives import file_name, images, path_in_data, total_bytes, walk
from thorax.errors import DataError
from thorax.survey import listing, survey

FILES = {
    "set/NORMAL/a.png": b"image a",
    "set/PNEUMONIA/b.JPEG": b"image b",
    "set/labels.csv": b"image,label\na,0\n",
    "set/readme.md": b"not for us",
}


def _digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_an_archive_holds_what_the_folder_holds(tmp_path, name):
    folder = survey(write_folder(tmp_path / "plain", FILES), "read")
    write = write_zip if name.endswith("zip") else write_tar
    packed = survey(write(tmp_path / name, FILES), "read")
    assert folder.images == {
        "set/NORMAL/a.png": _digest(b"image a"),
        "set/PNEUMONIA/b.JPEG": _digest(b"image b"),
    }
    assert packed.images == {f"{name}!{at}": sha for at, sha in folder.images.items()}
    assert packed.tables == {f"{name}!set/labels.csv": FILES["set/labels.csv"]}


def test_archives_inside_a_folder_are_read_in_place(tmp_path):
    write_tar(tmp_path / "images_001.tar.gz", {"images/1.png": b"1"})
    write_zip(tmp_path / "images_002.zip", {"images/2.png": b"2"})
    write_folder(tmp_path, {"Data_Entry.csv": b"x\n1\n"})
    content = survey(tmp_path, "read")
    assert list(content.images) == ["images_001.tar.gz!images/1.png", "images_002.zip!images/2.png"]
    assert list(content.tables) == ["Data_Entry.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "Data_Entry.csv", "images_001.tar.gz", "images_002.zip",
    ]  # fmt: skip


def test_what_operating_systems_leave_behind_is_not_data(tmp_path):
    debris = {
        "__MACOSX/set/NORMAL/._a.png": b"fork",
        "set/NORMAL/._a.png": b"fork",
        "set/.DS_Store": b"",
        ".cache/b.png": b"hidden",
    }
    for root in (
        write_zip(tmp_path / "x.zip", FILES | debris),
        write_folder(tmp_path / "y", debris),
    ):
        assert not [at for at in survey(root, "read").images if "._a" in at or "hidden" in at]


def test_walk_reads_only_what_is_wanted(tmp_path):
    write_zip(tmp_path / "x.zip", FILES)
    write_tar(tmp_path / "x.tar", FILES)
    write_folder(tmp_path, FILES)
    for wanted in (f"{at}set/PNEUMONIA/b.JPEG" for at in ("x.zip!", "x.tar!", "")):
        assert list(walk(tmp_path, lambda at, one=wanted: at == one)) == [(wanted, b"image b")]


def test_linked_folders_are_followed_once(tmp_path):
    write_folder(tmp_path / "far", {"NORMAL/a.png": b"a"})
    root = write_folder(tmp_path / "root", {"note.txt": b"x"})
    (root / "near").symlink_to(tmp_path / "far")
    (root / "loop").symlink_to(root)
    assert list(survey(root, "read").images) == ["near/NORMAL/a.png"]


def test_a_missing_root_names_the_key(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist.*data\.path"):
        survey(tmp_path / "nowhere", "read")


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_a_truncated_archive_is_no_smaller_one(tmp_path, name):
    write = write_zip if name.endswith("zip") else write_tar
    noise = random.Random(0).randbytes(100_000)  # does not compress: a third is half an image
    path = write(tmp_path / name, {"a.png": noise, "b.png": noise[::-1]})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DataError, match=rf"(?s){name} is damaged.*fetch it again"):
        survey(tmp_path, "read")


def test_a_flipped_bit_in_a_zip_is_found(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.png": bytes(1000)})
    content = bytearray(path.read_bytes())
    content[len("a.png") + 32] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.zip is damaged"):
        survey(tmp_path, "read")


def test_a_password_is_no_traceback(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.png": b"a"})
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    content[6] |= 1  # general purpose flag "encrypted", in the file's header …
    content[directory + 8] |= 1  # … and in the directory
    path.write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        survey(tmp_path, "read")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("NORMAL/a.png", "NORMAL/a.png"),
        ("x.zip!NORMAL/a.png", "NORMAL/a.png"),
        ("part/images_001.tar.gz!images/a.png", "part/images/a.png"),
        ("wow!/a.png", "wow!/a.png"),
        ("x.ZIP!wow!/a.png", "wow!/a.png"),
    ],
)
def test_an_archive_counts_as_unpacked_in_place(location, path):
    assert path_in_data(location) == path
    assert file_name(location) == "a.png"


def test_total_bytes_counts_archives_as_they_lie(tmp_path):
    path = write_zip(tmp_path / "x.zip", FILES)
    write_folder(tmp_path, {"a.png": b"123", ".hidden": b"4"})
    assert total_bytes(tmp_path) == path.stat().st_size + 3


@pytest.mark.parametrize("name", ["plain", "x.zip", "x.tar", "x.tar.gz"])
def test_a_listing_names_all_images_and_reads_only_tables(tmp_path, monkeypatch, name):
    write = {"plain": write_folder, "x.zip": write_zip}.get(name, write_tar)
    root = write(tmp_path / name, FILES)
    whole, names = survey(root, "read"), listing(root)
    assert names.images == dict.fromkeys(whole.images, "")
    assert names.tables == whole.tables
    assert [at for at, _ in images(root)] == list(whole.images)
    monkeypatch.setattr("thorax.survey.GLANCE", 0)
    assert (listing(root) is None) == (name == "x.tar.gz")
