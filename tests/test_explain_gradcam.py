"""Localisation: regions land where they belong, scores are those by hand, chance is named."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from small_run import params, write_run
from thorax.archives import Survey, survey
from thorax.download.annotations import regions
from thorax.evaluate import evaluate
from thorax.explain.gradcam import grad_cam
from thorax.explain.localization import evenly, iou, likeness, masks_of, pointing, randomise, scored
from thorax.models.build import build
from thorax.preprocess.decode import prepare
from thorax.train.loop import train
from thorax_phantom import write_archive

NIH = b"""Image Index,Finding Label,Bbox [x,y,w,h],,,
a.png,Infiltrate,10.5,20,30,40,,,
b.png,Mass,1,2,3,4,,,
"""


OUTLINES = b"""Image Index,Finding Label,Outline
b.png,Mass,1 1 4 1 4 4;2 2 3 2 3 3
"""


def test_boxes_are_read_by_position_and_infiltrate_is_infiltration():
    found = regions(Survey(Path(), {}, {"x.zip!BBox_List_2017.csv": NIH, "other.csv": b"a,b\n"}))
    assert found.to_dict("records")[0] == {
        "image_id": "a.png", "finding": "Infiltration", "rings": "10.5 20 40.5 20 40.5 60 10.5 60",
    }  # fmt: skip
    assert len(found) == 2
    assert regions(Survey(Path(), {}, {})).empty


def test_an_exact_outline_replaces_the_box_of_the_same_finding_only():
    tables = {"BBox_List_2017.csv": NIH, "outlines.csv": OUTLINES}
    found = regions(Survey(Path(), {}, tables)).set_index("image_id")["rings"]
    assert found.to_dict() == {
        "b.png": "1 1 4 1 4 4;2 2 3 2 3 3", "a.png": "10.5 20 40.5 20 40.5 60 10.5 60",
    }  # fmt: skip


def test_a_phantoms_mask_comes_back_from_the_archive(tmp_path):
    write_archive(
        tmp_path / "p.zip", patients=30, pixels=96, seed=1, marker_correlation=0.0,
        marker_label="Nodule",
    )  # fmt: skip
    found = regions(survey(tmp_path / "p.zip", "read"))
    size = dict.fromkeys(["width", "height", "crop_width", "crop_height", "new_width",
                          "new_height"], 96)  # fmt: skip
    place = pd.Series(size | dict.fromkeys(["crop_x", "crop_y", "pad_x", "pad_y"], 0))
    index = pd.DataFrame(dict.fromkeys(found["image_id"].unique(), place)).T
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        masks = [name for name in archive.namelist() if name.startswith("masks/")]
        assert len(masks) > 20
        for name in masks:
            image, _, finding = name.removeprefix("masks/").removesuffix(".png").rpartition("_")
            truth = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), 0) > 0
            (mask,) = masks_of(found, index, [f"{image}.png"], finding, 96)
            assert (mask != truth).sum() <= max(2, 0.04 * truth.sum()), name


@pytest.mark.parametrize("changes", [{}, {"keep_aspect": True}, {"crop_borders": True}])
def test_a_box_follows_the_image_through_crop_and_resize(changes):
    image = np.zeros((200, 300), np.uint8)
    image[20:180, 30:270] = 60
    image[80:120, 150:210] = 255  # what the box is drawn around
    settings = params(preprocess={"image_size": 64, "clahe_clip": None, **changes}).preprocess
    cached, geometry = prepare(image, settings)
    index = pd.DataFrame([vars(geometry)], index=["a.png"])
    box = {"image_id": "a.png", "finding": "F", "rings": "150 80 210 80 210 120 150 120"}
    (mask,) = masks_of(pd.DataFrame([box]), index, ["a.png"], "F", 64)
    bright = cached > 150
    assert (mask & bright).sum() / (mask | bright).sum() > 0.85


def test_boxes_of_one_finding_join_and_others_do_not_count():
    index = pd.DataFrame(
        [dict.fromkeys(["width", "height", "crop_width", "crop_height", "new_width", "new_height"],
                       10) | dict.fromkeys(["crop_x", "crop_y", "pad_x", "pad_y"], 0)],
        index=["a"],
    )  # fmt: skip
    table = pd.DataFrame(
        {"image_id": "a", "finding": ["F", "F", "G"],
         "rings": ["0 0 2 0 2 2 0 2", "8 8 17 8 17 10 8 10", "4 4 6 4 6 6 4 6"]}
    )  # fmt: skip
    (mask,) = masks_of(table, index, ["a"], "F", 10)
    assert mask[:2, :2].all()
    assert mask[8:, 8:].all()
    assert mask.sum() == 8


def test_a_hole_is_not_marked_and_a_speck_is_one_pixel():
    size = dict.fromkeys(["width", "height", "crop_width", "crop_height"], 40)
    place = size | {"new_width": 10, "new_height": 10}
    index = pd.DataFrame([place | dict.fromkeys(["crop_x", "crop_y", "pad_x", "pad_y"], 0)], ["a"])
    ring = "0 0 40 0 40 40 0 40;12 12 28 12 28 28 12 28"
    table = pd.DataFrame(
        {"image_id": "a", "finding": ["F", "G"], "rings": [ring, "21 21 22 21 22 22 21 22"]}
    )
    (mask,) = masks_of(table, index, ["a"], "F", 10)
    assert mask.sum() == 100 - 16
    assert not mask[3:7, 3:7].any()
    (mask,) = masks_of(table, index, ["a"], "G", 10)
    assert np.argwhere(mask).tolist() == [[5, 5]]


def test_scores_by_hand():
    maps = np.zeros((3, 4, 4), np.float32)
    maps[0, 0, 0], maps[0, 0, 1], maps[0, 3, 3] = 1.0, 0.6, 0.4
    maps[1, 3, 3] = 1.0
    masks = np.zeros((3, 4, 4), bool)
    masks[:, :2, :2] = True
    assert pointing(maps, masks).tolist() == [1, 0, 0]
    assert iou(maps, masks).tolist() == [2 / 4, 0, 0]
    found = scored(maps, masks, pd.Series(["a", "b", "b"]), 100)
    assert (found["pointing"], found["iou"], found["area"]) == (0.3333, 0.1667, 0.25)
    assert found["pointing_low"] <= found["pointing"] <= found["pointing_high"]


def test_a_random_point_hits_as_often_as_the_mask_is_large():
    rng = np.random.default_rng(0)
    maps = rng.random((4000, 8, 8)).astype(np.float32)
    masks = np.zeros((4000, 8, 8), bool)
    masks[:, :4, :2] = True
    found = scored(maps, masks, pd.Series(np.arange(4000).astype(str)), 0)
    assert found["pointing"] == pytest.approx(found["area"], abs=0.02)
    assert found["pointing_low"] is None


def test_randomising_all_layers_changes_the_map_and_none_does_not():
    torch.manual_seed(1)
    network = build(params(model={"name": "cnn5"}).model, 1, 32)
    x = torch.rand(6, 1, 32, 32)
    zeros = np.zeros(6, int)
    own = grad_cam(network, x, zeros, "features.2")
    assert likeness(own, grad_cam(network, x, zeros, "features.2")) == 1.0
    before = network.features[0][0].weight.clone()
    randomise(network, 0.0, seed=3)
    assert torch.equal(network.features[0][0].weight, before)
    randomise(network, 1.0, seed=3)
    assert not torch.equal(network.features[0][0].weight, before)
    after = grad_cam(network, x, zeros, "features.2")
    assert likeness(own, after) is None or likeness(own, after) < 0.9
    randomise(network, 1.0, seed=3)
    assert isinstance(network, nn.Module)
    assert np.array_equal(after, grad_cam(network, x, zeros, "features.2"))


def test_spread_evenly():
    assert evenly(list("abc"), 5) == ["a", "b", "c"]
    assert evenly([str(i) for i in range(100)], 4) == ["12", "37", "62", "87"]


def test_a_model_that_learnt_a_square_points_at_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = write_run(tmp_path, images=120)
    settings = params(train={"epochs": 12, "patience": 12}, augment={"shift": 0.0})
    train(0, settings.model, settings.train, settings.augment, paths)
    evaluate(settings.evaluate, [0], paths)
    found = json.loads((Path(paths.predictions) / "localisation.json").read_text())
    assert list(found["per_class"]) == ["A"]
    model, random = (found["per_class"]["A"][key] for key in ("model", "random"))
    assert model["images"] == random["images"] > 3
    assert model["area"] == pytest.approx(12 * 12 / 32**2, abs=1e-3)
    assert [step["layers"] for step in found["cascade"]] == [
        "head", "last quarter", "last half", "all layers",
    ]  # fmt: skip
    assert model["iou"] > random["iou"]
