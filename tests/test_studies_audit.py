"""The command `thorax audit` finds planted copies of every kind, and nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from small_run import ROOT
from thorax.errors import DataError
from thorax.split.leakage import KINDS
from thorax.studies.audit import overlap_of, read
from thorax.studies.smoke import write_data

REAL = os.environ.get("THORAX_SHARED_DATA")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Files of distinct radiographs, a patient each, by name."""
    folder = write_data("kermany", tmp_path_factory.mktemp("phantoms") / "data")
    files = sorted(folder.rglob("*.jpeg"))
    first = {}
    for path in files:
        first.setdefault(int(re.findall(r"\d+", path.stem)[0]), path)
    return list(first.values())


def write(folder, images):
    """Files by name: bytes as they are, or the file that is copied."""
    for name, content in images.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return folder


def re_encoded(path, quality=60, scale=0.7):
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """The limits on similarity are those of the shipped settings."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def sets(phantoms, tmp_path):
    """A, and B with one planted image of each kind among others that share nothing."""
    a = {f"x/{i}.jpg": path for i, path in enumerate(phantoms[:8])}
    a["x/person7_virus_1.jpg"] = phantoms[8]
    b = {f"y/other{i}.jpg": path for i, path in enumerate(phantoms[9:13])}
    b["y/copy.jpg"] = phantoms[0]
    b["y/again.jpg"] = re_encoded(phantoms[1])
    b["z/2.jpg"] = phantoms[13]
    return write(tmp_path / "a", a), write(tmp_path / "b", b)


def test_each_planted_kind_is_counted_once_and_nothing_else(sets):
    overlap = overlap_of(*sets)
    assert {kind: getattr(overlap, kind).images for kind in KINDS} == {
        "shared_patients": 0, "identical": 1, "near_identical": 1, "same_name": 1,
    }  # fmt: skip
    assert overlap.identical.examples == [("x/0.jpg", "y/copy.jpg")]
    assert overlap.near_identical.examples == [("x/1.jpg", "y/again.jpg")]
    assert overlap.same_name.examples == [("x/2.jpg", "z/2.jpg")]
    assert overlap.images == (9, 7)


def test_shared_patients_are_counted_by_images_and_by_rule(phantoms, tmp_path):
    a = {"person12_bacteria_1.jpeg": phantoms[0], "IM-0001-0001.jpeg": phantoms[1]}
    b = {"person12_virus_2.jpeg": phantoms[2], "IM-0001-0002.jpeg": phantoms[3],
         "IM-0005-0001.jpeg": phantoms[4]}  # fmt: skip
    overlap = overlap_of(write(tmp_path / "a", a), write(tmp_path / "b", b))
    shared = overlap.shared_patients
    assert shared.by_rule == {"conservative": 2, "namespaced": 1}
    assert (shared.images, shared.patients) == (2, 2)


def test_a_manifest_is_read_with_the_fingerprints_of_its_cache(phantoms, tmp_path):
    folder = write(tmp_path / "data", {f"{i}.jpg": path for i, path in enumerate(phantoms[:3])})
    images, fingerprints = read(folder)
    ids = images.ids
    manifest = {"image_id": ids, "location": ids, "patient_id": list("abc"), "official_split": ""}
    pd.DataFrame(manifest | {"sha256": images.sha256}).to_csv(folder / "m.csv", index=False)
    with pytest.raises(DataError, match="dvc repro preprocess"):
        read(folder / "m.csv")
    (folder / "cache").mkdir()
    for name, prints in zip(("hashes", "thumbnails"), fingerprints, strict=True):
        np.save(folder / "cache" / f"{name}.npy", prints)
    pd.DataFrame({"image_id": ids}).to_csv(folder / "cache" / "index.csv", index=False)
    overlap = overlap_of(folder / "m.csv", folder)
    assert (overlap.identical.images, overlap.near_identical.images) == (3, 0)
    assert read(folder / "m.csv")[0].patients == {"as listed": list("abc")}


def audit(*words):
    code = "import sys; from thorax.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "audit", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_command_exits_with_4_when_anything_is_shared_and_0_when_not(sets, phantoms, tmp_path):
    code, text = audit(*sets, "--json", tmp_path / "shared.json")
    assert code == 4
    assert "near_identical" in text
    assert "patients: not known" in text
    assert json.loads((tmp_path / "shared.json").read_text())["identical"]["images"] == 1
    clean = write(tmp_path / "clean", {f"c{i}.jpg": p for i, p in enumerate(phantoms[9:13])})
    assert audit(sets[0], clean)[0] == 0
    code, text = audit(sets[0], tmp_path / "nothing")
    assert code == 3
    assert "does not exist" in text


def test_files_that_are_no_images_are_left_out_and_counted(phantoms, tmp_path, capsys):
    folder = write(tmp_path, {"a.jpg": phantoms[0], "b.jpg": b"no image"})
    assert read(folder)[0].ids == ["a.jpg"]
    assert "1 images" in capsys.readouterr().out


@pytest.mark.skipif(REAL is None, reason="THORAX_SHARED_DATA names no folder of real archives")
def test_real_images_hold_24_groups_of_identical_bytes():
    images, _ = read(Path(REAL) / "kermany-train-224.tar")
    _, counts = np.unique(images.sha256, return_counts=True)
    assert ((counts > 1).sum(), counts[counts > 1].sum()) == (24, 50)
