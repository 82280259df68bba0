"""The cache: rows in the manifest's order, whatever the archive; unreadable images set aside."""

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from made_up import write_folder, write_tar, write_zip
from made_up_dataset import description
from small_run import params, paths_in
from thorax.errors import DataError, IntegrityError
from thorax.io import read_csv, write_csv
from thorax.preprocess import preprocess

CONTENTS = {
    f"{i}.png": cv2.imencode(".png", np.full((20, 30), 20 * i + 10, np.uint8))[1].tobytes()
    for i in range(8)
}


def prepare(folder: Path, *, kind="folder", contents=CONTENTS):
    """Raw data of one kind with its manifest, in reverse order of the names."""
    mine, prefix = folder / "mine", ""
    if kind == "folder":
        write_folder(mine, contents)
    else:
        mine.mkdir(parents=True)
        write = write_zip if kind == "a.zip" else write_tar
        write(mine / kind, dict(sorted(contents.items())))
        prefix = f"{kind}!"
    paths = paths_in(folder)
    names = sorted(contents)[::-1]
    table = pd.DataFrame({"image_id": names, "location": [prefix + n for n in names]})
    for column in ("patient_id", "view", "sex", "age", "official_split"):
        table[column] = ""
    table["sha256"] = [hashlib.sha256(contents[n]).hexdigest() for n in names]
    write_csv(table.assign(label_A=1), Path(paths.manifest))
    description(str(mine)).write(Path(paths.dataset))
    return paths


def settings(**changes):
    return params(preprocess={"image_size": 16, **changes}).preprocess


@pytest.mark.parametrize("kind", ["folder", "a.zip", "a.tar.gz"])
def test_rows_follow_the_manifest_and_not_the_disk(tmp_path, kind):
    paths = prepare(tmp_path, kind=kind)
    preprocess(settings(), paths)
    images = np.load(Path(paths.cache) / "images.npy")
    assert images.shape == (8, 16, 16)
    assert images[:, 0, 0].tolist() == [20 * i + 10 for i in range(7, -1, -1)]
    assert read_csv(Path(paths.cache) / "index.csv")["image_id"].tolist() == sorted(CONTENTS)[::-1]


def test_the_same_bytes_every_time(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        preprocess(settings(), prepare(folder))
    for name in ("images.npy", "index.csv", "hashes.npy", "thumbnails.npy", "cache.json"):
        first, second = (folder / "cache" / name for folder in folders)
        assert first.read_bytes() == second.read_bytes()


def test_a_corrupt_image_is_set_aside_and_the_rows_stay_aligned(tmp_path):
    paths = prepare(tmp_path, contents=CONTENTS | {"5.png": b"broken", "2.png": b"broken too"})
    preprocess(settings(max_unreadable=2), paths)
    images = np.load(Path(paths.cache) / "images.npy")
    index = read_csv(Path(paths.cache) / "index.csv")
    assert index["image_id"].tolist() == ["7.png", "6.png", "4.png", "3.png", "1.png", "0.png"]
    assert images[:, 0, 0].tolist() == [150, 130, 90, 70, 30, 10]
    assert len(np.load(Path(paths.cache) / "hashes.npy")) == 6
    bad = read_csv(Path(paths.cache) / "quarantine.csv")
    assert bad["image_id"].tolist() == ["5.png", "2.png"]
    assert bad["reason"].str.contains("decoded").all()


def test_too_many_corrupt_images_stop_the_run_with_the_list(tmp_path):
    paths = prepare(tmp_path, contents=CONTENTS | {"5.png": b"broken", "2.png": b"broken too"})
    with pytest.raises(DataError, match=r"(?s)max_unreadable = 1.*2\.png.*5\.png|5\.png.*2\.png"):
        preprocess(settings(max_unreadable=1), paths)
    assert not (Path(paths.cache) / "images.npy").exists()


def test_changed_bytes_are_noticed(tmp_path):
    paths = prepare(tmp_path)
    (tmp_path / "mine/3.png").write_bytes(CONTENTS["4.png"])
    with pytest.raises(IntegrityError, match="changed"):
        preprocess(settings(), paths)


def test_a_vanished_image_is_named(tmp_path):
    paths = prepare(tmp_path)
    (tmp_path / "mine/3.png").unlink()
    with pytest.raises(DataError, match=r"3\.png"):
        preprocess(settings(), paths)


def test_vanished_data_is_explained(tmp_path):
    paths = prepare(tmp_path)
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(DataError, match=r"data\.path"):
        preprocess(settings(), paths)
