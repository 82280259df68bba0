"""Does a map depend on what was learned? It should be lost with the weights."""

import copy
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from thorax.artifacts.explanation import CascadeStep
from thorax.explain.explainer import Explainer, evenly
from thorax.explain.gradcam import Maps
from thorax.io import rounded

LAYERS = {"head": 0.0, "last quarter": 0.25, "last half": 0.5, "all layers": 1.0}
IMAGES = 10  # per class


def cascading_randomization(explainer: Explainer) -> list[CascadeStep]:
    """Likeness to the model's own maps as more and more of its layers are random.

    The maps are of a few images that show the class, for every class.
    """
    ids = explainer.predictions.images["image_id"].to_numpy()
    showing = {
        output: evenly(ids[explainer.predictions.y[:, output] == 1].tolist(), IMAGES)
        for output in range(len(explainer.predictions.outputs))
    }
    network = copy.deepcopy(explainer.network)

    def maps() -> dict[int, Maps]:
        return {
            output: explainer.maps(network, images, np.full(len(images), output))[0]
            for output, images in showing.items()
            if images
        }

    trained, steps = maps(), []
    for layers, fraction in LAYERS.items():
        randomize(network, fraction, seed=0)
        randomized = maps()
        similar = {
            explainer.predictions.outputs[output]: similarity(own, randomized[output])
            for output, own in trained.items()
        }
        flat = [float(np.ptp(image) == 0) for of in randomized.values() for image in of]
        share = round(float(np.mean(flat)), 4) if flat else 0.0
        steps.append(CascadeStep(layers=layers, similarity=similar, flat=share))
    return steps


def randomize(network: nn.Module, fraction: float, seed: int) -> None:
    """Re-initialize the last layer and this fraction of all layers, counted from the last.

    Source: cascading randomization, Adebayo et al. 2018, Sanity Checks for Saliency Maps.
    """
    layers: list[Any] = [m for m in network.modules() if hasattr(m, "reset_parameters")]
    torch.manual_seed(seed)
    for layer in layers[-max(1, round(fraction * len(layers))) :]:
        layer.reset_parameters()


def similarity(trained: Maps, randomized: Maps) -> float | None:
    """Mean rank correlation of two sets of maps, image by image; None where all trained are flat.

    A randomized map that is flat has nothing in common with the trained one: it counts as 0.
    """
    correlations = [
        spearmanr(a.ravel(), b.ravel()).statistic if np.ptp(b) > 0 else 0.0
        for a, b in zip(trained, randomized, strict=True)
        if np.ptp(a) > 0
    ]
    return rounded(float(np.mean(correlations))) if correlations else None
