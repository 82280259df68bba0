"""A trained model on disk: weights as safetensors beside `model.json`."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from thorax.artifacts.model import ModelFile
from thorax.io import replacing
from thorax.models.build import build

WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"


def untrained(model: ModelFile) -> nn.Module:
    """The network with random weights."""
    architecture = model.model.model_copy(update={"weights": "none"})
    return build(architecture, len(model.outputs), model.preprocess.image_size)


def save(model: ModelFile, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Write weights and description into `folder`."""
    with replacing(folder / WEIGHTS) as temporary:
        save_file({key: value.contiguous() for key, value in weights.items()}, temporary)
    model.write(folder / DESCRIPTION)


def load(folder: Path) -> tuple[ModelFile, nn.Module]:
    """A saved model's description and its network, weights in place."""
    model = ModelFile.read(folder / DESCRIPTION)
    network = untrained(model)
    network.load_state_dict(load_file(folder / WEIGHTS))
    return model, network
