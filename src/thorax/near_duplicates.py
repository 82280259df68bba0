"""Perceptual fingerprints: which images are the same picture, re-encoded or resized.

A pair counts as near-identical when its 256-bit DCT hashes (Zauner 2010, pHash with a 16x16 block)
differ in few bits and its 32x32 thumbnails correlate almost perfectly. The hash finds candidates,
the correlation confirms them: chest X-rays look so alike that a hash alone raises false pairs.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 32
HASH_BYTES = 32


def fingerprint(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Hash [32] (256 packed bits) and thumbnail [32, 32] of a gray image [H, W]."""
    small = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:16, :16]
    bits = np.packbits(low > np.median(low))
    thumbnail = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return bits, thumbnail.astype(np.uint8)


def near_identical(
    hashes: NDArray[np.uint8],
    thumbnails: NDArray[np.uint8],
    *,
    distance: int,
    correlation: float,
    block: int = 2048,
) -> list[tuple[int, int]]:
    """All pairs (i, j), i < j, within `distance` bits and above `correlation`.

    Args:
        hashes: uint8 [N, 32].
        thumbnails: uint8 [N, 32, 32].
        distance: largest Hamming distance, bits.
        correlation: Pearson correlation of the thumbnails that a pair must exceed.
        block: rows compared at once; bounds the memory at block² floats.
    """
    pairs = near_across(
        (hashes, thumbnails), (hashes, thumbnails), distance, correlation, block, upper=True
    )
    return [(left, right) for left, right in pairs if left < right]


def near_across(
    first: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    second: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    distance: int,
    correlation: float,
    block: int = 2048,
    *,
    upper: bool = False,
) -> list[tuple[int, int]]:
    """All pairs (i of `first`, j of `second`) within `distance` and above `correlation`.

    Args:
        first: hashes uint8 [N, 32] and thumbnails uint8 [N, 32, 32].
        second: the same of another set.
        distance: as in `near_identical`.
        correlation: as in `near_identical`.
        block: as in `near_identical`.
        upper: leave out blocks below the diagonal, for a set against itself.
    """
    # With bits as ±1, a matrix product counts agreements: distance = (256 - a·b) / 2, exactly.
    signs = [
        np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1 for hashes, _ in (first, second)
    ]
    flat = [_standardized(thumbnails) for _, thumbnails in (first, second)]
    least = 8 * HASH_BYTES - 2 * distance
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(signs[0]), block):
        for other in range(start if upper else 0, len(signs[1]), block):
            product = signs[0][start : start + block] @ signs[1][other : other + block].T
            if product.max(initial=-np.inf) < least:
                continue
            left, right = np.nonzero(product >= least)
            left, right = left + start, right + other
            similar = np.einsum("ij,ij->i", flat[0][left], flat[1][right]) > correlation
            pairs.extend(zip(left[similar].tolist(), right[similar].tolist(), strict=True))
    return pairs


def _standardized(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat
