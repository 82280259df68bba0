"""Perceptual fingerprints: which images are the same picture, re-encoded, resized or altered.

A fingerprint is taken of the picture inside of flat borders, with its gray levels equalized, so
that frames, gamma and contrast leave it as it is. Hashes (256 signs of DCT coefficients, after
Zauner 2010) find candidates. A candidate counts when its 64x64 thumbnails, laid on each other,
correlate in most places: chest X-rays look so alike as a whole that only the detail tells two
patients apart. benchmarks/near_duplicates.py has what is found, and that nothing else is.
"""

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from thorax.parallel import cores, ordered_map

THUMBNAIL = 64
HASH_BYTES = 32
COARSE = 256  # pixels of the longer side, on which borders are looked for
FLAT = 6  # of 255 gray levels: rows that vary less are border
WINDOW = 9  # pixels of a thumbnail over which it is correlated: about a rib and its gap
MARGIN = 4  # pixels of its rim that an alignment may have moved in from nowhere
ALIGNMENT = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 20, 1e-4)

Bytes = NDArray[np.uint8]
Fingerprints = tuple[Bytes, Bytes]  # hashes [N, 32], thumbnails [N, 64, 64]
Halves = tuple[NDArray[np.float32], NDArray[np.float32]]  # of the hashes as ±1: [N, 128] each


def fingerprint(image: Bytes) -> Fingerprints:
    """Hash [32] and thumbnail [64, 64] of a gray image [H, W].

    The first half of the hash has the columns of the DCT that a mirror image leaves as they are,
    the second half those whose sign it turns; an inverted image turns all.
    """
    height, width = image.shape
    scale = min(1.0, COARSE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    content = _without_borders(np.asarray(small, np.uint8))
    thumbnail = cv2.resize(content, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    thumbnail = cv2.equalizeHist(thumbnail)
    low = cv2.dct(thumbnail - np.float32(thumbnail.mean()))[:16, :16]
    bits = np.packbits(np.hstack([low[:, ::2], low[:, 1::2]]).T > 0)
    return bits, thumbnail.astype(np.uint8)


def _without_borders(image: Bytes) -> Bytes:
    rows = _varied(image)
    columns = _varied(image[rows].T)
    return image[_varied(image[:, columns]), columns]


def _varied(image: Bytes) -> slice:
    """From the first to the last row that is not flat; letters on up to 5% of it do not count."""
    dark = round(0.05 * (image.shape[1] - 1))
    bright = image.shape[1] - 1 - dark
    ordered = np.partition(image, (dark, bright), axis=1).astype(int)
    rows = np.flatnonzero(ordered[:, bright] - ordered[:, dark] > FLAT)
    if len(rows) < max(1, len(image) // 8):  # a picture of hardly anything
        return slice(None)
    return slice(rows[0], rows[-1] + 1)


def near_identical(
    first: Fingerprints,
    second: Fingerprints | None = None,
    *,
    distance: int,
    correlation: float,
    block: int = 512,
) -> list[tuple[int, int]]:
    """All pairs (i of `first`, j of `second`) of the same picture; alone, i < j of `first`.

    Args:
        first: fingerprints of one set.
        second: of another.
        distance: largest distance of hashes, bits.
        correlation: what the thumbnails' median local correlation must exceed.
        block: rows compared at once; bounds the memory at block² floats a thread.
    """
    other = first if second is None else second
    hashes = None if second is None else second[0]
    candidates = near_hashes(first[0], hashes, distance=distance, block=block)
    confirmed = partial(_confirmed, first, other, correlation)
    threads = cores()
    found = ordered_map(confirmed, candidates, threads, 64 * threads)
    return [pair for pair in found if pair is not None]


def near_hashes(
    first: Bytes, second: Bytes | None = None, *, distance: int, block: int = 512
) -> Iterator[tuple[int, int]]:
    """Candidates: pairs of hashes within `distance` bits, mirrored and inverted ones included.

    Each half of a hash counts with the smaller of the bits in which it differs and in which it
    agrees, so that one comparison serves all four orientations.
    """
    rows = _signed_halves(first)
    columns = rows if second is None else _signed_halves(second)
    near = partial(_near_block, rows, columns, 8 * HASH_BYTES - 2 * distance, block, second is None)
    threads = cores()
    with threadpool_limits(1, "blas"):  # a thread for a block of rows, none to share a product
        for pairs in ordered_map(near, range(0, len(first), block), threads, 2 * threads):
            yield from pairs


def _near_block(
    rows: Halves, columns: Halves, least: int, block: int, upper: bool, start: int
) -> list[tuple[int, int]]:
    """Candidates of the rows from `start` on; `upper` leaves out those of j <= i."""
    pairs = []
    for other in range(start if upper else 0, len(columns[0]), block):
        even, odd = (
            np.abs(product, out=product)
            for a, b in zip(rows, columns, strict=True)
            for product in [a[start : start + block] @ b[other : other + block].T]
        )
        agreement = np.add(even, odd, out=even)
        if agreement.max(initial=-np.inf) >= least:
            near = np.add(np.argwhere(agreement >= least), (start, other))
            pairs += [(i, j) for i, j in near.tolist() if not upper or i < j]
    return pairs


def _signed_halves(packed: Bytes) -> Halves:
    """Bits as ±1: the matrix product of a half is 128 - 2 * the bits in which it differs."""
    signs = np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1
    left, right = np.split(signs, 2, axis=1)
    return left, right


def _confirmed(
    first: Fingerprints, second: Fingerprints, correlation: float, pair: tuple[int, int]
) -> tuple[int, int] | None:
    """The pair, if its thumbnails are one picture."""
    i, j = pair
    changed = np.split(first[0][i] ^ second[0][j], 2)
    differ = [int(np.bitwise_count(half).sum()) > 4 * len(half) for half in changed]
    inverted, mirrored = differ[0], differ[0] != differ[1]
    a, b = (prints[1][row].astype(np.float32) for prints, row in ((first, i), (second, j)))
    a = np.ascontiguousarray(a[:, ::-1] if mirrored else a)
    a = 255 - a if inverted else a
    same = local_correlation(a, b) > correlation or aligned_correlation(a, b) > correlation
    return pair if same else None


def aligned_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The same after an affine map (Evangelidis and Psarakis 2008): turned, shifted, cropped."""
    identity = np.eye(2, 3, dtype=np.float32)
    try:
        _, found = cv2.findTransformECC(b, a, identity, cv2.MOTION_AFFINE, ALIGNMENT)
    except cv2.error:  # it does not converge: other pictures
        return -1.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(a, found, b.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return local_correlation(np.asarray(moved, np.float32), b)


def local_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Median over all places of the correlation within a window: letters and marks do not count."""
    mean_a, mean_b = _blurred(a), _blurred(b)
    variances = (_blurred(a * a) - mean_a**2) * (_blurred(b * b) - mean_b**2)
    local = (_blurred(a * b) - mean_a * mean_b) / np.sqrt(np.maximum(variances, 1))
    return float(np.median(local[MARGIN:-MARGIN, MARGIN:-MARGIN]))


def _blurred(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(image, (WINDOW, WINDOW)), np.float32)
