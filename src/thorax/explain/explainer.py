"""A trained network and the images it is explained on, which it has not seen in training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from thorax.artifacts.evaluation import PredictionsInfo
from thorax.artifacts.model import ModelFile
from thorax.config import Paths
from thorax.dataset import NEVER, Dataset, open_dataset
from thorax.dataset.loader import Batches
from thorax.explain.gradcam import Maps, maps_of
from thorax.metrics.predictions import Predictions, read_predictions
from thorax.models.inference import open_model, predict_logits, single_device

Item = TypeVar("Item")


@dataclass(frozen=True)
class Explainer:
    """A trained network and what it is explained on.

    Attributes:
        dataset: all images.
        predictions: the images explained, with what all models together predict.
        fabric: the device.
        model: description of the network.
        network: on the device.
        batches: the cache, normalized for the network.
    """

    dataset: Dataset
    predictions: Predictions
    fabric: Fabric
    model: ModelFile
    network: nn.Module
    batches: Batches

    @property
    def batch_size(self) -> int:
        """Images at once: as many as training could hold, gradients included."""
        return self.model.training.train.batch_size

    def maps(
        self, network: nn.Module, image_ids: Sequence[str], outputs: NDArray[np.int64]
    ) -> tuple[Maps, str]:
        """Grad-CAM of images for one output each, and the layer explained."""
        rows = self.dataset.rows_of(image_ids)
        return maps_of(network, self.batches, rows, outputs, self.batch_size)

    def score(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities [M, O] of pixels [M, H, W]."""
        changed = replace(self.batches, images=images)
        rows = np.arange(len(images))
        size = self.batch_size
        logits = predict_logits(self.fabric, self.network, changed, rows, size, "occlusion")
        return self.predictions.task.activation(logits)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Cache rows of the images explained."""
        return self.dataset.rows_of(self.predictions.images["image_id"])

    def pixels(self) -> NDArray[np.uint8]:
        """These images [N, H, W], in memory."""
        return np.take(self.dataset.images, self.rows, axis=0)

    def few(self, number: int) -> "Explainer":
        """The same on at most so many images, spread over all of them."""
        places = evenly(list(range(len(self.predictions.y))), number)
        taken = self.predictions.images.index.isin(places)
        return replace(self, predictions=self.predictions.take(pd.Series(taken)))


def open_explainer(paths: Paths) -> Explainer:
    """The first fold's model, and the images it is explained on."""
    info = PredictionsInfo.read(Path(paths.predictions) / "predictions.json")
    val, test = (
        read_predictions(Path(paths.predictions) / f"{subset}.csv", info.task, info.outputs)
        for subset in ("val", "test")
    )
    predictions = test if len(test.y) else val
    unseen = predictions.take(predictions.images["fold"].isin([info.folds[0], NEVER]))
    dataset, fabric = open_dataset(paths), single_device()
    folder = Path(paths.models) / str(info.folds[0])
    return Explainer(dataset, unseen, fabric, *open_model(folder, dataset, fabric))


def evenly(items: list[Item], number: int) -> list[Item]:
    """At most so many, spread evenly over all of them."""
    if len(items) <= number:
        return items
    return [items[int((i + 0.5) * len(items) / number)] for i in range(number)]
