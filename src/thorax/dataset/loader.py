"""Batches from the memory-mapped cache: order, augmentation and normalization.

Whole batches, not images, move through threads: one `numpy.take` from the memory map, one warp per
image in place, one fused conversion to float. Shapes: B batch, C channels, H height, W width.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from thorax.config import Augment, Model
from thorax.dataset import augment
from thorax.parallel import ordered_map

# Mean and standard deviation per channel, of intensities in 0–1. ImageNet's as torchvision
# publishes them, R, G, B; Caffe's, with which VGG was published, B, G, R, without division.
PUBLISHED = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": ((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3),
    "unit": ((0.0,) * 3, (1.0,) * 3),
}
THREADS = 4  # batches prepared at once; more only wait for the interpreter


@dataclass(frozen=True)
class Batch:
    """Images float32 [B, C, H, W], their cache rows [B]."""

    x_BCHW: torch.Tensor  # noqa: N815 - the shape is the name
    rows: NDArray[np.int64]


def normalization(
    model: Model, images: NDArray[np.uint8], rows: NDArray[np.int64]
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation [C] of intensities in 0–1; `train` measures the given rows.

    One channel gets the mean of the three published figures.
    """
    if model.normalization in PUBLISHED:
        published = (np.array(figures) for figures in PUBLISHED[model.normalization])
        if model.channels == 1:
            published = (figures.mean(keepdims=True) for figures in published)
        mean, std = (np.round(figures, 6).tolist() for figures in published)
        return mean, std
    counts = np.zeros(256, np.int64)
    for start in range(0, len(rows), 256):
        counts += np.bincount(images[np.sort(rows[start : start + 256])].ravel(), minlength=256)
    levels = np.arange(256) / 255
    average = float(counts @ levels / counts.sum())
    spread = float(np.sqrt(counts @ (levels - average) ** 2 / counts.sum()))
    return [round(average, 6)] * model.channels, [round(max(spread, 1e-3), 6)] * model.channels


def epoch_order(rows: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """The training rows in the order of one epoch, a pure function of (seed, epoch)."""
    return np.random.default_rng([seed, epoch, 0]).permutation(rows)


def split_batches(rows: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut rows into batches of at most `batch_size` whose sizes differ by one at most.

    Nothing is dropped, and no batch is so small that batch normalization fails on it.
    """
    return np.array_split(rows, max(1, -(-len(rows) // batch_size)))


@dataclass(frozen=True)
class Batches:
    """Where batches come from: images, normalization per channel [C], destination."""

    images: NDArray[np.uint8]
    mean: list[float]
    std: list[float]
    device: torch.device
    channels_last: bool

    def stream(
        self,
        batches: list[NDArray[np.int64]],
        params: Augment | None = None,
        seed: int = 0,
        epoch: int = 0,
    ) -> Iterator[Batch]:
        """Yield the batches in order, prepared ahead in threads; augmented if `params` is given."""
        random = augment.random_numbers(seed, epoch, len(self.images)) if params else None
        cv2.setNumThreads(1)  # parallel over batches, not within an image
        tensors = ordered_map(
            lambda rows: self._prepare(rows, params, random), batches, THREADS, THREADS + 1
        )
        for rows, x in zip(batches, tensors, strict=True):
            yield Batch(x.to(self.device, non_blocking=True), rows)

    def _prepare(
        self, rows: NDArray[np.int64], params: Augment | None, random: NDArray[np.float32] | None
    ) -> torch.Tensor:
        pixels = np.take(self.images, rows, axis=0)
        factor = np.ones(len(rows), np.float32)
        offset = np.zeros(len(rows), np.float32)
        if params is not None and random is not None:
            matrices = augment.affine(params, random[rows], pixels.shape[1])
            pixels = augment.warp(pixels, matrices, np.empty_like(pixels))
            factor, offset = augment.intensity_jitter(params, random[rows], pixels)
        gray = torch.from_numpy(pixels).float()[:, None]
        gray.mul_(torch.from_numpy(factor / 255)[:, None, None, None])
        gray.add_(torch.from_numpy(offset)[:, None, None, None]).clamp_(0, 1)
        shape = (len(rows), len(self.mean), *pixels.shape[1:])
        x = torch.empty(
            shape,
            pin_memory=self.device.type == "cuda",
            memory_format=torch.channels_last if self.channels_last else torch.contiguous_format,
        )
        for channel, (mean, std) in enumerate(zip(self.mean, self.std, strict=True)):
            torch.sub(gray[:, 0], mean, out=x[:, channel]).div_(std)
        return x
