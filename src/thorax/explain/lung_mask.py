"""A heuristic lung mask: what most of the best fitting of some thousand outlines enclose.

An outline keeps the shape of a chest where a pneumonia or an effusion hides the lung's border, so
it is a better cover for the lungs than what is dark. It is no segmentation; `benchmarks/lungs.py`
says how good it is on phantoms, where the truth is known.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

GRID = 96  # height and width that outlines are compared on
OUTLINES = 4000
VOTES = 10  # best outlines, of which more than half must enclose a pixel
POINTS = 48  # at which a lung's border is looked at
STEP = 0.025  # how far inside and outside of the border, fraction of the image
STD = 0.3  # standard deviation of a sampled outline, fraction of the range
LARGE_IS_LIKELY = 0.6  # bonus for the area: ribs make borders inside of the lungs
RIGHT, LEFT = -1, 1  # the patient's right lung is on the image's left

# Ranges of what an outline is made of. Places are fractions of the image; `dome` is how high the
# diaphragm rises over the costophrenic angle and `heart` how much of the base it takes, as
# fractions of the lung.
_BOTH = {"midline": (0.42, 0.58), "gap": (0.04, 0.10), "width": (0.30, 0.48)}
_EACH = {"apex": (0.02, 0.22), "base": (0.55, 0.90), "dome": (0.08, 0.35)}
_HEART = {RIGHT: (0.0, 0.35), LEFT: (0.05, 0.75)}
_SIMILAR = 0.5  # how much less the two lungs of a chest differ than those of two chests

Array = NDArray[np.float64]
Shape = dict[str, float]


@dataclass(frozen=True)
class _Bank:
    """Filled outlines of K chests, pixels just inside and outside [K, 2 · POINTS], areas [K]."""

    filled: NDArray[np.uint8]  # [K, GRID, GRID]
    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    area: Array


def lung_masks(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where both lungs probably lie in frontal chest X-rays, bool [N, H, W].

    Args:
        images: gray, bone white [N, H, W].
    """
    bank, fields = _bank(), np.zeros(images.shape, bool)
    height, width = images.shape[1:]
    for image, field in zip(images, fields, strict=True):
        gray = _local_contrast(image).ravel()
        edge = np.tanh(gray[bank.outside] - gray[bank.inside]).mean(axis=1)
        best = np.argsort(edge + LARGE_IS_LIKELY * bank.area)[-VOTES:]
        votes = bank.filled[best].mean(axis=0, dtype=np.float32)
        field[:] = cv2.resize(votes, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return fields


def _local_contrast(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Gray relative to mean and standard deviation of its surroundings, [GRID, GRID]."""
    small = cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    gray = cv2.GaussianBlur(small, (0, 0), GRID / 80)
    away = gray - cv2.GaussianBlur(gray, (0, 0), GRID / 8)
    std = np.sqrt(cv2.GaussianBlur(away**2, (0, 0), GRID / 8))
    return np.asarray(away / (std + 3), np.float32)


@cache
def _bank() -> _Bank:
    rng = np.random.default_rng(0)
    filled, inside, outside = np.zeros((OUTLINES, GRID, GRID), np.uint8), [], []
    for layer in filled:
        chest = [_outline(side, shape) for side, shape in _sample(rng).items()]
        for polygon in chest:
            corners = np.rint(polygon * GRID * 32 - 16).astype(np.int32)
            cv2.fillPoly(layer, [corners], 1, cv2.LINE_8, 5)
        borders = zip(*map(_border, chest), strict=True)
        points, normals = (np.concatenate(parts) for parts in borders)
        inside.append(_pixels(points - STEP * normals))
        outside.append(_pixels(points + STEP * normals))
    return _Bank(filled, np.stack(inside), np.stack(outside), filled.mean(axis=(1, 2)))


def _sample(rng: np.random.Generator) -> dict[int, Shape]:
    """One chest, usual ones more often than extreme ones."""

    def near(bounds: tuple[float, float], middle: float, std: float) -> float:
        low, high = bounds
        return float(np.clip(rng.normal(middle, std * (high - low)), low, high))

    shared = {k: near(bounds, float(np.mean(bounds)), STD) for k, bounds in _BOTH.items()}
    usual = {k: near(bounds, float(np.mean(bounds)), STD) for k, bounds in _EACH.items()}
    shapes = {}
    for side in (RIGHT, LEFT):
        lung = {k: near(_EACH[k], middle, STD * _SIMILAR) for k, middle in usual.items()}
        heart = near(_HEART[side], float(np.mean(_HEART[side])), STD)
        shapes[side] = {**shared, **lung, "heart": heart}
    return shapes


def _outline(side: int, shape: Shape) -> Array:
    """Polygon of one lung as x, y in fractions of the image: lateral, along the base, medial."""
    dome, heart = shape["dome"], shape["heart"]
    lateral = [(0.52, 0), (0.70, 0.05), (0.84, 0.15), (0.93, 0.3), (0.97, 0.5), (0.99, 0.7), (1, 1)]
    base = [(0.85, 1 - 0.45 * dome), (0.65, 1 - 0.85 * dome), (0.45, 1 - dome), (0.25, 1 - dome)]
    medial = [(0.02 + heart, 1 - 0.9 * dome), (0.02 + 0.8 * heart, 0.72)]
    top = [
        (0.02 + 0.35 * heart, 0.58),
        (0, 0.45),
        (0.02, 0.32),
        (0.12, 0.16),
        (0.27, 0.05),
        (0.38, 0.01),
    ]
    path = [*lateral, *(point for point in base if point[0] > heart + 0.07), *medial, *top]
    u, v = np.array(path).T
    x = shape["midline"] + side * (shape["gap"] + u * (shape["width"] - shape["gap"]))
    return np.stack([x, shape["apex"] + v * (shape["base"] - shape["apex"])], axis=1)


def _border(polygon: Array) -> tuple[Array, Array]:
    """Points at equal distances along a polygon and the unit vectors that lead out of it."""
    closed = np.concatenate([polygon, polygon[:1]])
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]
    at = np.linspace(0, along[-1], POINTS, endpoint=False)
    points = np.stack([np.interp(at, along, closed[:, i]) for i in (0, 1)], axis=1)
    dx, dy = (np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)).T
    normals = np.stack([dy, -dx], axis=1) / (np.hypot(dx, dy)[:, None] + 1e-9)
    outwards = np.sign(((points - points.mean(axis=0)) * normals).sum())
    return points, outwards * normals


def _pixels(points: Array) -> NDArray[np.int64]:
    """Places in an unrolled grid."""
    x, y = np.clip(np.floor(points * GRID), 0, GRID - 1).astype(np.int64).T
    return np.asarray(y * GRID + x, np.int64)
