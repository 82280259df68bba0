"""What is exported decides as the pipeline does, and says what its numbers mean."""

import json
import shutil
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
import torchvision
import yaml
from safetensors.torch import load_file

from small_run import export_to, finished_run, params
from thorax.artifacts.model import Exported, ModelFile, OperatingPoints, Parity
from thorax.bundle.about import ABOUT, ONNX as MODEL, Bundle, describe, outside
from thorax.bundle.graph import Classifier, Prepare
from thorax.config.training import ModelName
from thorax.dataset import open_dataset
from thorax.errors import DataError, IntegrityError
from thorax.evaluate import freeze
from thorax.export import PARITY, export
from thorax.export.hugging_face import published
from thorax.export.onnx_file import write_onnx
from thorax.io import read_csv
from thorax.metrics.scaling import scale
from thorax.models.build import build
from thorax.models.inference import load, save
from thorax.preprocess.decode import resize
from thorax.typicality import Typicality, atypicality, thumbnails

CARD = "# Model card: a small network\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run, and what was exported of it, by task and folds; each made once."""
    made = {}

    def make(task="multi-label", folds=1, val=False):
        key = task, folds, val
        if key not in made:
            paths, _ = finished_run(task, folds, val=val)
            folder = tmp_path_factory.mktemp("export")
            made[key] = paths, folder, export_to(folder, paths, CARD)
        return made[key]

    return make


def session(folder):
    return onnxruntime.InferenceSession(folder / MODEL)


@pytest.mark.parametrize(
    ("task", "folds", "val"),
    [("multi-label", 1, False), ("binary", 1, False), ("multi-class", 1, False),
     ("multi-label", 2, True), ("multi-class", 2, True)],
)  # fmt: skip
def test_the_graph_gives_what_the_pipeline_evaluated(exported, task, folds, val):
    """Probabilities calibrated as reported, decisions as in evaluation/test.csv."""
    paths, folder, _ = exported(task, folds, val)
    dataset = open_dataset(paths)
    points = OperatingPoints.read(Path(paths.bundle) / "operating_points.json")
    test = read_csv(Path(paths.evaluation) / "test.csv").merge(
        read_csv(Path(paths.predictions) / "test.csv"), on="image_id"
    )
    model = session(folder)
    rows = dataset.rows_of(test["image_id"])
    for row, (_, line) in zip(rows, test.iterrows(), strict=True):
        outputs = model.run(None, {"image": np.ascontiguousarray(dataset.images[row])})
        probability, predicted, spread, _ = outputs
        chosen = [name for name, d in zip(dataset.outputs, predicted, strict=True) if d]
        assert "|".join(chosen) == line["predicted"]
        z = np.array([[float(line[f"logit_{name}"]) for name in dataset.outputs]])
        scaled = scale(z, points.scaling)
        exp = np.exp(scaled)
        expected = exp / exp.sum() if task == "multi-class" else 1 / (1 + 1 / exp)
        np.testing.assert_allclose(probability, expected[0], atol=1e-5)
        assert (spread > 0).any() == (folds > 1)


def test_thresholds_stand_on_the_scale_of_the_probabilities(exported):
    paths, folder, _ = exported()
    about = Exported.read(folder / ABOUT)
    dataset, model = open_dataset(paths), session(folder)
    limits = np.array([about.thresholds[name] for name in about.outputs])
    for row in dataset.held_out("test"):
        probability, predicted, *_ = model.run(None, {"image": dataset.images[row]})
        assert ((probability >= limits) == predicted).all()


def test_the_file_says_what_its_numbers_mean(exported):
    paths, folder, said = exported()
    about = Exported.read(folder / ABOUT)
    metadata = session(folder).get_modelmeta().custom_metadata_map
    inside = Exported.model_validate_json(metadata["thorax"])
    assert inside == about.model_copy(update={"model_sha256": ""})
    assert metadata["classes"] == ", ".join(about.outputs)
    assert "Not a medical device" in metadata["use"]
    assert set(about.performance) == set(about.outputs)
    assert about.test_set in (f"{n} images of {p} patients" for n in range(99) for p in range(99))
    assert "every decision is the same" in said
    parity = Parity.read(folder / PARITY)
    assert parity.images == len(open_dataset(paths).held_out("test"))
    assert parity.max_abs_difference < 1e-5


def test_no_patient_leaves_with_the_export(exported):
    paths, folder, _ = exported()
    seen = json.loads((folder / "trained_on.json").read_text())
    assert seen["patients"] == []
    assert len(seen["images"]) > 10
    everything = b"".join(path.read_bytes() for path in folder.rglob("*.*"))
    for patient in set(open_dataset(paths).table["patient_id"]):
        assert patient.encode() not in everything or len(patient) < 4


def test_a_graph_that_decides_otherwise_is_refused(exported, tmp_path, monkeypatch):
    paths, folder, _ = exported()
    monkeypatch.chdir(Path(paths.bundle).parent)

    def other_bundle(_classifier, _about, path):
        shutil.copyfile(broken / MODEL, path)

    broken = tmp_path / "broken"
    broken.mkdir()
    model = (folder / MODEL).read_bytes()
    about = Exported.read(folder / ABOUT)
    loaded = Classifier(Bundle.open(Path(paths.bundle))).eval()
    loaded.threshold.zero_()
    write_onnx(loaded, about, broken / MODEL)
    assert (broken / MODEL).read_bytes() != model
    monkeypatch.setattr("thorax.export.write_onnx", other_bundle)
    with pytest.raises(IntegrityError, match="does not decide as the bundle does"):
        export(Path(paths.bundle), tmp_path / "again", paths)
    assert not (tmp_path / "again" / ABOUT).exists()


