"""Grad-CAM: the class activation map where that exists; regions land where they belong."""

import zipfile
from typing import get_args

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from small_run import params
from thorax.archives import survey
from thorax.config import ModelName
from thorax.dataset import GEOMETRY
from thorax.dataset.loader import Batches
from thorax.download.annotations import read_annotations
from thorax.explain.gradcam import (
    feature_layer,
    grad_cam,
    iou,
    maps_of,
    masks_of,
    pointing,
    randomize,
    score,
    similarity,
)
from thorax.metrics.bootstrap import resample
from thorax.models.build import build
from thorax.preprocess.decode import resize
from thorax_phantom import write_archive

QUICK = ["cnn5", "cnn-five-block", "cnn-deep", "resnet18", "densenet121", "efficientnet-b0"]


def cnn5(outputs=2, size=32):
    torch.manual_seed(1)
    return build(params(model={"name": "cnn5"}).model, outputs, size)


def geometry(ids, size, cached):
    """Of square images that were only resized."""
    place = {name: 0 if name.endswith(("_x", "_y")) else size for name in GEOMETRY}
    return pd.DataFrame([place | {"new_width": cached, "new_height": cached}] * len(ids), ids)


def regions(**polygons):
    """Annotations of one image, a polygon per finding."""
    return pd.DataFrame(
        {"image_id": "a", "finding": list(polygons), "polygons": list(polygons.values())}
    )


class TestMaps:
    def test_equal_the_class_activation_map_of_a_network_with_global_average_pooling(self):
        """Zhou et al. 2016: there the map is the sum of features times the last layer's weights."""
        torch.manual_seed(0)
        features = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU())
        head = nn.Linear(6, 3)
        network = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
        x, outputs = torch.rand(4, 1, 16, 16), np.array([0, 1, 2, 1])
        layer = feature_layer(network, x)
        assert layer == "0"
        with torch.inference_mode():
            maps = torch.einsum("bk,bkhw->bhw", head.weight[outputs], features(x)).relu()
            expected = maps / maps.amax(dim=(1, 2), keepdim=True)
        np.testing.assert_allclose(grad_cam(network, x, outputs, layer), expected, atol=1e-5)

    def test_are_taken_before_the_last_pooling(self):
        network = cnn5(size=96)
        layer = feature_layer(network, torch.zeros(1, 1, 96, 96))
        kept = []
        network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output: kept.append(output.shape)
        )
        network(torch.zeros(2, 1, 96, 96))
        assert kept[-1][2:] == (6, 6)

    @pytest.mark.parametrize(
        "name",
        [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in get_args(ModelName)],
    )
    def test_have_the_images_extent_on_every_network(self, name):
        torch.manual_seed(0)
        network = build(params(model={"name": name}).model, 2, 64)
        x = torch.rand(2, 1, 64, 64)
        layer = feature_layer(network, x)
        maps = grad_cam(network, x, np.array([0, 1]), layer)
        assert maps.shape == (2, 64, 64)
        assert np.isfinite(maps).all()
        assert 0 <= maps.min() <= maps.max() <= 1 + 1e-6
        assert not layer.startswith(("head", "fc", "classifier", "_fc"))

    def test_come_in_the_order_of_the_rows_and_batches_no_larger_than_asked_for(self):
        pixels = np.random.default_rng(0).integers(0, 255, (9, 32, 32)).astype(np.uint8)
        batches = Batches(pixels, [0.5], [0.2], torch.device("cpu"), channels_last=False)
        network, sizes = cnn5(), []
        network.register_forward_pre_hook(lambda _module, inputs: sizes.append(len(inputs[0])))
        rows, outputs = np.array([5, 0, 8, 3, 2]), np.array([0, 1, 1, 0, 0])
        maps, layer = maps_of(network, batches, rows, outputs, 2)
        assert layer == "features.4.2"  # before the last pooling
        assert max(sizes) <= 2
        alone = [maps_of(network, batches, rows[[i]], outputs[[i]], 1)[0][0] for i in range(5)]
        np.testing.assert_allclose(maps, alone, atol=1e-4)
        nothing, _ = maps_of(network, batches, rows[:0], outputs[:0], 2)
        assert nothing.shape == (0, 32, 32)


