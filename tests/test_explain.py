"""Grad-CAM: equal to the class activation map where that exists, and on every network."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from small_run import params
from thorax.config import ModelName
from thorax.explain.gradcam import feature_layer, grad_cam
from thorax.models.build import build

QUICK = ["cnn5", "cnn-five-block", "cnn-deep", "resnet18", "densenet121", "efficientnet-b0"]


def test_equals_the_class_activation_map_of_a_network_with_global_average_pooling():
    """Zhou et al. 2016: there the map is the sum of features times the last layer's weights."""
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU())
    head = nn.Linear(6, 3)
    network = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    x = torch.rand(4, 1, 16, 16)
    outputs = np.array([0, 1, 2, 1])
    layer = feature_layer(network, x)
    assert layer == "0"
    with torch.inference_mode():
        maps = torch.einsum("bk,bkhw->bhw", head.weight[outputs], features(x)).relu()
        expected = maps / maps.amax(dim=(1, 2), keepdim=True)
    np.testing.assert_allclose(grad_cam(network, x, outputs, layer), expected, atol=1e-5)


def test_the_map_is_taken_before_the_last_pooling():
    network = build(params(model={"name": "cnn5"}).model, 2, 96)
    layer = feature_layer(network, torch.zeros(1, 1, 96, 96))
    kept = []
    network.get_submodule(layer).register_forward_hook(lambda *given: kept.append(given[2].shape))
    network(torch.zeros(2, 1, 96, 96))
    assert kept[-1][2:] == (6, 6)


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in get_args(ModelName)],
)
def test_every_network_is_explained_by_a_map_of_the_images_extent(name):
    torch.manual_seed(0)
    network = build(params(model={"name": name}).model, 2, 64)
    x = torch.rand(2, 1, 64, 64)
    layer = feature_layer(network, x)
    maps = grad_cam(network, x, np.array([0, 1]), layer)
    assert maps.shape == (2, 64, 64)
    assert np.isfinite(maps).all()
    assert 0 <= maps.min() <= maps.max() <= 1 + 1e-6
    assert not layer.startswith(("head", "fc", "classifier", "_fc"))
