"""Re-encoded and resized copies are near-identical; other images are not."""

import cv2
import numpy as np
import pytest

from thorax.near_duplicates import fingerprint, near_across, near_identical


def picture(seed, size=256):
    noise = np.random.default_rng(seed).normal(0, 1, (24, 24))
    smooth = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def prints(images):
    pairs = [fingerprint(image) for image in images]
    return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])


def fingerprints_of_copies():
    """30 pictures, then a copy of each."""
    originals = [picture(i) for i in range(30)]
    return prints([*originals, *map(copy_of, originals)])


def copy_of(image):
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0)
    return cv2.resize(jpeg, (180, 200), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("block", [7, 2048])
def test_copies_are_near_identical_and_nothing_else(block):
    hashes, thumbnails = fingerprints_of_copies()
    pairs = near_identical(hashes, thumbnails, distance=10, correlation=0.99, block=block)
    assert sorted(pairs) == [(i, i + 30) for i in range(30)]


@pytest.mark.parametrize("block", [7, 2048])
def test_across_two_sets_every_pair_counts_once_with_its_places(block):
    hashes, thumbnails = fingerprints_of_copies()
    first, second = range(35), range(20, 60)
    sets = [(hashes[rows], thumbnails[rows]) for rows in map(list, (first, second))]
    same = [(i, j - 20) for i in first for j in second if i % 30 == j % 30]
    assert sorted(near_across(*sets, 10, 0.99, block)) == same


def test_distances_are_exact():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, 32).astype(np.uint8)
    bits = np.unpackbits(base)
    hashes = [base]
    for flips in (9, 10, 11):
        changed = bits.copy()
        changed[:flips] ^= 1
        hashes.append(np.packbits(changed))
    same = np.repeat(picture(0, 32)[None], 4, axis=0)
    pairs = near_identical(np.stack(hashes), same, distance=10, correlation=0.99)
    assert [pair for pair in pairs if pair[0] == 0] == [(0, 1), (0, 2)]


def test_a_near_hash_needs_a_correlated_thumbnail():
    hashes = np.zeros((2, 32), np.uint8)
    other = np.stack([picture(0, 32), picture(1, 32)])
    assert near_identical(hashes, other, distance=10, correlation=0.99) == []
