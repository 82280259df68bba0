"""Grad-CAM laid over the images that a bundle predicts, beside how far it can be trusted."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from thorax.artifacts.explanation import ClassLocalization, Localization
from thorax.bundle.about import Bundle
from thorax.explain.gradcam import feature_layer, grad_cam
from thorax.inference.engine import Decision
from thorax.models.inference import load
from thorax.preprocess.decode import Geometry, Gray, resize

LOCALIZATION = "explanations/localization.json"  # beside a bundle in its project
ORANGE = (0, 127, 255)  # blue, green, red
OPACITY = 0.55  # where the map is highest


class HeatMap(NamedTuple):
    """A row of `heatmaps.csv`: what was drawn, and in how many test images the map was right.

    `pointing` is the proportion whose maximum lay inside of the outline; `pointing_of_fixed_place`
    what the same place in every image reaches. Empty where nobody outlined the finding.
    """

    image: str
    finding: str
    file: str
    pointing: float | None
    pointing_of_fixed_place: float | None


class HeatMaps:
    """The first fold's network, ready to show where it looks."""

    def __init__(self, bundle: Bundle, folder: Path) -> None:
        """Load the network; pictures go into `folder`."""
        self.folder = folder
        self.model, self.network = load(bundle.models[0])
        self.network.eval()
        scores = bundle.folder.parent / LOCALIZATION
        self.scores = Localization.read(scores).classes if scores.exists() else {}
        self.drawn: list[HeatMap] = []

    def draw(self, name: str, image: Gray, decision: Decision) -> None:
        """One picture for each class predicted positive; of none, for the most probable one."""
        classes = np.flatnonzero(decision.predicted)
        if not len(classes):
            classes = np.array([decision.probability.argmax()])
        prepared, geometry = resize(image, self.model.preprocess)
        mean, std = (
            torch.tensor(figures)[None, :, None, None]
            for figures in (self.model.mean, self.model.std)
        )
        x = (torch.from_numpy(prepared).float() / 255 - mean) / std
        layer = feature_layer(self.network, x)
        for i in classes:
            cam = grad_cam(self.network, x.clone(), np.array([i]), layer)[0]
            finding = self.model.outputs[i]
            file = f"{len(self.drawn) + 1:05}_{Path(name).stem}_{finding}.png".replace(" ", "_")
            self.folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(self.folder / file), over(image, cam, geometry))
            known = self.scores.get(finding)
            self.drawn.append(HeatMap(name, finding, file, *_pointing(known)))


def over(image: Gray, cam: NDArray[np.float32], geometry: Geometry) -> NDArray[np.uint8]:
    """A color image [H, W, 3]: the map [S, S] of the prepared image over the original [H, W]."""
    g = geometry
    seen = cam[g.pad_y : g.pad_y + g.new_height, g.pad_x : g.pad_x + g.new_width]
    weight = np.zeros(image.shape, np.float32)
    rows, columns = (
        slice(g.crop_y, g.crop_y + g.crop_height), slice(g.crop_x, g.crop_x + g.crop_width)
    )  # fmt: skip
    weight[rows, columns] = cv2.resize(seen, (g.crop_width, g.crop_height))
    weight = OPACITY * weight[:, :, None]
    colored = (1 - weight) * image[:, :, None] + weight * np.array(ORANGE, np.float32)
    return (colored + 0.5).astype(np.uint8)


def _pointing(known: ClassLocalization | None) -> tuple[float | None, float | None]:
    if known is None:
        return None, None
    return known.model.pointing.value, known.prior.pointing.value
