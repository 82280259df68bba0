"""A training run before its first step: device, data, network, and the identity it resumes by."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from thorax.config import Augment, Model, Paths, Train
from thorax.dataset.dataset import Cohort, open_cohort
from thorax.dataset.loader import Batches, cores, normalization
from thorax.errors import ConfigError, DataError
from thorax.io import read_json
from thorax.models.build import build
from thorax.models.inference import Bundle
from thorax.train.checkpoint import fingerprint
from thorax.train.monitor import Clock

PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}
CONTENT = ("cache.json", "index.csv", "hashes.npy", "thumbnails.npy")  # stand for images.npy


@dataclass(frozen=True)
class Run:
    """All that a training run works on and that does not change while it runs."""

    fold: int
    fabric: Fabric
    cohort: Cohort
    batches: Batches
    network: nn.Module
    model: Model
    augment: Augment
    train_rows: NDArray[np.int64]
    val_rows: NDArray[np.int64]
    targets: torch.Tensor  # float32 [N, outputs] on the device, NaN for unknown
    settings: dict[str, Any]
    identity: str
    clock: Clock

    def bundle(self, history: list[dict[str, Any]], paths: Paths) -> Bundle:
        """The trained model's description."""
        return Bundle(
            task=self.cohort.task,
            outputs=self.cohort.outputs,
            model=self.settings["model"],
            preprocess=read_json(Path(paths.cache) / "cache.json")["preprocess"],
            mean=self.batches.mean,
            deviation=self.batches.deviation,
            fingerprint=self.identity,
            training=self.settings | {"history": history},
        )


def open_run(fold: int, model: Model, params: Train, augment: Augment, paths: Paths) -> Run:
    """Start the processes, open the data, build the network.

    Raises:
        DataError: nothing to train or validate on.
        ConfigError: weights for classes that the data does not have.
    """
    torch.set_num_threads(params.threads or cores())
    torch.backends.cudnn.deterministic = True
    fabric = Fabric(devices=params.devices, precision=PRECISION[params.precision])  # type: ignore[arg-type]
    fabric.launch()
    torch.manual_seed(params.seed + fold)
    cohort = open_cohort(paths)
    rows = {name: cohort.rows(name, fold) for name in ("train", "val")}
    for name, found in rows.items():
        if not len(found):
            raise DataError(f"Fold {fold} has no image to {name} on; see {paths.split_table}.")
    if isinstance(params.class_weights, dict):
        unknown = sorted(set(params.class_weights) - set(cohort.outputs))
        if unknown:
            raise ConfigError(
                f"train.class_weights names {', '.join(unknown)}; outputs of this data are"
                f" {', '.join(cohort.outputs)}."
            )
    mean, deviation = normalization(model, cohort.images, rows["train"])
    network = build(model, len(cohort.outputs), cohort.images.shape[1])
    if params.channels_last:
        network = network.to(memory_format=torch.channels_last)
    settings: dict[str, Any] = {"model": model.model_dump(), "train": params.model_dump()}
    settings |= {"augment": augment.model_dump(), "fold": fold}
    inputs = [Path(paths.split), Path(paths.manifest), *(Path(paths.cache) / n for n in CONTENT)]
    torch.manual_seed(params.seed + fold + fabric.global_rank)  # dropout differs between processes
    return Run(
        fold=fold,
        fabric=fabric,
        cohort=cohort,
        batches=Batches(cohort.images, mean, deviation, fabric.device, params.channels_last),
        network=network.to(fabric.device),
        model=model,
        augment=augment,
        train_rows=rows["train"],
        val_rows=rows["val"],
        targets=torch.tensor(cohort.targets, dtype=torch.float32, device=fabric.device),
        settings=settings,
        identity=fingerprint(settings, inputs),
        clock=Clock(),
    )
