"""A training run before its first step: device, data, network, and the identity it resumes by."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from thorax.artifacts.model import Epoch, ModelFile, Training
from thorax.config import Augment, Model, Paths, Preprocess, Train, check
from thorax.dataset import Dataset, open_dataset
from thorax.dataset.loader import Batches, normalization
from thorax.errors import ConfigError, DataError
from thorax.io import read_json
from thorax.models.build import build
from thorax.parallel import cores, keep_freed_memory
from thorax.train.checkpoint import fingerprint
from thorax.train.monitor import Clock

PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}
CONTENT = ("cache.json", "index.csv", "images.npy")


@dataclass(frozen=True)
class Run:
    """All that a training run works on and that does not change while it runs."""

    fold: int
    fabric: Fabric
    dataset: Dataset
    batches: Batches
    network: nn.Module
    model: Model
    augment: Augment
    train_rows: NDArray[np.int64]
    val_rows: NDArray[np.int64]
    targets: torch.Tensor  # float32 [N, outputs] on the device, NaN for unknown
    identity: str
    clock: Clock

    def describe(self, params: Train) -> str:
        """One line: what trains on what, where, and from how many images."""
        device = self.fabric.device
        if device.type == "cuda":
            where = f"{self.fabric.world_size} × {torch.cuda.get_device_name(device)}"
        else:
            threads = torch.get_num_threads()
            where = f"{device.type.upper()}, {threads} thread{'s' * (threads > 1)}"
        size, parameters = self.dataset.images.shape[1], self.network.parameters()
        batches = " then ".join(dict.fromkeys(str(p.batch_size) for p in params.phase_list()))
        return (
            f"{self.model.name} ({sum(p.numel() for p in parameters):,} parameters) on {where},"
            f" {params.precision}; {size} × {size} pixels, batches of {batches};"
            f" {len(self.train_rows):,} images to train on, {len(self.val_rows):,} to validate"
        )

    def model_file(self, params: Train, history: list[Epoch], paths: Paths) -> ModelFile:
        """Description of the trained model."""
        cache = read_json(Path(paths.cache) / "cache.json")
        return ModelFile(
            task=self.dataset.task,
            outputs=self.dataset.outputs,
            model=self.model,
            preprocess=check(cache["preprocess"], Preprocess, "cache.json"),
            mean=self.batches.mean,
            std=self.batches.std,
            fingerprint=self.identity,
            training=Training(
                model=self.model,
                train=params,
                augment=self.augment,
                fold=self.fold,
                history=history,
            ),
        )


def open_run(fold: int, model: Model, params: Train, augment: Augment, paths: Paths) -> Run:
    """Start the processes, open the data, build the network.

    Raises:
        DataError: nothing to train or validate on.
        ConfigError: weights for classes that the data does not have, or more processes than images
            in a batch.
    """
    keep_freed_memory()
    torch.set_num_threads(params.num_threads or cores())
    torch.backends.cudnn.deterministic = True
    fabric = Fabric(devices=params.devices, precision=PRECISION[params.precision])  # type: ignore[arg-type]
    fabric.launch()
    torch.manual_seed(params.seed + fold)
    dataset = open_dataset(paths)
    rows = {name: dataset.rows(name, fold) for name in ("train", "val")}
    for name, chosen in rows.items():
        if not len(chosen):
            raise DataError(f"Fold {fold} has no image to {name} on; see {paths.split_summary}.")
    require_classes(params, dataset.outputs)
    require_full_batches(len(rows["train"]), params, fabric.world_size)
    mean, std = normalization(model, dataset.images, rows["train"])
    network = build(model, len(dataset.outputs), dataset.images.shape[1])
    if params.channels_last:
        network = network.to(memory_format=torch.channels_last)
    settings = {"model": model, "train": params, "augment": augment}
    inputs = [Path(paths.split), Path(paths.manifest), *(Path(paths.cache) / n for n in CONTENT)]
    identity = {name: section.model_dump() for name, section in settings.items()} | {"fold": fold}
    torch.manual_seed(params.seed + fold + fabric.global_rank)  # dropout differs between processes
    return Run(
        fold=fold,
        fabric=fabric,
        dataset=dataset,
        batches=Batches(dataset.images, mean, std, fabric.device, params.channels_last),
        network=network.to(fabric.device),
        model=model,
        augment=augment,
        train_rows=rows["train"],
        val_rows=rows["val"],
        targets=torch.tensor(dataset.targets, dtype=torch.float32, device=fabric.device),
        identity=fingerprint(identity, inputs),
        clock=Clock(),
    )


def require_classes(params: Train, outputs: list[str]) -> None:
    """Raise a `ConfigError` for weights of classes that are not there."""
    weighted = params.class_weights if isinstance(params.class_weights, dict) else {}
    unknown = sorted(set(weighted) - set(outputs))
    if unknown:
        raise ConfigError(
            f"train.class_weights names {', '.join(unknown)}; outputs of this data are"
            f" {', '.join(outputs)}."
        )


def require_full_batches(images: int, params: Train, processes: int) -> None:
    """Raise a `ConfigError` where a process would get no image of some batch.

    Its zero gradient would enter the average, and shrink the step without a word.
    """
    for phase in params.phase_list():
        smallest = images // -(-images // phase.batch_size)
        if smallest < processes:
            raise ConfigError(
                f"A batch of {smallest} images cannot feed {processes} processes. Raise"
                " train.batch_size, or lower train.devices."
            )
