"""Altered copies are recognized as the same picture, another picture never is."""

import cv2
import numpy as np
import pytest

from thorax.near_duplicates import (
    HASH_BYTES,
    THUMBNAIL,
    fingerprint,
    near_hashes,
    near_identical,
)

LIMITS = {"distance": 56, "correlation": 0.97}


def picture(seed, size=256):
    """Blotches of all sizes from a twelfth of the picture on, as anatomy has them."""
    rng, layers = np.random.default_rng(seed), np.zeros((size, size))
    for cells in (4, 12, 24, 48):
        noise = rng.normal(0, 1, (cells, cells))
        layers += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC) / np.sqrt(cells)
    return cv2.normalize(layers, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def prints(images):
    hashes, thumbnails = zip(*map(fingerprint, images), strict=True)
    return np.stack(hashes), np.stack(thumbnails)


def copy_of(image):
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0)
    return cv2.resize(jpeg, (180, 200), interpolation=cv2.INTER_AREA)


def fingerprints_of_copies():
    """30 pictures, then a copy of each."""
    originals = [picture(i) for i in range(30)]
    return prints([*originals, *map(copy_of, originals)])


def turned(image, degrees=0.0, shift=0.0):
    matrix = cv2.getRotationMatrix2D((128, 128), degrees, 1)
    matrix[:, 2] += 256 * shift
    return cv2.warpAffine(image, matrix, (256, 256))


def lettered(image):
    return cv2.putText(image.copy(), "L 12:45", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)


def framed(image, *sides, level=0):
    return cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=level)


@pytest.mark.parametrize(
    "alter",
    [
        copy_of,
        lambda i: (255 * (i / 255) ** 0.6).astype(np.uint8),
        lambda i: np.clip(1.4 * i.astype(float) - 50, 0, 255).astype(np.uint8),
        cv2.equalizeHist,
        lettered,
        lambda i: framed(i, 20, 20, 20, 20),
        lambda i: framed(i, 5, 5, 5, 5, level=255),
        lambda i: framed(i, 0, 0, 90, 90),
        lambda i: i[5:-5, 5:-5],
        lambda i: turned(i, degrees=1),
        lambda i: turned(i, shift=0.02),
        lambda i: cv2.flip(i, 1),
        lambda i: 255 - i,
        lambda i: 255 - framed(cv2.flip(i, 1), 0, 0, 60, 60),
    ],
)
def test_an_altered_copy_is_the_same_picture_and_no_other_is(alter):
    originals = [picture(i) for i in range(20)]
    pairs = near_identical(prints(originals), prints([alter(image) for image in originals]),
                        **LIMITS)  # fmt: skip
    assert sorted(pairs) == [(i, i) for i in range(20)]


@pytest.mark.parametrize("block", [7, 2048])
def test_within_one_set_every_pair_counts_once(block):
    hashes, thumbnails = fingerprints_of_copies()
    pairs = near_identical((hashes, thumbnails), **LIMITS, block=block)
    assert sorted(pairs) == [(i, i + 30) for i in range(30)]


@pytest.mark.parametrize("block", [7, 2048])
def test_across_two_sets_every_pair_counts_once_with_its_places(block):
    hashes, thumbnails = fingerprints_of_copies()
    first, second = range(35), range(20, 60)
    sets = [(hashes[rows], thumbnails[rows]) for rows in map(list, (first, second))]
    same = [(i, j - 20) for i in first for j in second if i % 30 == j % 30]
    assert sorted(near_identical(*sets, **LIMITS, block=block)) == same


@pytest.mark.parametrize("turned_halves", [(), (1,), (0, 1), (0,)])
def test_distances_are_exact_in_all_four_orientations(turned_halves):
    base = np.random.default_rng(0).integers(0, 256, HASH_BYTES).astype(np.uint8)
    seen = np.split(base.copy(), 2)
    for half in turned_halves:
        seen[half] ^= 255
    bits = np.unpackbits(np.concatenate(seen))
    hashes = []
    for flips in (9, 10, 11):
        changed = bits.copy()
        changed[124 : 124 + flips] ^= 1
        hashes.append(np.packbits(changed))
    assert list(near_hashes(base[None], np.stack(hashes), distance=10)) == [(0, 0), (0, 1)]


def test_a_near_hash_needs_the_same_detail():
    same_hash = np.zeros((2, HASH_BYTES), np.uint8)
    other = np.stack([fingerprint(picture(i))[1] for i in range(2)])
    assert near_identical((same_hash, other), **LIMITS) == []
    blurred = np.stack([other[0], cv2.GaussianBlur(other[0], (0, 0), 6)])
    assert near_identical((same_hash, blurred), **LIMITS) == []


def test_a_picture_of_nothing_has_a_fingerprint_and_is_like_no_other():
    sizes = [(30, 40), (1, 1), (300, 2)]
    hashes, thumbnails = prints([np.full(size, 7, np.uint8) for size in sizes])
    assert thumbnails.shape == (3, THUMBNAIL, THUMBNAIL)
    assert not hashes.any()
    assert near_identical((hashes, thumbnails), **LIMITS) == []
