"""From attenuation to pixel intensities: quanta, scatter, blur, log, window, vendor's look."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax_phantom.canvas import Map


class Vendor(NamedTuple):
    """How one maker's processing renders the same exposure."""

    name: str
    gamma: float
    edge: float  # strength of the edge boost
    edge_width: float  # its sigma as a fraction of the image
    black: float  # percentiles of the window
    white: float
    floor: int  # intensities that the window maps to
    ceiling: int


VENDORS = (
    Vendor("A", 0.95, 0.35, 0.020, 1.0, 99.3, 4, 250),
    Vendor("B", 1.20, 0.80, 0.030, 0.5, 99.7, 0, 255),
    Vendor("C", 0.90, 0.10, 0.012, 2.0, 99.0, 36, 232),
)
_QUANTA = 14000.0  # per pixel in air at exposure 1
_SCATTER = 0.30  # fraction of the detected signal that is wide-angle scatter behind the grid


def expose(attenuation: Map, vendor: Vendor, exposure: float, rng: np.random.Generator) -> Map:
    """Turn line integrals into a gray image.

    Args:
        attenuation: line integrals, `[pixels, pixels]`, 0 in air, about 3 in the mediastinum.
        vendor: processing, one of `VENDORS`.
        exposure: relative tube output, 1 is usual; more means less noise.
        rng: source of the quanta noise.

    Returns:
        Intensities 0-255 as float, `[pixels, pixels]`, bone white.
    """
    pixels = attenuation.shape[0]
    primary = np.exp(-np.maximum(attenuation, 0))
    primary = cv2.GaussianBlur(primary, (0, 0), 0.2 + pixels / 700)  # focal spot
    small = cv2.resize(np.minimum(primary, 0.45), (32, 32), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 4.0, borderType=cv2.BORDER_REPLICATE)
    scatter = cv2.resize(small, (pixels, pixels), interpolation=cv2.INTER_CUBIC)
    signal = (1 - _SCATTER) * primary + _SCATTER * scatter
    # Poisson's large-number form: one normal per pixel, whatever the signal, keeps streams aligned.
    noise = rng.standard_normal(signal.shape, np.float32)
    quanta = np.float32(_QUANTA * exposure)
    signal = signal + np.sqrt(np.maximum(signal, 1e-4) / quanta) * noise
    signal = cv2.GaussianBlur(signal, (0, 0), 0.45)  # spread of light in the detector
    density = -np.log(np.maximum(signal, 0.004))
    low, high = np.percentile(density, [vendor.black, vendor.white])
    shown = np.clip((density - low) / (high - low), 0, 1) ** np.float32(vendor.gamma)
    unsharp = shown - cv2.GaussianBlur(shown, (0, 0), vendor.edge_width * pixels)
    shown = np.clip(shown + np.float32(vendor.edge) * unsharp, 0, 1)
    return np.asarray(vendor.floor + (vendor.ceiling - vendor.floor) * shown, np.float32)


def stamp_marker(gray: Map, side: str) -> None:
    """Put a lead letter beside the shoulder, where radiographers put it, into a gray image.

    It is added after the window is set, so that images with and without it differ nowhere else.
    """
    pixels = gray.shape[0]
    size = pixels / 16
    x, y = (0.88 * pixels, 0.05 * pixels) if side == "L" else (0.07 * pixels, 0.05 * pixels)
    letters: dict[str, list[list[tuple[float, float]]]] = {
        "L": [[(0, 0), (0, 1), (0.6, 1)]],
        "R": [[(0, 1), (0, 0), (0.5, 0.08), (0.55, 0.4), (0, 0.52)], [(0.15, 0.5), (0.6, 1)]],
    }
    layer = np.zeros(gray.shape, np.uint8)
    for stroke in letters[side]:
        points = np.rint((np.array(stroke) * size + (x, y)) * 32).astype(np.int32)
        cv2.polylines(layer, [points], False, 255, max(1, round(pixels / 96)), cv2.LINE_AA, 5)
    lead = cv2.GaussianBlur(layer, (0, 0), 0.5).astype(np.float32) / np.float32(255)
    gray += lead * (np.float32(250) - gray)


def to_8_bit(gray: Map) -> NDArray[np.uint8]:
    """Round intensities to 8 bits."""
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)
