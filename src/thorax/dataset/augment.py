"""Random changes of an image in training, a pure function of (seed, epoch, row of the cache)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.config import Augment

N_RANDOM = 9  # shift x, y, zoom, rotation, shear x, y, brightness, contrast, flip


def random_numbers(seed: int, epoch: int, n_images: int) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1) for every image of the cache in one epoch, [n_images, N_RANDOM].

    Drawn as one table and then looked up by row, so that neither the order of the images, nor the
    number of threads or processes, nor a resume can change what happens to an image.
    """
    return np.random.default_rng([seed, epoch, 1]).random((n_images, N_RANDOM), dtype=np.float32)


def affine(params: Augment, random: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Matrices [B, 2, 3] from source to destination pixels, about the image's center.

    `random` is [B, N_RANDOM], a row an image; `size` its height and width in pixels.
    """
    signed = random.astype(np.float64) * 2 - 1
    shift_x, shift_y = (signed[:, i] * params.shift * size for i in (0, 1))
    scale = 1 + signed[:, 2] * params.zoom
    angle = np.deg2rad(signed[:, 3] * params.rotation)
    shear_x, shear_y = (np.tan(np.deg2rad(signed[:, i] * params.shear)) for i in (4, 5))
    mirror = np.where(random[:, 8] < params.flip, -1.0, 1.0)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    a, b = (cos + sin * shear_y) * mirror, cos * shear_x + sin
    c, d = (cos * shear_y - sin) * mirror, cos - sin * shear_x
    center = (size - 1) / 2
    x = center + shift_x - (a + b) * center
    y = center + shift_y - (c + d) * center
    return np.stack([np.stack([a, b, x], 1), np.stack([c, d, y], 1)], axis=1)


def warp(
    images: NDArray[np.uint8], matrices: NDArray[np.float64], out: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Apply one affine map per image, bilinear, black outside: uint8 [B, H, W] → `out`."""
    size = (images.shape[2], images.shape[1])
    for image, matrix, target in zip(images, matrices, out, strict=True):
        cv2.warpAffine(image, matrix, size, dst=target, flags=cv2.INTER_LINEAR)
    return out


def intensity_jitter(
    params: Augment, random: NDArray[np.float32], images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factor and offset [B] on intensities in 0–1: contrast about the mean, then brightness."""
    brightness = 1 + (random[:, 6] * 2 - 1) * params.brightness
    contrast = 1 + (random[:, 7] * 2 - 1) * params.contrast
    mean = np.array([cv2.mean(image)[0] for image in images], np.float32) / 255
    return brightness * contrast, brightness * mean * (1 - contrast)
