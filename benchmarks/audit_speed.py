"""How long the comparison of two sets of 50,000 fingerprints takes.

python benchmarks/audit_speed.py        # writes benchmarks/audit_speed.json
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.io import write_json
from thorax.provenance import machine
from thorax.split.leakage import Images, compare

IMAGES = 50_000
PLANTED = 100  # images of B that are near copies of one of A


def images(rng: np.random.Generator, name: str) -> Images:
    """Random fingerprints: as far from each other as unrelated pictures."""
    ids = [f"{name}/{i:06}.png" for i in range(IMAGES)]
    hashes = rng.integers(0, 256, (IMAGES, 32)).astype(np.uint8)
    thumbnails = rng.integers(0, 256, (IMAGES, 32, 32)).astype(np.uint8)
    return Images(ids, ids, ids, hashes, thumbnails, {"as listed": ids})


def main() -> None:
    """Compare, check that the planted copies are found, print and write."""
    rng = np.random.default_rng(0)
    a, b = images(rng, "a"), images(rng, "b")
    b.hashes[:PLANTED], b.thumbnails[:PLANTED] = a.hashes[:PLANTED], a.thumbnails[:PLANTED]
    b.hashes[:PLANTED, 0] ^= 0b111
    start = time.perf_counter()
    found = compare(a, b, distance=10, correlation=0.99)
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "images": [IMAGES, IMAGES],
        "seconds": round(time.perf_counter() - start, 1),
        "near_identical": found["near_identical"]["images"],
        "planted": PLANTED,
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
