"""The command `thorax audit A B`: two folders, archives or manifests against each other."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.archives import IMAGE, total_bytes, walk
from thorax.config import load_params
from thorax.errors import DataError
from thorax.io import read_csv, write_json
from thorax.near_duplicates import fingerprint
from thorax.patient_ids import patients_by_rule
from thorax.preprocess.decode import decode
from thorax.progress import bar
from thorax.split.leakage import KINDS, Images, compare, shares_anything

CACHE = Path("cache")  # beside a manifest, as `data/cache` beside `data/manifest.csv`
SHARED = 4  # exit code when anything is shared

Read = tuple[str, str, int, tuple[NDArray[np.uint8], NDArray[np.uint8]] | None]


def audit(a: Path, b: Path, json: Path | None) -> int:
    """Print what b shares with a; 0 when nothing, 4 otherwise.

    Raises:
        DataError: one of them does not exist or holds no image.
    """
    split = load_params().split
    sets = [read(path) for path in (a, b)]
    found = compare(*sets, distance=split.hash_distance, correlation=split.thumbnail_correlation)
    print(f"A: {a}, {found['images'][0]:,} images\nB: {b}, {found['images'][1]:,} images\n")
    print(table(found))
    if json is not None:
        write_json(json, {"a": str(a), "b": str(b), **found})
    return SHARED if shares_anything(found) else 0


def table(found: dict[str, Any]) -> str:
    """Images of B concerned by kind, with an example each."""
    lines = []
    for kind in KINDS:
        example = " and ".join(found[kind]["examples"][0]) if found[kind]["examples"] else ""
        lines.append(f"{kind:<16}{found[kind]['images']:>9,}  {example}".rstrip())
    rules = found["shared_patients"]["by_rule"]
    if not rules:
        lines.append("patients: not known from these file names")
    for rule, count in rules.items():
        lines.append(f"  patients {rule}: {count:,} images of B")
    return "\n".join(lines)


def read(path: Path) -> Images:
    """Checksums and fingerprints of a manifest with its cache, or of all images under a path."""
    if path.suffix == ".csv":
        return _manifest(path)
    if not path.exists():
        raise DataError(
            f"{path.absolute()} does not exist. Name a folder, an archive or a manifest."
        )
    ids, shas, prints, unread = [], [], [], 0
    with bar(f"read {path.name}", total=total_bytes(path), unit="B") as progress:
        for location, sha, size, prepared in _fingerprinted(path):
            progress.update(size)
            if prepared is None:
                unread += 1
                continue
            ids.append(location)
            shas.append(sha)
            prints.append(prepared)
    if not ids:
        raise DataError(f"{path.absolute()} holds no image that can be read.")
    if unread:
        print(f"{unread} images of {path} cannot be read and are left out.")
    hashes, thumbnails = (np.stack([each[k] for each in prints]) for k in (0, 1))
    return Images(ids, ids, shas, hashes, thumbnails, patients_by_rule(ids))


def _manifest(path: Path) -> Images:
    manifest = read_csv(path).set_index("image_id", drop=False)
    cache = path.parent / CACHE
    if not (cache / "hashes.npy").exists():
        raise DataError(f"{path} has no fingerprints in {cache}; run `dvc repro preprocess` first.")
    rows = manifest.loc[read_csv(cache / "index.csv")["image_id"]]
    paths = rows["location"].tolist()
    return Images(
        rows["image_id"].tolist(),
        paths,
        rows["sha256"].tolist(),
        np.load(cache / "hashes.npy"),
        np.load(cache / "thumbnails.npy"),
        patients_by_rule(paths, rows["patient_id"].tolist()),
    )


def _fingerprinted(root: Path) -> Iterator[Read]:
    """Every image under a root, decoded in threads, in the order of the disk."""
    threads = os.cpu_count() or 1
    cv2.setNumThreads(1)  # parallel over images, not within one
    with ThreadPoolExecutor(threads) as pool:
        jobs: Iterator[Future[Read]] = (
            pool.submit(_one, location, content)
            for location, content in walk(root, lambda name: name.lower().endswith(IMAGE))
        )
        window = list(islice(jobs, 4 * threads))
        while window:
            yield window.pop(0).result()
            window.extend(islice(jobs, 1))


def _one(location: str, content: bytes) -> Read:
    sha = hashlib.sha256(content).hexdigest()
    try:
        return location, sha, len(content), fingerprint(decode(content))
    except ValueError:
        return location, sha, len(content), None
