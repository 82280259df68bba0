"""What would stop a run is found before DVC starts: every mistake ends with what to do."""

import os
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from thorax import doctor
from thorax.errors import ConfigError, DataError, ResourceError

ROOT = Path(__file__).resolve().parent.parent
CARD = (
    "file: t.csv\nimage: name\npatient: who\nlabels: {mass: Mass}\npresent: ['1']\nabsent: ['0']\n"
)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Shipped settings, and eight images with a table and a card beside them."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data/local").mkdir(parents=True)
    for number in range(8):
        folder = tmp_path / "own" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), np.full((9, 9), 9 * number, np.uint8))
    rows = "".join(f"{number}.png,p{number},{number % 2}\n" for number in range(8))
    (tmp_path / "own/t.csv").write_text("name,who,mass\n" + rows)
    (tmp_path / "card.yaml").write_text(CARD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


TABLE = ["data.source=table", "data.path=own", "data.card=card.yaml"]
FOLDER = ["data.source=folder", "data.path=own"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "will be generated"),
        (FOLDER, r"8 images, binary: a, b \(positive: b\)"),
        (TABLE, "8 images, multi-label: Mass"),
        (["data.source=kermany"], r"1\.2 GB will be downloaded"),
    ],
)
def test_what_a_run_opens_is_opened(checkout, overrides, said):
    text = doctor.doctor(overrides)
    assert text.endswith("Ready.")
    assert re.search(said, text)
    assert "cnn5, starting weights: none" in text


@pytest.mark.parametrize(
    ("overrides", "error", "says"),
    [
        (["train.epoch=3"], ConfigError, r"train\.epoch: unknown key; did you mean epochs\?"),
        (["train.epochs"], ConfigError, "write KEY=VALUE"),
        (["split.folds=zero"], ConfigError, r"split\.folds"),
        (["data.path=/nope"], DataError, r"data\.path.*'/nope', which does not exist"),
        (["data.path=''"], ConfigError, r"data\.path"),
        (["data.source=table", "data.path=own"], ConfigError, r"data\.card.*is null"),
        ([*TABLE, "data.card=none.yaml"], ConfigError, r"data\.card.*does not exist.*thorax card"),
        ([*TABLE, "data.card={file: t.csv, image: name, label: who}"], ConfigError, "labels"),
        ([*FOLDER, "data.positive=c"], DataError, r"data\.positive is 'c'"),
        (["train.class_weights={Effusionn: 3.0}"], ConfigError, "class_weights names Effusionn"),
        ([*FOLDER, "train.class_weights={a: 3.0}"], ConfigError, "class_weights names a"),
        (["model.weights=nope.pth"], ConfigError, r"model\.weights: .*nope\.pth does not exist"),
        (["train.devices=4"], ConfigError, r"train\.devices is 4, but torch can use 0 GPUs"),
    ],
)
def test_every_mistake_ends_not_ready_with_what_to_do(
    checkout, monkeypatch, overrides, error, says
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(error, match=r"^Not ready\. (.|\n)*" + says):
        doctor.doctor(overrides)


def test_columns_words_and_missing_images_of_a_table_are_checked(checkout):
    (checkout / "card.yaml").write_text(CARD.replace("who", "patient"))
    with pytest.raises(DataError, match=r"lacks the columns patient.*it has name, who, mass"):
        doctor.doctor(TABLE)
    (checkout / "card.yaml").write_text(CARD.replace("['0']", "['no']"))
    with pytest.raises(DataError, match=r"column mass: '0' \(4 rows\)"):
        doctor.doctor(TABLE)
    (checkout / "card.yaml").write_text(CARD)
    (checkout / "own/a/0.png").unlink()
    with pytest.raises(DataError, match=r"1 of 8 images .* are not under own: 0\.png \(row 2\)"):
        doctor.doctor(TABLE)


def test_a_folder_without_a_readable_image_is_refused(checkout):
    for path in Path("own").rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"The first 3 images under .* cannot be read"):
        doctor.doctor(FOLDER)
    for path in Path("own").rglob("*.png"):
        path.rename(path.with_suffix(".dcm"))
    with pytest.raises(DataError, match="but no image"):
        doctor.doctor(FOLDER)


def test_weights_that_do_not_fit_are_refused(checkout):
    Path("other.pth").write_bytes(b"no weights")
    with pytest.raises(doctor.ThoraxError, match=r"other\.pth is no weights file"):
        doctor.doctor(["model.weights=other.pth"])


def test_weights_that_cannot_be_fetched_say_where_to_put_them(checkout, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(checkout))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(ResourceError, match=r"Download https://(.|\n)*put the file into"):
        doctor.doctor(["model.name=resnet18", "model.weights=imagenet"])


def test_a_disk_too_small_for_the_download_is_said_beforehand(checkout, monkeypatch):
    almost = shutil._ntuple_diskusage(10**12, 10**12, 45 * 10**9)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: almost)
    assert "45 GB free" in doctor.doctor()
    with pytest.raises(ResourceError, match=r"45\.0 GB are free .* about 47\.\d GB are needed"):
        doctor.doctor(["data.source=nih"])


def test_all_reasons_are_given_at_once(checkout):
    with pytest.raises(DataError, match=r"'/nope'(.|\n)*nope\.pth"):
        doctor.doctor(["data.path=/nope", "model.weights=nope.pth"])


def test_another_python_on_the_path_is_refused(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(ConfigError, match=r"python and dvc is not on the path.*source .*activate"):
        doctor.doctor()
    python = checkout / "python"
    python.write_text("#!/bin/sh\necho /elsewhere\n")
    shutil.copy(python, checkout / "dvc")
    for name in ("python", "dvc"):
        (checkout / name).chmod(0o755)
    with pytest.raises(ConfigError, match=r"not thorax's own.*source .*activate"):
        doctor.doctor()


def test_large_compressed_tars_are_not_unpacked_for_it(checkout, monkeypatch):
    monkeypatch.setattr("thorax.survey.GLANCE", 1)
    (checkout / "own/x.tar.gz").write_bytes(b"unread")
    assert "not looked through" in doctor.doctor(FOLDER)