def test_no_bundle_no_export(tmp_path):
    with pytest.raises(DataError, match=r"operating_points\.json does not exist"):
        export(tmp_path, tmp_path / "to", finished_run()[0])


def picture(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize("keep_aspect", [False, True])
@pytest.mark.parametrize(
    "size", [(64, 64), (128, 128), (192, 192), (211, 301), (640, 200), (97, 65), (1955, 1841)]
)
def test_reducing_inside_of_the_graph_equals_the_cache(size, keep_aspect):
    """Bit by bit in most images; half a gray level of rounding apart in a pixel here and there."""
    settings = params(preprocess={"image_size": 64, "keep_aspect": keep_aspect}).preprocess
    image = picture(*size)
    inside = Prepare(settings)(torch.from_numpy(image)).numpy()
    expected = resize(image, settings)[0]
    assert np.abs(inside - expected).max() <= 1
    assert (inside != expected).mean() < 0.005


@pytest.mark.parametrize("changes", [
    {"interpolation": "linear"}, {"interpolation": "nearest"}, {"blur_kernel": 5},
    {"blur_kernel": 7, "keep_aspect": True}, {"image_size": 300}, {"keep_aspect": True},
])  # fmt: skip
def test_every_setting_inside_of_the_graph_is_within_a_gray_level(changes):
    settings = params(preprocess={"image_size": 64, **changes}).preprocess
    for size in ((150, 210), (200, 90)):
        image = picture(*size)
        inside = Prepare(settings)(torch.from_numpy(image)).numpy()
        assert np.abs(inside - resize(image, settings)[0]).max() <= 1


def test_what_the_graph_leaves_out_is_named():
    assert outside(params().preprocess) == []
    changes = {"crop_borders": True, "clahe_clip": 2.0, "interpolation": "lanczos"}
    assert outside(params(preprocess=changes).preprocess) == [
        "crop_borders", "clahe_clip", "interpolation lanczos",
    ]  # fmt: skip


def test_the_typicality_inside_of_the_graph_equals_the_one_of_the_pipeline(exported):
    paths, folder, _ = exported()
    dataset, model = open_dataset(paths), session(folder)
    rows = dataset.held_out("test")
    typical = [Typicality.read(Path(paths.bundle) / "0")]
    expected = atypicality(typical, thumbnails(dataset.images, rows))
    found = [model.run(["atypicality"], {"image": dataset.images[row]})[0] for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_card_has_a_front_matter_and_the_configuration_the_classes(exported):
    _, folder, _ = exported()
    matter, _, card = (folder / "README.md").read_text().removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(matter)["pipeline_tag"] == "image-classification"
    assert card.strip() == CARD.strip()
    about = Exported.read(folder / ABOUT)
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    assert list(labels.values()) == about.outputs


QUICK = {"cnn5", "resnet18"}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
     for name in get_args(ModelName)],
)  # fmt: skip
def test_every_architecture_exports_and_computes_the_same(tmp_path, name):
    """With random weights, and with batch statistics that are not those of initialization."""
    paths, _ = finished_run()
    bundle = shutil.copytree(paths.bundle, tmp_path / "bundle")
    model = ModelFile.read(bundle / "0" / "model.json")
    preprocess = model.preprocess.model_copy(update={"image_size": 64})
    architecture = model.model.model_copy(update={"name": name})
    model = model.model_copy(update={"model": architecture, "preprocess": preprocess})
    torch.manual_seed(0)
    network = build(architecture, len(model.outputs), 64)
    network.train()(torch.randn(4, 1, 64, 64))
    save(model, network.state_dict(), bundle / "0")
    freeze(bundle, OperatingPoints.read(bundle / "operating_points.json"))
    opened = Bundle.open(bundle)
    classifier = Classifier(opened).eval()
    write_onnx(classifier, describe(opened), tmp_path / MODEL)
    ours, theirs = classifier, session(tmp_path)
    for size in ((64, 64), (150, 130)):
        image = picture(*size)
        with torch.inference_mode():
            expected = ours(torch.from_numpy(image))
        for found, figure in zip(theirs.run(None, {"image": image}), expected, strict=True):
            np.testing.assert_allclose(found, figure.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121"])
def test_three_lines_of_torchvision_load_the_weights(tmp_path, name):
    paths, _ = finished_run()
    model, _ = load(Path(paths.bundle) / "0")
    model = model.model_copy(update={"model": model.model.model_copy(update={"name": name})})
    network = build(model.model, len(model.outputs), 64).eval()
    save(model, network.state_dict(), tmp_path)
    weights = published(load_file(tmp_path / "weights.safetensors"), model)
    theirs = torchvision.models.get_model(name, num_classes=len(model.outputs)).eval()
    theirs.load_state_dict(weights)
    gray = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(theirs(gray.repeat(1, 3, 1, 1)), network(gray))
