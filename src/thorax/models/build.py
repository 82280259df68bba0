"""Networks by name, for one gray channel or three, with a new head of the right width."""

from pathlib import Path
from typing import Literal

import torch
import torchvision
from efficientnet_pytorch import EfficientNet
from torch import nn

from thorax.config import PUBLISHED_WEIGHTS, Model
from thorax.errors import ConfigError
from thorax.models import networks
from thorax.models.pretrained import load_weights, require_imagenet

# Where each architecture keeps its last linear layer; the module up to the first dot is its whole
# classifier.
HEADS = {
    "cnn": "head",
    "resnet": "fc",
    "densenet": "classifier",
    "vgg": "classifier.6",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3": "classifier.3",
    "efficientnet": "_fc",
}
VGG_WIDTH = 512  # channels that VGG's convolutions end in


def head_path(params: Model) -> str:
    """Path of the module that `build` puts in place of the network's last layer or layers."""
    known = (path for prefix, path in HEADS.items() if params.name.startswith(prefix))
    last = next(known, None)
    if last is None:
        raise ConfigError(f"HEADS does not say where {params.name} keeps its last linear layer.")
    return last.partition(".")[0] if params.hidden_units else last


def build(params: Model, outputs: int, image_size: int) -> nn.Module:
    """A network from [B, channels, H, W] to logits [B, outputs].

    Weights pretrained on three channels are summed over them for one gray channel, which computes
    the same as gray repeated three times. Only the head starts at random then.

    Raises:
        ResourceError: ImageNet weights cannot be fetched; says what to put where.
        ConfigError, IntegrityError: the weights file is missing or does not fit.
    """
    network = _network(params, image_size)
    if params.channels == 1:
        _to_gray(network)
    path = head_path(params)
    if params.hidden_units and params.name.startswith("vgg"):
        network.avgpool = nn.AdaptiveAvgPool2d(1)  # a dense head on VGG averages over the image
        features = VGG_WIDTH
    else:
        replaced = network.get_submodule(path).modules()
        features = next(m for m in replaced if isinstance(m, nn.Linear)).in_features
    _silence_dropout_before(network, path)
    layers: list[nn.Module] = []
    if params.hidden_units:
        layers = [nn.Linear(features, params.hidden_units), nn.ReLU(inplace=True)]
    last = nn.Linear(params.hidden_units or features, outputs)
    network.set_submodule(path, nn.Sequential(*layers, nn.Dropout(params.dropout), last))
    if params.weights not in ("none", *PUBLISHED_WEIGHTS):
        load_weights(network, Path(params.weights), head=path)
    return network


def _network(params: Model, image_size: int) -> nn.Module:
    """The architecture as published: three channels, its own head, its own or random weights."""
    pretrained = params.weights in PUBLISHED_WEIGHTS
    if pretrained:
        require_imagenet(params.name, params.weights)
    match params.name:
        case "cnn5":
            return networks.cnn5()
        case "cnn-five-block":
            return networks.cnn_five_block(image_size, params.dropout)
        case "cnn-baseline":
            return networks.cnn_baseline(image_size)
        case "cnn-deep":
            return networks.cnn_deep(image_size)
        case name if name.startswith("efficientnet"):
            make = EfficientNet.from_pretrained if pretrained else EfficientNet.from_name
            # Its padding is laid out once for one image size, not computed as images come.
            return make(name, image_size=image_size)  # type: ignore[no-any-return]
        case name:
            weights = PUBLISHED_WEIGHTS[params.weights] if pretrained else None
            return torchvision.models.get_model(name, weights=weights)  # type: ignore[no-any-return]


def _silence_dropout_before(network: nn.Module, head: str) -> None:
    """Switch off the architecture's own dropout right before the head: `model.dropout` is there."""
    parent, _, index = head.rpartition(".")
    before = network.get_submodule(parent)[int(index) - 1] if index.isdigit() else None  # type: ignore[index]
    if isinstance(before, nn.Dropout):
        before.p = 0.0
    elif isinstance(network, EfficientNet):
        network._dropout.p = 0.0


def _to_gray(network: nn.Module) -> None:
    """Give the first convolution one input channel, its weights summed over the old ones."""
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    first.weight = nn.Parameter(first.weight.detach().sum(dim=1, keepdim=True))
    first.in_channels = 1


def head_weights(network: nn.Module, params: Model) -> list[torch.Tensor]:
    """Weights of the head's dense layers, without biases."""
    head = network.get_submodule(head_path(params))
    return [layer.weight for layer in head.modules() if isinstance(layer, nn.Linear)]


def set_trainable(network: nn.Module, params: Model, trainable: str) -> None:
    """Freeze all but what `trainable` names: `all`, `head`, or `last:N` layers with weights.

    What is frozen also keeps its statistics and drops nothing: `keep_frozen_in_eval` sees to it.
    """
    layers = [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None]
    if trainable == "all":
        chosen = layers
    elif trainable == "head":
        chosen = [network.get_submodule(head_path(params))]
    else:
        chosen = layers[-int(trainable.removeprefix("last:")) :]
    network.requires_grad_(False)
    for layer in chosen:
        layer.requires_grad_(True)


def keep_frozen_in_eval(network: nn.Module, batch_norm: Literal["eval", "train"]) -> None:
    """Put every module whose weights are all frozen into evaluation mode, with all inside of it.

    Batch normalization then keeps its statistics, and EfficientNet's drop-connect drops no block.
    `batch_norm: train` lets the statistics move, as in studies that only switched gradients off.
    """
    for module in network.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()
    for module in network.modules():
        if batch_norm == "train" and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
