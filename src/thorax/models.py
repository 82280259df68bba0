"""Networks by name, for one gray channel or three, with a new head of the right width."""

import re
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision
from efficientnet_pytorch import EfficientNet
from safetensors.torch import load_file
from torch import nn

from thorax.config import Model
from thorax.errors import ConfigError, IntegrityError, ResourceError

CNN5_WIDTHS = (16, 32, 64, 128, 256)


def cnn5(channels: int) -> nn.Module:
    """Five blocks of convolution, batch normalisation, ReLU and pooling, then a global average."""
    blocks: list[nn.Module] = []
    for width in CNN5_WIDTHS:
        convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        layers = [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        blocks.append(nn.Sequential(*layers))
        channels = width
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Linear(channels, 1)  # `build` gives it the right width
    parts = {"features": nn.Sequential(*blocks), "pool": pool, "head": head}
    return nn.Sequential(OrderedDict(parts))


# Where each architecture keeps its last linear layer; dropout goes right before it.
HEADS = {
    "cnn5": "head",
    "resnet": "fc",
    "densenet": "classifier",
    "vgg": "classifier.6",
    "mobilenet": "classifier.3",
    "efficientnet": "_fc",
}


def head_name(name: str) -> str:
    """Path of the module that `build` puts in place of the network's last layer."""
    return next(path for prefix, path in HEADS.items() if name.startswith(prefix))


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
    path = head_name(params.name)
    _silence_dropout_before(network, path)
    old = network.get_submodule(path)
    assert isinstance(old, nn.Linear)
    head = nn.Sequential(nn.Dropout(params.dropout), nn.Linear(old.in_features, outputs))
    network.set_submodule(path, head)
    if params.weights not in ("none", "imagenet"):
        load_weights(network, Path(params.weights), head=path)
    return network


def _network(params: Model, image_size: int) -> nn.Module:
    """The architecture as published: three channels, its own head, its own or random weights."""
    pretrained = params.weights == "imagenet"
    try:
        if params.name == "cnn5":
            return cnn5(3)
        if params.name.startswith("efficientnet"):
            make = EfficientNet.from_pretrained if pretrained else EfficientNet.from_name
            # Its padding is laid out once for one image size, not computed as images come.
            return make(params.name, image_size=image_size)  # type: ignore[no-any-return]
        weights = "DEFAULT" if pretrained else None
        return torchvision.models.get_model(params.name, weights=weights)  # type: ignore[no-any-return]
    except OSError as error:
        raise ResourceError(_where_to_put_weights(params.name, error)) from None


def _silence_dropout_before(network: nn.Module, head: str) -> None:
    """Switch off the architecture's own dropout right before the head: `model.dropout` is there."""
    parent, _, index = head.rpartition(".")
    before = f"{parent}.{int(index) - 1}" if index.isdigit() else "_dropout"
    modules = dict(network.named_modules())
    if isinstance(modules.get(before), nn.Dropout):
        network.set_submodule(before, nn.Identity())


def _where_to_put_weights(name: str, error: OSError) -> str:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if name.startswith("efficientnet"):
        from efficientnet_pytorch.utils import url_map

        url = url_map[name]
    else:
        url = torchvision.models.get_model_weights(name)["DEFAULT"].url
    return (
        f"The ImageNet weights of {name} cannot be fetched ({error}).\n"
        f"Download {url}\nand put the file into {folder}, or set model.weights to its path, or to"
        " none to start from random weights."
    )


def _to_gray(network: nn.Module) -> None:
    """Give the first convolution one input channel, its weights summed over the old ones."""
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    first.weight = nn.Parameter(first.weight.detach().sum(dim=1, keepdim=True))
    first.in_channels = 1


def load_weights(network: nn.Module, path: Path, head: str) -> None:
    """Load a state dict; only the head's weights may be absent or of another width.

    Raises:
        ConfigError: no such file.
        IntegrityError: names or shapes that do not fit, all listed.
    """
    if not path.is_file():
        raise ConfigError(f"model.weights: {path.absolute()} does not exist.")
    try:
        found = load_file(path) if path.suffix == ".safetensors" else _load_pickle(path)
    except Exception as error:
        raise IntegrityError(f"{path.absolute()} is no weights file: {error}") from None
    wanted = network.state_dict()
    stem = _gray_stem(network, found)
    found |= stem
    wrong = [
        f"  {key}: {list(value.shape)} needed, {_shape(found.get(key))} found"
        for key, value in wanted.items()
        if not re.match(rf"{re.escape(head)}\b", key)
        and _shape(found.get(key)) != list(value.shape)
        and not key.endswith("num_batches_tracked")
    ]
    if wrong:
        listed = "\n".join(wrong[:10])
        raise IntegrityError(f"{path.absolute()} does not fit ({len(wrong)} tensors):\n{listed}")
    fitting = {k: v for k, v in found.items() if k in wanted and _shape(v) == list(wanted[k].shape)}
    network.load_state_dict(wanted | fitting)


def _gray_stem(network: nn.Module, found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The file's first convolution, summed to one channel if that is what the network has."""
    key = next(f"{n}.weight" for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    stem = found.get(key)
    if stem is None or stem.shape[1] == network.state_dict()[key].shape[1]:
        return {}
    return {key: stem.sum(dim=1, keepdim=True)}


def _load_pickle(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _shape(tensor: torch.Tensor | None) -> list[int] | str:
    return "nothing" if tensor is None else list(tensor.shape)


def set_trainable(network: nn.Module, name: str, trainable: str) -> None:
    """Freeze all but what `trainable` names: `all`, `head`, or `last:N` layers with weights.

    Frozen batch normalisation also keeps its statistics: `keep_frozen_in_eval` sees to it.
    """
    layers = [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None]
    if trainable == "all":
        chosen = layers
    elif trainable == "head":
        chosen = [network.get_submodule(head_name(name))]
    else:
        chosen = layers[-int(trainable.removeprefix("last:")) :]
    network.requires_grad_(False)
    for layer in chosen:
        layer.requires_grad_(True)


def keep_frozen_in_eval(network: nn.Module) -> None:
    """Put batch normalisation without trainable weights into evaluation mode."""
    for module in network.modules():
        is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if is_norm and not any(p.requires_grad for p in module.parameters()):
            module.eval()
