"""What the first fold's model looks at: Grad-CAM, how well it points, and shortcut tests.

Only images of the evaluated subset that this model has not seen in training are explained.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from thorax.artifacts.evaluation import PredictionsInfo
from thorax.artifacts.explanation import (
    CascadeStep,
    ClassLocalization,
    ClassOcclusion,
    Localization,
    Occlusion,
)
from thorax.artifacts.model import ModelFile
from thorax.config import Evaluate, Explain, Paths
from thorax.dataset import GEOMETRY, NEVER, Dataset, open_dataset
from thorax.dataset.loader import Batches
from thorax.explain import gradcam
from thorax.explain.occlusion import is_shortcut, occlude, occlusion_tests
from thorax.io import read_csv, replacing
from thorax.metrics.bootstrap import resample
from thorax.metrics.predictions import Predictions, read_predictions
from thorax.models.inference import open_model, predict_logits, single_device, untrained

Item = TypeVar("Item")

CASCADE = {"head": 0.0, "last quarter": 0.25, "last half": 0.5, "all layers": 1.0}
CASCADE_IMAGES = 20


def explain(params: Explain, evaluation: Evaluate, paths: Paths) -> None:
    """Write `gradcam.npz`, `localization.json`, `occlusion.json` and `occlusion.npz`.

    Args:
        params: how many images.
        evaluation: bootstrap replicates and seed, as for every other interval.
        paths: of models, predictions, cache and annotations.
    """
    explainer = open_explainer(paths)
    folder = Path(paths.explanations)
    explainer.write_gradcam(folder / "gradcam.npz")
    Localization(
        settings=params,
        n_bootstrap=evaluation.n_bootstrap,
        classes=explainer.localize(params, evaluation, paths),
        cascade=explainer.cascade(),
    ).write(folder / "localization.json")
    explainer.write_occlusion(params, evaluation, folder)


def open_explainer(paths: Paths) -> "Explainer":
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
    ) -> tuple[gradcam.Maps, str]:
        """Grad-CAM of images for one output each, and the layer explained."""
        rows = self.dataset.rows_of(image_ids)
        return gradcam.maps_of(network, self.batches, rows, outputs, self.batch_size)

    def score(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities [M, O] of pixels [M, H, W]."""
        changed = replace(self.batches, images=images)
        rows = np.arange(len(images))
        size = self.batch_size
        logits = predict_logits(self.fabric, self.network, changed, rows, size, "occlusion")
        return self.predictions.task.activation(logits)

    def write_gradcam(self, path: Path) -> None:
        """Grad-CAM of the most confident image that shows each class.

        Writes `image_ids` and `outputs` as text [K], `maps` uint8 [K, H, W], and `layer`.
        """
        y, p = self.predictions.y.T, self.predictions.p.T
        best = {o: int(np.where(y[o] == 1, p[o], -1).argmax()) for o in range(len(y)) if 1 in y[o]}
        ids = self.predictions.images["image_id"].iloc[list(best.values())].tolist()
        maps, layer = self.maps(self.network, ids, np.array(list(best), np.int64))
        _write_arrays(
            path,
            image_ids=np.array(ids, str),
            outputs=np.array([self.predictions.outputs[o] for o in best], str),
            maps=np.round(255 * maps).astype(np.uint8),
            layer=np.array(layer),
        )

    def localize(
        self, params: Explain, evaluation: Evaluate, paths: Paths
    ) -> dict[str, ClassLocalization]:
        """Scores per annotated class, beside the same network with random weights."""
        torch.manual_seed(0)
        networks = {
            "model": self.network, "random": untrained(self.model).to(self.batches.device),
        }  # fmt: skip
        annotations = read_csv(Path(paths.annotations))
        geometry = self.dataset.table.set_index("image_id")[GEOMETRY]
        patients = self.predictions.images.set_index("image_id")["patient_id"]
        scores = {}
        for output, name in enumerate(self.predictions.outputs):
            annotated = annotations.loc[annotations["finding"] == name, "image_id"]
            ids = evenly(sorted(set(annotated) & set(patients.index)), params.gradcam_images)
            side = self.dataset.images.shape[1]
            masks = gradcam.masks_of(annotations, geometry, ids, name, side)
            visible = np.flatnonzero(masks.any(axis=(1, 2)))  # the rest was cropped away
            ids, masks = [ids[i] for i in visible], masks[visible]
            if not ids:
                continue
            shown = patients.loc[ids].reset_index(drop=True)
            replicates = resample(shown, evaluation.n_bootstrap, evaluation.seed)
            outputs = np.full(len(ids), output)
            scores[name] = ClassLocalization(
                **{
                    kind: gradcam.score(self.maps(network, ids, outputs)[0], masks, replicates)
                    for kind, network in networks.items()
                }
            )
        return scores

    def cascade(self) -> list[CascadeStep]:
        """Similarity to the model's own maps as more and more of its layers are random.

        The maps are of the class that is most often the most likely, on a few images.
        """
        places = evenly(list(range(len(self.predictions.y))), CASCADE_IMAGES)
        ids = self.predictions.images["image_id"].iloc[places].tolist()
        likely = np.bincount(self.predictions.p[places].argmax(axis=1)).argmax()
        outputs = np.full(len(ids), likely)
        trained, _ = self.maps(self.network, ids, outputs)
        network, steps = copy.deepcopy(self.network), []
        for layers, fraction in CASCADE.items():
            gradcam.randomize(network, fraction, seed=0)
            similar = gradcam.similarity(trained, self.maps(network, ids, outputs)[0])
            steps.append(CascadeStep(layers=layers, similarity=similar))
        return steps

    def write_occlusion(self, params: Explain, evaluation: Evaluate, folder: Path) -> None:
        """The shortcut tests on at most so many images, spread over the subset.

        Writes `occlusion.json` and `occlusion.npz`: the first image as it is and under each
        occlusion, uint8 [H, W].
        """
        places = evenly(list(range(len(self.predictions.y))), params.occlusion_images)
        shown: dict[str, NDArray[np.uint8]] = {}
        classes: dict[str, ClassOcclusion] = {}
        images = self.predictions.images.iloc[places].reset_index(drop=True)
        if places:
            pixels = np.take(self.dataset.images, self.dataset.rows_of(images["image_id"]), axis=0)
            shown = occlude(pixels)
            replicates = resample(images["patient_id"], evaluation.n_bootstrap, evaluation.seed)
            y = self.predictions.y[places]
            tests = occlusion_tests(y, shown, self.score, replicates, evaluation.seed)
            classes = dict(zip(self.predictions.outputs, tests, strict=True))
        least = params.shortcut_drop
        Occlusion(
            images=len(places),
            patients=images["patient_id"].nunique(),
            n_bootstrap=evaluation.n_bootstrap,
            classes=classes,
            shortcuts=[name for name, test in classes.items() if is_shortcut(test.swapped, least)],
        ).write(folder / "occlusion.json")
        _write_arrays(
            folder / "occlusion.npz", **{name: version[0] for name, version in shown.items()}
        )


def evenly(items: list[Item], number: int) -> list[Item]:
    """At most so many, spread evenly over all of them."""
    if len(items) <= number:
        return items
    return [items[int((i + 0.5) * len(items) / number)] for i in range(number)]


def _write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
