"""How long the comparison of two sets of 50,000 images takes, their files read already.

python benchmarks/audit_speed.py        # writes benchmarks/audit_speed.json
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.config import load_params
from thorax.io import write_json
from thorax.near_duplicates import HASH_BYTES, THUMBNAIL, Fingerprints, near_identical
from thorax.provenance import machine
from thorax.split.leakage import Images, compare

IMAGES = 50_000
PLANTED = 100  # images of B that are near copies of one of A


def random_set(rng: np.random.Generator, name: str) -> tuple[Images, Fingerprints]:
    """Random fingerprints: as far from each other as unrelated pictures."""
    ids = [f"{name}/{i:06}.png" for i in range(IMAGES)]
    hashes = rng.integers(0, 256, (IMAGES, HASH_BYTES), np.uint8)
    thumbnails = rng.integers(0, 256, (IMAGES, THUMBNAIL, THUMBNAIL), np.uint8)
    return Images(ids, ids, ids, {"as listed": ids}), (hashes, thumbnails)


def main() -> None:
    """Compare, count the planted copies, print and write."""
    rng = np.random.default_rng(0)
    (a, first), (b, second) = random_set(rng, "a"), random_set(rng, "b")
    for copies, originals in zip(second, first, strict=True):
        copies[:PLANTED] = originals[:PLANTED]
    second[0][:PLANTED, 0] ^= 0b111
    limits = load_params().split
    start, worked = time.perf_counter(), time.process_time()
    near = near_identical(
        first, second,
        distance=limits.hash_distance, correlation=limits.thumbnail_correlation,
    )  # fmt: skip
    overlap = compare(("a", "b"), a, b, near)
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "images": [IMAGES, IMAGES],
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - worked, 1),
        "near_identical": overlap.near_identical.images,
        "planted": PLANTED,
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
