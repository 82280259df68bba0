"""One network from a gray image of any size to what was decided of it: what ONNX stores.

Shapes: H, W an image as it comes, S the model's image size, F models (folds), O outputs.

Resizing is two matrix products, rows · image · columnsᵀ, because ONNX's Resize and OpenCV's differ;
area resize is then exact up to the rounding of half a gray level (tests/test_export_graph.py).
"""

import math
from typing import NamedTuple

import cv2
import torch
from torch import Tensor, nn
from torch.nn import functional

from thorax.artifacts.model import ModelFile, OperatingPoints
from thorax.config import Preprocess
from thorax.tasks import TASKS

INSIDE = ("area", "linear", "nearest")  # interpolations that the graph computes


class Outputs(NamedTuple):
    """What the graph says of one image, [O] each.

    Attributes:
        probability: calibrated.
        predicted: 1 for each class that is predicted positive, else 0.
        spread: standard deviation of the folds' calibrated probabilities; 0 of a single one.
    """

    probability: Tensor
    predicted: Tensor
    spread: Tensor


def outside(params: Preprocess) -> list[str]:
    """Settings that the graph cannot compute: with any of them it takes a prepared image."""
    reasons = []
    if params.crop_borders:
        reasons.append("preprocess.crop_borders")
    if params.clahe_clip is not None:
        reasons.append("preprocess.clahe_clip")
    if params.interpolation not in INSIDE:
        reasons.append(f"preprocess.interpolation: {params.interpolation}")
    return reasons


class Classifier(nn.Module):
    """From uint8 [H, W] to `Outputs`: resize, pad, blur, normalize, networks, mean, calibration."""

    def __init__(self, models: list[tuple[ModelFile, nn.Module]], points: OperatingPoints) -> None:
        """Freeze the models and operating points of a bundle."""
        super().__init__()
        first = models[0][0]
        self.networks = nn.ModuleList(network.eval() for _, network in models)
        self.task = TASKS[first.task]
        self.prepare = nn.Identity() if outside(first.preprocess) else Prepare(first.preprocess)
        for name in ("mean", "std"):
            figures = torch.tensor([getattr(model, name) for model, _ in models])
            self.register_buffer(name, figures[:, :, None, None])
        scaling = [points.scaling[name] for name in first.outputs]
        thresholds = [points.thresholds.get(name, 0.5) for name in first.outputs]
        slope = [1.0 if each.slope is None else each.slope for each in scaling]
        intercept = [each.intercept or 0.0 for each in scaling]
        self.register_buffer("slope", torch.tensor(slope))
        self.register_buffer("intercept", torch.tensor(intercept))
        self.register_buffer("threshold", torch.tensor(thresholds, dtype=torch.float64).logit())

    def forward(self, image: Tensor) -> Outputs:
        """Decide one image."""
        gray = self.prepare(image).float() / 255
        inputs = (gray - self.mean) / self.std
        logits = torch.cat([net(x[None]) for net, x in zip(self.networks, inputs, strict=True)])
        mean = self._mean(logits)
        if self.task.exclusive:
            predicted = functional.one_hot(mean.argmax(), len(mean))
        else:
            predicted = mean.double() >= self.threshold
        by_fold = self._probability(logits)
        spread = by_fold.std(dim=0, correction=0) if len(logits) > 1 else torch.zeros_like(mean)
        return Outputs(self._probability(mean), predicted.to(torch.uint8), spread)

    def _mean(self, logits: Tensor) -> Tensor:
        """Logits [O] of the mean probability of logits [F, O]; of a single one, its own."""
        if len(logits) == 1:
            return logits[0]
        if self.task.exclusive:
            return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))
        present, absent = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        return present.logsumexp(dim=0) - absent.logsumexp(dim=0)

    def _probability(self, logits: Tensor) -> Tensor:
        """Calibrated probabilities of raw logits [..., O]."""
        scaled = logits * self.slope + self.intercept
        return scaled.softmax(dim=-1) if self.task.exclusive else scaled.sigmoid()


class Prepare(nn.Module):
    """What `preprocess.decode.resize` does to an image, from uint8 [H, W] to float [S, S]."""

    def __init__(self, params: Preprocess) -> None:
        """Keep the settings; nothing here is learned."""
        super().__init__()
        self.params = params

    def forward(self, image: Tensor) -> Tensor:
        """Resize, round, blur, round, pad."""
        size, params = self.params.image_size, self.params
        height, width = image.shape
        new_height, new_width = torch.tensor(size), torch.tensor(size)
        if params.keep_aspect:
            scale = size / torch.maximum(torch.tensor(height), torch.tensor(width)).double()
            new_height = (height * scale).round().clamp(min=1).long()
            new_width = (width * scale).round().clamp(min=1).long()
        enlarging = (new_height > height) | (new_width > width)
        rows, columns = (
            resizing(params.interpolation, old, new, size, enlarging)
            for old, new in ((height, new_height), (width, new_width))
        )
        gray = rows @ image.float() @ columns.T
        if params.interpolation == "area":  # OpenCV rounds halves up where it takes 2 by 2 pixels
            halved = (new_height * 2 == height) & (new_width * 2 == width)
            gray = torch.where(halved, (gray + 0.5).floor(), gray)
        gray = gray.round().clamp(0, 255)
        if params.blur_kernel:
            rows, columns = (
                blurring(params.blur_kernel, new, size) for new in (new_height, new_width)
            )
            gray = (rows @ gray @ columns.T).round()
        return gray


def resizing(rule: str, old: int, new: Tensor, size: int, enlarging: Tensor) -> Tensor:
    """Weights [S, old] of a line's pixels in those of the new line, which lies in the middle."""
    i = (torch.arange(size) - (size - new) // 2)[:, None]
    j = torch.arange(old)[None, :]
    scale = old / new.double()
    center = ((i + 0.5) * scale - 0.5).clamp(torch.zeros(()), torch.tensor(old - 1.0))
    linear = functional.relu(1 - (center - j).abs())
    overlap = torch.minimum((i + 1) * scale, j + 1.0) - torch.maximum(i * scale, j.double())
    weights = {
        "area": lambda: torch.where(enlarging, linear, functional.relu(overlap) / scale),
        "linear": lambda: linear,
        "nearest": lambda: ((i * scale).floor() == j).double(),
    }[rule]()
    return torch.where((i >= 0) & (i < new), weights, 0).float()


def blurring(kernel: int, new: Tensor, size: int) -> Tensor:
    """Weights [S, S] of OpenCV's Gaussian blur of the `new` pixels in the middle."""
    taps = torch.from_numpy(cv2.getGaussianKernel(kernel, 0)[:, 0])
    first = (size - new) // 2
    i = (torch.arange(size) - first)[:, None, None]
    at = (i + torch.arange(kernel) - kernel // 2).abs()  # mirrored at the first pixel
    at = (new - 1) - ((new - 1) - at).abs()  # and at the last
    j = (torch.arange(size) - first)[None, :, None]
    weights = ((at == j) * taps).sum(dim=2)
    return torch.where((i[..., 0] >= 0) & (i[..., 0] < new), weights, 0).float()
