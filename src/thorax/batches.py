"""Batches from the memory-mapped cache: order, augmentation and normalisation.

Whole batches, not images, move through threads: one `numpy.take` from the memory map, one warp per
image in place, one fused conversion to float. Shapes: B batch, C channels, H height, W width.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from thorax import augment
from thorax.config import Augment, Model

IMAGENET = (0.449, 0.226)  # mean over R, G, B of the published means and deviations
THREADS = 4  # batches prepared at once; more only wait for the interpreter


@dataclass(frozen=True)
class Batch:
    """Images float32 [B, C, H, W], their cache rows [B]."""

    x_BCHW: torch.Tensor  # noqa: N815 - the shape is the name
    rows: NDArray[np.int64]


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))


def open_images(cache: Path) -> NDArray[np.uint8]:
    """Memory-map the cache read-only: uint8 [N, H, W]."""
    images: NDArray[np.uint8] = np.load(cache / "images.npy", mmap_mode="r")
    return images


def normalization(
    model: Model, images: NDArray[np.uint8], rows: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean and standard deviation of gray values in 0–1; `train` measures the given rows."""
    if model.normalization == "imagenet":
        return IMAGENET
    if model.normalization == "unit":
        return 0.0, 1.0
    counts = np.zeros(256, np.int64)
    for start in range(0, len(rows), 256):
        counts += np.bincount(images[np.sort(rows[start : start + 256])].ravel(), minlength=256)
    levels = np.arange(256) / 255
    mean = float(counts @ levels / counts.sum())
    deviation = float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
    return round(mean, 6), round(max(deviation, 1e-3), 6)


def epoch_order(rows: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """The training rows in the order of one epoch, a pure function of (seed, epoch)."""
    return np.random.default_rng([seed, epoch, 0]).permutation(rows)


def split_batches(rows: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut rows into batches of at most `batch_size` whose sizes differ by one at most.

    Nothing is dropped, and no batch is so small that batch normalisation fails on it.
    """
    return np.array_split(rows, max(1, -(-len(rows) // batch_size)))


@dataclass(frozen=True)
class Batches:
    """Where batches come from: the images, their normalisation and their destination."""

    images: NDArray[np.uint8]
    channels: int
    mean: float
    deviation: float
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
        draws = augment.draw(seed, epoch, len(self.images)) if params else None
        cv2.setNumThreads(1)  # parallel over batches, not within an image
        with ThreadPoolExecutor(THREADS) as pool:
            jobs: Iterator[Future[torch.Tensor]] = (
                pool.submit(self._prepare, rows, params, draws) for rows in batches
            )
            ahead = deque(islice(jobs, THREADS + 1))
            for rows in batches:
                x = ahead.popleft().result()
                ahead.extend(islice(jobs, 1))
                yield Batch(x.to(self.device, non_blocking=True), rows)

    def _prepare(
        self, rows: NDArray[np.int64], params: Augment | None, draws: NDArray[np.float32] | None
    ) -> torch.Tensor:
        pixels = np.take(self.images, rows, axis=0)
        factor = np.ones(len(rows), np.float32)
        offset = np.zeros(len(rows), np.float32)
        if params is not None and draws is not None:
            own = draws[rows]
            matrices = augment.affine(params, own, pixels.shape[1])
            pixels = augment.warp(pixels, matrices, np.empty_like(pixels))
            factor, offset = augment.gray_shift(params, own, pixels)
        x = torch.empty(pixels.shape, pin_memory=self.device.type == "cuda")
        x.copy_(torch.from_numpy(pixels))
        x.mul_(torch.from_numpy(factor / (255 * self.deviation))[:, None, None])
        x.add_(torch.from_numpy((offset - self.mean) / self.deviation)[:, None, None])
        x.clamp_(-self.mean / self.deviation, (1 - self.mean) / self.deviation)
        x = x[:, None].expand(-1, self.channels, -1, -1)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return x.contiguous(memory_format=layout)
