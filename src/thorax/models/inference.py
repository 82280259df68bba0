"""Probabilities for rows of the cache, and the bundle that a trained model travels in."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from thorax.config import Model, Paths, check
from thorax.dataset.dataset import Cohort
from thorax.dataset.loader import Batches, split_batches
from thorax.errors import IntegrityError
from thorax.io import read_json, replacing, write_json
from thorax.models.build import build
from thorax.progress import bar
from thorax.tasks import TASKS

BATCH_SIZE = 256  # without gradients: only speed depends on it


@dataclass(frozen=True)
class Bundle:
    """Everything needed to build and use a trained model; `models/<fold>/model.json`.

    Attributes:
        task: key of `tasks.TASKS`.
        outputs: class of each output.
        model: the section `model` of the parameters it was trained with.
        preprocess: what its images went through.
        mean, deviation: normalisation of gray values in 0–1, per channel.
        fingerprint: SHA-256 over parameters, data and code.
        training: parameters, best epoch and history, for the report.
    """

    task: str
    outputs: list[str]
    model: dict[str, Any]
    preprocess: dict[str, Any]
    mean: list[float]
    deviation: list[float]
    fingerprint: str
    training: dict[str, Any]

    def build(self) -> nn.Module:
        """The network with random weights."""
        params = check(self.model | {"weights": "none"}, Model, "model.json")
        return build(params, len(self.outputs), self.preprocess["image_size"])

    def save(self, weights: dict[str, torch.Tensor], folder: Path) -> None:
        """Write `weights.safetensors` and `model.json` into `folder`."""
        with replacing(folder / "weights.safetensors") as temporary:
            save_file({k: v.contiguous() for k, v in weights.items()}, temporary)
        write_json(folder / "model.json", asdict(self))


def load(folder: Path) -> tuple[Bundle, nn.Module]:
    """A saved bundle and its network, weights in place."""
    bundle = Bundle(**read_json(folder / "model.json"))
    network = bundle.build()
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return bundle, network


def open_model(
    cohort: Cohort, fold: int, fabric: Fabric, paths: Paths
) -> tuple[nn.Module, Batches]:
    """A fold's network on the device, and batches normalised as it was trained on.

    Raises:
        IntegrityError: it was trained on other classes.
    """
    bundle, network = load(Path(paths.models) / str(fold))
    if bundle.outputs != cohort.outputs:
        raise IntegrityError(f"models/{fold} was trained on other classes. Run `dvc repro`.")
    network = network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, Batches(cohort.images, bundle.mean, bundle.deviation, fabric.device, True)


@torch.inference_mode()
def predict(
    fabric: Fabric,
    network: nn.Module,
    batches: Batches,
    rows: NDArray[np.int64],
    task: str,
    what: str = "validate",
) -> NDArray[np.float64]:
    """Probabilities [N, outputs] for cache rows [N], in their order, on every process alike.

    Several processes share the rows; they are padded to equal parts for the exchange, and the
    padding is dropped again by position.
    """
    network.eval()
    share = -(-len(rows) // fabric.world_size)
    padded = np.resize(rows, share * fabric.world_size)
    own = padded[fabric.global_rank :: fabric.world_size]
    parts = []
    stream = batches.stream(split_batches(own, BATCH_SIZE))
    with bar(what, total=len(own), keep=False) as progress:
        for batch in stream:
            parts.append(TASKS[task].activation(network(batch.x_BCHW).float()))
            progress.update(len(batch.rows))
    gathered = fabric.all_gather(torch.cat(parts)).reshape(fabric.world_size, share, -1)  # type: ignore[union-attr]
    p: NDArray[np.float64] = gathered.transpose(0, 1).flatten(0, 1).double().cpu().numpy()
    return p[: len(rows)]
