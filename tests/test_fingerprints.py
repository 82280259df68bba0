"""Re-encoded and resized copies are found; other images are not."""

import cv2
import numpy as np
import pytest

from thorax.near_duplicates import fingerprint, near_identical


def picture(seed, size=256):
    noise = np.random.default_rng(seed).normal(0, 1, (24, 24))
    smooth = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def prints(images):
    pairs = [fingerprint(image) for image in images]
    return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])


def copy_of(image):
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0)
    return cv2.resize(jpeg, (180, 200), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("block", [7, 2048])
def test_copies_are_found_and_nothing_else(block):
    originals = [picture(i) for i in range(30)]
    hashes, thumbnails = prints([*originals, *map(copy_of, originals)])
    found = near_identical(hashes, thumbnails, distance=10, correlation=0.99, block=block)
    assert sorted(found) == [(i, i + 30) for i in range(30)]


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
    found = near_identical(np.stack(hashes), same, distance=10, correlation=0.99)
    assert [pair for pair in found if pair[0] == 0] == [(0, 1), (0, 2)]


def test_a_near_hash_needs_a_correlated_thumbnail():
    hashes = np.zeros((2, 32), np.uint8)
    other = np.stack([picture(0, 32), picture(1, 32)])
    assert near_identical(hashes, other, distance=10, correlation=0.99) == []
