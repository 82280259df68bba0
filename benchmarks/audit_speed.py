"""How long the comparison of two sets of 50,000 images takes, their files read already.

python benchmarks/audit_speed.py        # writes benchmarks/audit_speed.json
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.io import write_json
from thorax.near_duplicates import HASH_BYTES, THUMBNAIL, near_across
from thorax.provenance import machine
from thorax.split.leakage import Images, compare
from thorax.studies.audit import ImageSet

IMAGES = 50_000
PLANTED = 100  # images of B that are near copies of one of A


def random_set(rng: np.random.Generator, name: str) -> ImageSet:
    """Random fingerprints: as far from each other as unrelated pictures."""
    ids = [f"{name}/{i:06}.png" for i in range(IMAGES)]
    hashes = rng.integers(0, 256, (IMAGES, HASH_BYTES)).astype(np.uint8)
    thumbnails = rng.integers(0, 256, (IMAGES, THUMBNAIL, THUMBNAIL)).astype(np.uint8)
    return ImageSet(Images(ids, ids, ids, {"as listed": ids}), (hashes, thumbnails))


def main() -> None:
    """Compare, count the planted copies, print and write."""
    rng = np.random.default_rng(0)
    a, b = random_set(rng, "a"), random_set(rng, "b")
    for copies, originals in zip(b.fingerprints, a.fingerprints, strict=True):
        copies[:PLANTED] = originals[:PLANTED]
    b.fingerprints[0][:PLANTED, 0] ^= 0b111
    start = time.perf_counter()
    near = near_across(a.fingerprints, b.fingerprints, distance=10, correlation=0.99)
    overlap = compare(("a", "b"), a.images, b.images, near)
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "images": [IMAGES, IMAGES],
        "seconds": round(time.perf_counter() - start, 1),
        "near_identical": overlap.near_identical.images,
        "planted": PLANTED,
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
