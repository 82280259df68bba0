"""One network from a gray image of any size to what was decided of it: what ONNX stores.

Shapes: H, W an image as it comes, S the model's image size, F models (folds), O outputs.

Resizing is two matrix products, rows · image · columnsᵀ, because ONNX's Resize and OpenCV's differ;
area resize is then that of the cache, but for the rounding of halves (tests/test_export.py).
"""

import math
from typing import NamedTuple

import cv2
import torch
from torch import Tensor, nn
from torch.nn import functional

from thorax.bundle.about import Bundle, outside
from thorax.config import Preprocess
from thorax.models.inference import load
from thorax.tasks import TASKS
from thorax.typicality import FLAT, Typicality, averaging


class Outputs(NamedTuple):
    """What the graph says of one image.

    Attributes:
        probability: calibrated [O].
        predicted: 1 for each class that is predicted positive, else 0 [O].
        spread: standard deviation of the folds' calibrated probabilities [O]; 0 of a single one.
        atypicality: above 1 the image is unlike the training images [].
    """

    probability: Tensor
    predicted: Tensor
    spread: Tensor
    atypicality: Tensor


class Classifier(nn.Module):
    """From uint8 [H, W] to `Outputs`: resize, pad, blur, normalize, networks, mean, calibration."""

    mean: Tensor
    std: Tensor
    slope: Tensor
    intercept: Tensor
    threshold: Tensor

    def __init__(self, bundle: Bundle) -> None:
        """Freeze the models and operating points of a bundle."""
        super().__init__()
        points = bundle.points
        loaded = [load(folder) for folder in bundle.models]
        first = loaded[0][0]
        self.networks = nn.ModuleList(network.eval() for _, network in loaded)
        self.task = TASKS[first.task]
        prepared = bool(outside(first.preprocess))
        self.prepare = nn.Identity() if prepared else Prepare(first.preprocess)
        size = first.preprocess.image_size
        typical = (Typicality.read(folder) for folder in bundle.models)
        self.typical = nn.ModuleList(Likelihood(each, size) for each in typical)
        lines = [points.scaling[name].line for name in first.outputs]
        constants = {
            "mean": [model.mean for model, _ in loaded],
            "std": [model.std for model, _ in loaded],
            "slope": [slope for slope, _ in lines],
            "intercept": [intercept for _, intercept in lines],
            "threshold": [points.thresholds.get(name, 0.5) for name in first.outputs],
        }
        for name, figures in constants.items():
            self.register_buffer(name, torch.tensor(figures, dtype=torch.float64).float())

    def forward(self, image: Tensor) -> Outputs:
        """Decide one image."""
        gray = self.prepare(image).float()
        x = (gray / 255 - self.mean[:, :, None, None]) / self.std[:, :, None, None]
        networks = zip(self.networks, x, strict=True)
        logits = torch.cat([network(each[None]) for network, each in networks])
        raw = self._mean(logits)
        if self.task.exclusive:
            predicted = functional.one_hot(raw.argmax(), len(raw))
        else:
            predicted = raw.sigmoid() >= self.threshold
        return Outputs(
            self._calibrated(raw),
            predicted.to(torch.uint8),
            self._calibrated(logits).std(dim=0, correction=0),
            torch.stack([typical(gray) for typical in self.typical]).mean(),
        )

    def _mean(self, logits: Tensor) -> Tensor:
        """Logits [O] of the mean probability of logits [F, O]; of a single one, its own."""
        if len(logits) == 1:
            return logits[0]
        if self.task.exclusive:
            return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))
        present, absent = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        return present.logsumexp(dim=0) - absent.logsumexp(dim=0)

    def _calibrated(self, logits: Tensor) -> Tensor:
        """Probabilities of raw logits [..., O]."""
        scaled = logits * self.slope + self.intercept
        return scaled.softmax(dim=-1) if self.task.exclusive else scaled.sigmoid()


class Likelihood(nn.Module):
    """`Typicality.scores` of a prepared image [S, S], as a multiple of the limit."""

    reduce: Tensor
    mean: Tensor
    components: Tensor
    variances: Tensor

    def __init__(self, typical: Typicality, size: int) -> None:
        """Freeze the Gaussian of a model."""
        super().__init__()
        self.noise, self.limit = typical.noise, typical.limit
        arrays = {name: getattr(typical, name) for name in ("mean", "components", "variances")}
        for name, array in (arrays | {"reduce": averaging(size)}).items():
            self.register_buffer(name, torch.from_numpy(array))

    def forward(self, gray: Tensor) -> Tensor:
        """Score of one image."""
        x = (self.reduce @ gray.double() @ self.reduce.T).flatten()
        x = x - x.mean()
        x = x / x.std(correction=0).clamp(min=FLAT)
        apart = x - self.mean
        along = self.components @ apart
        rest = (apart**2).sum() - (along**2).sum()
        score = ((along**2 / self.variances).sum() + rest / self.noise) / len(x)
        return (score / self.limit).float()


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
    scale = 1 / (new.double() / old)  # as OpenCV computes it, to the last bit
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
