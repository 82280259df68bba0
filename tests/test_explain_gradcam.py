"""Grad-CAM: the class activation map where that exists; in the order of the rows."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from small_run import params
from thorax.config import ModelName
from thorax.dataset.loader import Batches
from thorax.explain.gradcam import feature_layer, grad_cam, maps_of
from thorax.models.build import build

QUICK = ["cnn5", "cnn-five-block", "cnn-deep", "resnet18", "densenet121", "efficientnet-b0"]


def cnn5(outputs=2, size=32):
    torch.manual_seed(1)
    return build(params(model={"name": "cnn5"}).model, outputs, size)


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