class TestMasks:
    def test_of_a_phantom_come_back_from_the_archive(self, tmp_path):
        write_archive(
            tmp_path / "p.zip", patients=30, pixels=96, seed=1, marker_correlation=0.0,
            marker_label="Nodule",
        )  # fmt: skip
        annotations = read_annotations(survey(tmp_path / "p.zip", "read"))
        places = geometry(annotations["image_id"].unique(), 96, 96)
        with zipfile.ZipFile(tmp_path / "p.zip") as archive:
            names = [name for name in archive.namelist() if name.startswith("masks/")]
            assert len(names) > 20
            for name in names:
                image, _, finding = name.removeprefix("masks/").removesuffix(".png").rpartition("_")
                truth = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), 0) > 0
                (mask,) = masks_of(annotations, places, [f"{image}.png"], finding, 96)
                assert (mask != truth).sum() <= max(2, 0.04 * truth.sum()), name

    @pytest.mark.parametrize("changes", [{}, {"keep_aspect": True}, {"crop_borders": True}])
    def test_follow_the_image_through_crop_and_resize(self, changes):
        image = np.zeros((200, 300), np.uint8)
        image[20:180, 30:270] = 60
        image[80:120, 150:210] = 255  # what the box is drawn around
        settings = params(preprocess={"image_size": 64, "clahe_clip": None, **changes}).preprocess
        cached, place = resize(image, settings)
        box = regions(F="150 80 210 80 210 120 150 120")
        (mask,) = masks_of(box, pd.DataFrame([vars(place)], index=["a"]), ["a"], "F", 64)
        bright = cached > 150
        assert (mask & bright).sum() / (mask | bright).sum() > 0.85

    def test_boxes_of_one_finding_join_and_others_do_not_count(self):
        boxes = pd.concat(
            [regions(F="0 0 2 0 2 2 0 2", G="4 4 6 4 6 6 4 6"), regions(F="8 8 17 8 17 10 8 10")]
        )
        (mask,) = masks_of(boxes, geometry(["a"], 10, 10), ["a"], "F", 10)
        assert mask[:2, :2].all()
        assert mask[8:, 8:].all()
        assert mask.sum() == 8

    def test_a_hole_is_not_marked_and_a_speck_is_one_pixel(self):
        hole = "0 0 40 0 40 40 0 40;12 12 28 12 28 28 12 28"
        drawn = regions(F=hole, G="21 21 22 21 22 22 21 22")
        (mask,) = masks_of(drawn, geometry(["a"], 40, 10), ["a"], "F", 10)
        assert mask.sum() == 100 - 16
        assert not mask[3:7, 3:7].any()
        (mask,) = masks_of(drawn, geometry(["a"], 40, 10), ["a"], "G", 10)
        assert np.argwhere(mask).tolist() == [[5, 5]]


def replicates(patients, n_bootstrap):
    return resample(pd.Series(patients).astype(str), n_bootstrap, 0)


class TestScore:
    def test_by_hand(self):
        maps = np.zeros((3, 4, 4), np.float32)
        maps[0, 0, 0], maps[0, 0, 1], maps[0, 3, 3] = 1.0, 0.6, 0.4
        maps[1, 3, 3] = 1.0
        masks = np.zeros((3, 4, 4), bool)
        masks[:, :2, :2] = True
        assert pointing(maps, masks).tolist() == [1, 0, 0]
        assert iou(maps, masks).tolist() == [2 / 4, 0, 0]
        found = score(maps, masks, replicates(list("abb"), 100))
        assert (found.pointing.value, found.iou.value, found.area) == (0.3333, 0.1667, 0.25)
        assert found.pointing.low <= found.pointing.value <= found.pointing.high
        assert (found.images, found.patients) == (3, 2)

    def test_a_random_point_hits_as_often_as_the_mask_is_large(self):
        maps = np.random.default_rng(0).random((4000, 8, 8)).astype(np.float32)
        masks = np.zeros((4000, 8, 8), bool)
        masks[:, :4, :2] = True
        found = score(maps, masks, replicates(np.arange(4000), 0))
        assert found.pointing.value == pytest.approx(found.area, abs=0.02)
        assert found.pointing.low is None


class TestRandomize:
    def test_all_layers_change_the_map_and_the_head_alone_leaves_the_features(self):
        network, x, zeros = cnn5(outputs=1), torch.rand(6, 1, 32, 32), np.zeros(6, int)

        def maps():
            return grad_cam(network, x, zeros, "features.2")

        trained = maps()
        assert similarity(trained, maps()) == 1.0
        first = network.features[0][0].weight.clone()
        head = {key: value.clone() for key, value in network.head.state_dict().items()}
        randomize(network, 0.0, seed=3)
        assert torch.equal(network.features[0][0].weight, first)
        assert any(not torch.equal(head[k], v) for k, v in network.head.state_dict().items())
        randomize(network, 1.0, seed=3)
        assert not torch.equal(network.features[0][0].weight, first)
        randomized = maps()
        alike = similarity(trained, randomized)
        assert alike is None or alike < 0.9
        randomize(network, 1.0, seed=3)
        np.testing.assert_array_equal(randomized, maps())

    def test_flat_maps_have_no_similarity(self):
        flat, ramp = np.zeros((1, 4, 4), np.float32), np.arange(16, dtype=np.float32)
        ramp = ramp.reshape(1, 4, 4)
        assert similarity(flat, ramp) is None
        assert similarity(ramp, 2 * ramp) == 1
        assert similarity(ramp, -ramp) == -1
