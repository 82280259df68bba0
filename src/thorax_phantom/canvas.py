"""The plane everything is drawn on, in film units: x to the image's right, y down, film ±1."""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Map: TypeAlias = NDArray[np.float32]  # [rows, columns] on the canvas, or one that broadcasts to it
Points: TypeAlias = NDArray[np.float64]  # [n, 2] as x, y in film units

REACH = 1.2  # beyond the film, so that a rotated or shifted film is still covered
OVERSAMPLING = 1.25  # canvas pixels per film pixel; enough for clean thin lines
_FRACTION_BITS = 5  # cv2 takes fixed-point coordinates: 1/32 of a canvas pixel


class Canvas:
    """A square raster of film coordinates with the few drawing tools the phantom needs.

    It covers the film and a margin around it; `pixels` is the side of the film alone.
    """

    def __init__(self, pixels: int) -> None:
        """Lay the raster for a film of `pixels` squared."""
        self.pixels = pixels
        self.size = round(pixels * OVERSAMPLING * REACH)
        self.scale = self.size / (2 * REACH)  # canvas pixels per film unit
        axis = ((np.arange(self.size) + 0.5) / self.scale - REACH).astype(np.float32)
        self.x: Map = axis[None, :]
        self.y: Map = axis[:, None]

    def blank(self) -> NDArray[np.uint8]:
        """Make an empty 8-bit layer to draw on."""
        return np.zeros((self.size, self.size), np.uint8)

    def fixed(self, points: Points) -> NDArray[np.int32]:
        """Convert film coordinates to cv2's fixed-point pixel coordinates."""
        pixels = (points + REACH) * self.scale - 0.5
        return np.asarray(np.rint(pixels * 2**_FRACTION_BITS), np.int32)

    def stroke(
        self, layer: NDArray[np.uint8], lines: Sequence[Points] | Points, width: float, level: float
    ) -> None:
        """Draw anti-aliased lines of a width in film units; thinner than a pixel means fainter."""
        pixels = width * self.scale
        cv2.polylines(
            layer,
            list(self.fixed(np.asarray(lines))),
            False,
            round(level * min(1.0, pixels)),
            max(1, round(pixels)),
            cv2.LINE_AA,
            _FRACTION_BITS,
        )

    def fill(self, layer: NDArray[np.uint8], outline: Points, level: int = 255) -> None:
        """Fill a polygon given in film units."""
        cv2.fillPoly(layer, [self.fixed(outline)], level, cv2.LINE_AA, _FRACTION_BITS)

    def blur(self, image: Map, sigma: float) -> Map:
        """Blur with a Gaussian whose sigma is in film units; wide ones on a coarser grid."""
        sigma *= self.scale
        if sigma < 6:
            return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
        step = int(sigma // 3)
        small = cv2.resize(image, (self.size // step,) * 2, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REPLICATE)
        wide = cv2.resize(small, (self.size,) * 2, interpolation=cv2.INTER_CUBIC)
        return np.asarray(wide, np.float32)

    def clouds(self, rng: np.random.Generator, coarsest: int, octaves: int) -> Map:
        """Make fractal noise of mean 0 and standard deviation near 1, `coarsest` cells across."""
        total = np.zeros((self.size, self.size), np.float32)
        for octave in range(octaves):
            cells = coarsest * 2**octave
            grid = rng.standard_normal((cells, cells), np.float32)
            total += 0.6**octave * cv2.resize(grid, (self.size,) * 2, interpolation=cv2.INTER_CUBIC)
        return total


def layer_to_map(layer: NDArray[np.uint8]) -> Map:
    """Convert an 8-bit layer to float, 255 becoming 1."""
    return layer.astype(np.float32) / np.float32(255)


def ramp(value: Map, width: float) -> Map:
    """Rise smoothly from 0 to 1 while `value` goes from -width to +width."""
    t = value * np.float32(0.5 / width)
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def smooth_outline(points: Points, per_side: int = 8) -> Points:
    """Round a closed polygon by a Catmull-Rom spline through its corners, `per_side` steps each."""
    before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
    later = np.roll(points, -2, 0)
    t = (np.arange(per_side) / per_side)[None, :, None]
    p0, p1, p2, p3 = (p[:, None, :] for p in (before, points, after, later))
    curve = 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return np.asarray(curve.reshape(-1, 2), np.float64)


def smooth_path(points: Points, per_side: int = 8) -> Points:
    """Round an open path the same way; it still goes through every point."""
    doubled = np.concatenate([points[:1], points, points[-1:]])  # the spline's ends have no tangent
    curve = smooth_outline(doubled, per_side)
    return curve[per_side : per_side * len(points) + 1]
