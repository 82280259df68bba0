"""`thorax predict`: a row for every image, doubts beside it, the same by ONNX and by torch."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from made_up_dicom import dicom
from small_run import ROOT, export_to, finished_run
from thorax.artifacts import Estimate
from thorax.artifacts.model import AtThreshold, Exported
from thorax.contamination import hashes
from thorax.dataset import open_dataset
from thorax.dicom.image import Picture
from thorax.errors import ConfigError, DataError, IntegrityError
from thorax.inference import predict, predictive_value
from thorax.inference.checks import Seen, of_decision, of_file
from thorax.inference.engine import Engine
from thorax.inference.heatmaps import over
from thorax.near_duplicates import fingerprint
from thorax.preprocess.decode import Geometry


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A bundle, and the folder that was exported of it."""
    paths, _ = finished_run()
    folder = tmp_path_factory.mktemp("exported")
    export_to(folder, paths, "# Model card\n")
    return Path(paths.bundle), folder


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Test images as PNG, three of them twice as large."""
    paths, _ = finished_run()
    dataset = open_dataset(paths)
    folder = tmp_path_factory.mktemp("films")
    for row in dataset.held_out("test"):
        image = cv2.resize(dataset.images[row], None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"{row:03}.png"), image if row % 3 else dataset.images[row])
    return folder


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_bundle_and_export_say_the_same_of_every_image(exported, films):
    by_weights, by_onnx = (predict(model, [films], None, None) for model in exported)
    assert by_weights[1] == by_onnx[1] == 0
    rows, others = table(by_weights[0]), table(by_onnx[0])
    assert [row["image"] for row in rows] == sorted(path.name for path in films.iterdir())
    assert list(rows[0])[:4] == ["image", "p_A", "threshold_A", "predicted_A"]
    for row, other in zip(rows, others, strict=True):
        assert row["predicted_A"] == other["predicted_A"]
        assert float(row["p_A"]) == pytest.approx(float(other["p_A"]), abs=1.1e-4)  # four digits
        assert (float(row["p_A"]) >= float(row["threshold_A"])) == (row["predicted_A"] == "1")


def test_folders_archives_and_files_are_read_and_json_is_written(exported, films, tmp_path):
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in films.iterdir():
            packed.write(path, f"some/{path.name}")
    one = next(films.iterdir())
    to = tmp_path / "out.json"
    said, code = predict(exported[1], [archive, one], to, None)
    records = json.loads(to.read_text())
    assert code == 0
    assert records[0]["image"].startswith("films.zip!some/")
    assert records[-1]["image"] == one.name
    assert f"{len(records)} images" in said
    assert "Not a medical device" in said


def test_an_unreadable_file_is_a_row_with_its_reason_and_the_others_go_on(
    exported, films, tmp_path
):
    shutil.copy(next(films.iterdir()), tmp_path / "b.png")
    (tmp_path / "a.png").write_bytes(b"\x89PNG but no picture")
    text, code = predict(exported[1], [tmp_path], None, None)
    broken, good = table(text)
    assert code == DataError.exit_code
    assert "cannot be decoded" in broken["error"]
    assert (broken["p_A"], broken["predicted_A"]) == ("", "")
    assert good["error"] == ""


NOBODY = Seen(frozenset(), np.zeros((0, 32), np.uint8))


def doubts_of(exported, image, atypicality):
    """What is said of an image; `atypicality` of it and of its negative."""
    scores = iter(atypicality)
    about = Exported.read(exported[1] / "export.json").model_copy(update={"atypical": 0.0149})
    nothing = np.zeros(len(about.outputs))
    engine = Engine(about, lambda _: (nothing, nothing, nothing, next(scores)))
    of_the_file = of_file(b"", Picture(image, "", ""), about, NOBODY)
    return [*of_the_file, *of_decision(image, engine(image), engine)]


@pytest.mark.parametrize(("shape", "atypicality", "said"), [
    ((32, 40), [0.9], []),
    ((32, 31), [0.9], ["31 × 32 pixels are fewer than the model's 32 × 32"]),
    ((40, 40), [1.84, 1.7],
     ["unlike the training images (1.8 times the limit; 1.5% of the test images are as well)"]),
    ((40, 40), [9.0, 0.8], ["it looks inverted: bone should be bright"]),
    ((40, 40), [1.2, 0.9],
     ["unlike the training images (1.2 times the limit; 1.5% of the test images are as well)"]),
])  # fmt: skip
def test_what_may_make_the_numbers_worthless_is_said_beside_them(
    exported, shape, atypicality, said
):
    film = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert doubts_of(exported, film, atypicality) == said


def test_an_image_of_the_training_data_is_recognized_also_re_encoded():
    film, other = (
        cv2.GaussianBlur(
            np.random.default_rng(seed).integers(0, 256, (90, 80), np.uint8), (0, 0), 4
        )
        for seed in range(2)
    )
    film, other = (cv2.normalize(each, None, 0, 255, cv2.NORM_MINMAX) for each in (film, other))
    content = cv2.imencode(".png", film)[1].tobytes()
    digest = hashes("image", [hashlib.sha256(content).hexdigest()])[0]
    by_file = Seen(frozenset([digest]), np.zeros((0, 32), np.uint8))
    assert by_file.holds(content, film)
    assert not by_file.holds(content + b" ", film)
    by_picture = Seen(frozenset(), fingerprint(film)[0][None])
    again = cv2.imdecode(cv2.imencode(".jpg", film)[1], cv2.IMREAD_GRAYSCALE)
    for same in (again, cv2.flip(again, 1), 255 - again, cv2.resize(again, (160, 180))):
        assert by_picture.holds(b"", same)
    assert not by_picture.holds(b"", other)


def test_a_predictive_value_is_bayes_rule():
    known = AtThreshold(sensitivity=Estimate(value=0.9), specificity=Estimate(value=0.8))
    assert predictive_value(known, 1, 0.1) == pytest.approx(0.09 / (0.09 + 0.18), abs=1e-4)
    assert predictive_value(known, 0, 0.1) == pytest.approx(0.72 / (0.72 + 0.01), abs=1e-4)
    assert predictive_value(known, None, 0.1) is None
    assert predictive_value(None, 1, 0.1) is None


def test_the_prevalence_adds_predictive_values(exported, films):
    (row, *_) = table(predict(exported[1], [films], None, 0.3)[0])
    assert 0 <= float(row["predictive_value_A"]) <= 1
    with pytest.raises(ConfigError, match="between 0 and 1"):
        predict(exported[1], [films], None, 1.0)


def changed(folder, to, **changes):
    shutil.copytree(folder, to)
    about = json.loads((to / "export.json").read_text())
    (to / "export.json").write_text(json.dumps(about | changes))
    return to


def test_what_does_not_belong_together_or_is_newer_is_refused(exported, films, tmp_path):
    newer = changed(exported[1], tmp_path / "newer", format=99, something="new")
    with pytest.raises(IntegrityError, match="exported by a newer thorax"):
        predict(newer, [films], None, None)
    other = changed(exported[1], tmp_path / "other", model_sha256="0" * 64)
    with pytest.raises(IntegrityError, match="is not the file that"):
        predict(other, [films], None, None)
    (other / "model.onnx").unlink()
    with pytest.raises(DataError, match="Copy the whole export"):
        predict(other, [films], None, None)
    with pytest.raises(DataError, match="neither a bundle"):
        predict(tmp_path, [films], None, None)
    with pytest.raises(DataError, match="No image in"):
        predict(exported[1], [exported[0]], None, None)


ALONE = """
import sys
for name in ("torch", "torchvision", "dvc", "sklearn", "scipy", "lightning_fabric", "altair"):
    sys.modules[name] = None
