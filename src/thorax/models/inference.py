"""A trained model on disk, weights beside `model.json`, and its logits for rows of the cache."""

from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from thorax.artifacts.model import ModelFile
from thorax.config import Augment
from thorax.dataset import Dataset
from thorax.dataset.loader import Batches, split_batches
from thorax.errors import IntegrityError
from thorax.io import replacing
from thorax.models.build import build
from thorax.parallel import cores, keep_freed_memory
from thorax.progress import bar

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


def single_device() -> Fabric:
    """The first GPU, else the CPU."""
    return Fabric(devices=1)


def open_model(
    folder: Path, dataset: Dataset, fabric: Fabric
) -> tuple[ModelFile, nn.Module, Batches]:
    """A model's description, its network on the device, and batches normalized for it.

    On the CPU it runs with as many threads as it was trained with: another number gives other bits.

    Raises:
        IntegrityError: it was trained on other classes.
    """
    model, network = load(folder)
    if model.outputs != dataset.outputs:
        raise IntegrityError(f"{folder} was trained on other classes. Run `dvc repro`.")
    keep_freed_memory()
    torch.set_num_threads(model.training.train.num_threads or cores())
    network = network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = Batches(dataset.images, model.mean, model.std, fabric.device, channels_last=True)
    return model, network, batches


@torch.inference_mode()
def predict_logits(
    fabric: Fabric,
    network: nn.Module,
    batches: Batches,
    rows: NDArray[np.int64],
    batch_size: int,
    what: str = "validate",
    augment: Augment | None = None,
) -> NDArray[np.float64]:
    """Logits [N, outputs] for cache rows [N], in their order, on every process alike.

    Several processes divide the rows; these are padded to equal numbers for the exchange, and the
    padding is dropped again by position.

    Args:
        fabric: the processes.
        network: from images to logits, on the device.
        batches: the cache, normalized for the network.
        rows: at least one.
        batch_size: images at once on each process; what training could hold, prediction can.
        what: label of the progress bar.
        augment: how far the images are changed at random, for a study that did so.
    """
    network.eval()
    per_process = -(-len(rows) // fabric.world_size)
    padded = np.resize(rows, per_process * fabric.world_size)
    mine = padded[fabric.global_rank :: fabric.world_size]
    parts = []
    with bar(what, total=len(mine), keep=False) as progress:
        for batch in batches.stream(split_batches(mine, batch_size), augment):
            parts.append(network(batch.x_BCHW).float())
            progress.update(len(batch.rows))
    gathered = fabric.all_gather(torch.cat(parts))
    stacked = gathered.reshape(fabric.world_size, per_process, -1)  # type: ignore[union-attr]
    logits: NDArray[np.float64] = stacked.transpose(0, 1).flatten(0, 1).double().cpu().numpy()
    return logits[: len(rows)]