from thorax.cli import main
sys.argv = ["thorax", "predict", {model!r}, {films!r}]
sys.exit(main())
"""


def test_an_export_needs_neither_torch_nor_dvc(exported, films, tmp_path):
    script = ALONE.format(model=str(exported[1]), films=str(films))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(table(done.stdout)) == len(list(films.iterdir()))
    assert Exported.read(exported[1] / "export.json").outputs == ["A", "B"]


def test_heat_maps_lie_over_the_images_beside_how_far_to_trust_them(exported, films, tmp_path):
    bundle, folder = exported
    text, _ = predict(bundle, [films], heatmaps=tmp_path / "maps")
    drawn = table((tmp_path / "maps" / "heatmaps.csv").read_text())
    assert {row["image"] for row in drawn} == {row["image"] for row in table(text)}
    for row in drawn:
        film = cv2.imread(str(films / row["image"]), cv2.IMREAD_GRAYSCALE)
        shown = cv2.imread(str(tmp_path / "maps" / row["file"]))
        assert shown.shape == (*film.shape, 3)
        assert row["finding"] in "AB"
    outlined = json.loads((bundle.parent / "explanations/localization.json").read_text())["classes"]
    for row in drawn:
        known = outlined.get(row["finding"])
        expected = str(known["model"]["pointing"]["value"]) if known else ""
        assert row["pointing"] == expected
    assert outlined
    with pytest.raises(ConfigError, match="--heatmaps needs gradients"):
        predict(folder, [films], heatmaps=tmp_path)


def test_a_map_lies_where_the_prepared_image_was_cut_from():
    """Cropped by 10 and 20 pixels, half as large, padded by 4 on the left."""
    cam = np.zeros((40, 40), np.float32)
    cam[7, 4 + 9] = 1
    geometry = Geometry(80, 100, 10, 20, 64, 80, 32, 40, 4, 0)
    shown = over(np.zeros((100, 80), np.uint8), cam, geometry)
    red = shown[:, :, 2]
    y, x = np.unravel_index(red.argmax(), red.shape)
    assert abs(y - (20 + 15)) <= 1
    assert abs(x - (10 + 19)) <= 1
    assert not red[:, :10].any()


def test_dicom_is_read_like_any_image_and_its_view_is_doubted(exported, films, tmp_path):
    film = cv2.imread(str(sorted(films.iterdir())[1]), cv2.IMREAD_GRAYSCALE)
    header = {"WindowCenter": "128", "WindowWidth": "256"}
    for name, view in (("a", "PA"), ("b", "LL"), ("c", "")):
        content = dicom(film, ViewPosition=view, PatientID="Doe^Jane", **header)
        (tmp_path / name).write_bytes(content)  # without an ending, as scanners write them
    (tmp_path / "d.dcm").write_bytes(dicom(film, Modality="SR"))
    cv2.imwrite(str(tmp_path / "e.png"), film)
    text, code = predict(exported[1], [tmp_path])
    frontal, lateral, unknown, report, picture = table(text)
    assert frontal["p_A"] == lateral["p_A"] == unknown["p_A"] == picture["p_A"]
    assert "view" not in frontal["warnings"] + picture["warnings"]
    assert "a lateral view" in lateral["warnings"]
    assert "the header does not tell the view" in unknown["warnings"]
    assert report["error"] == "is set aside: other modality"
    assert code == DataError.exit_code
    assert "Doe" not in text


def test_a_bundle_with_another_file_or_without_one_is_refused(exported, films, tmp_path):
    bundle = shutil.copytree(exported[0], tmp_path / "bundle")
    weights = bundle / "0" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(IntegrityError, match="is not the file that"):
        predict(bundle, [films])
    weights.unlink()
    with pytest.raises(DataError, match=r"is missing\. Copy the whole bundle"):
        predict(bundle, [films])


def test_without_a_readable_image_there_is_no_table_of_heat_maps(exported, tmp_path):
    """It was a traceback about an empty list."""
    (tmp_path / "a.png").write_bytes(b"\x89PNG but no picture")
    text, code = predict(exported[0], [tmp_path], heatmaps=tmp_path / "maps")
    assert code == DataError.exit_code
    assert "cannot be decoded" in text
    assert not (tmp_path / "maps").exists()
