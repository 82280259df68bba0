"""The command `thorax audit A B`: what two folders, archives or manifests share."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.archives import IMAGE, total_bytes, walk
from thorax.artifacts.data import Overlap
from thorax.config import load_params
from thorax.errors import DataError
from thorax.io import read_csv, write_json
from thorax.near_duplicates import fingerprint, near_across
from thorax.parallel import cores, ordered_map
from thorax.patient_ids import patients_by_rule
from thorax.preprocess.decode import decode
from thorax.progress import bar
from thorax.split.leakage import KINDS, Images, compare, overlaps

CACHE = Path("cache")  # beside a manifest, as `data/cache` beside `data/manifest.csv`
SHARED = 4  # exit code when anything is shared

Fingerprints = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # hashes [N, 32], thumbnails [N, 32, 32]


@dataclass(frozen=True)
class ImageSet:
    """Images of one set, and the fingerprints of their pixels."""

    images: Images
    fingerprints: Fingerprints


@dataclass(frozen=True)
class _Read:
    location: str
    sha256: str
    size: int
    fingerprint: Fingerprints | None  # of this image alone; None where it cannot be decoded


def audit(a: Path, b: Path, json: Path | None) -> tuple[str, int]:
    """What b shares with a, and the exit code: 0 when nothing, else 4.

    Raises:
        DataError: one of them does not exist or holds no image.
    """
    overlap = overlap_of(a, b)
    if json is not None:
        write_json(json, overlap.model_dump(mode="json"))
    head = f"A: {a}, {overlap.images[0]:,} images\nB: {b}, {overlap.images[1]:,} images"
    return f"{head}\n\n{table(overlap)}", SHARED if overlaps(overlap) else 0


def overlap_of(a: Path, b: Path) -> Overlap:
    """What b shares with a, by the limits on similarity of the section `split`."""
    first, second = read(a), read(b)
    split = load_params().split
    near = near_across(
        first.fingerprints, second.fingerprints, split.hash_distance, split.thumbnail_correlation
    )
    return compare((str(a), str(b)), first.images, second.images, near)


def table(overlap: Overlap) -> str:
    """Images of B concerned by kind, with an example each."""
    lines = []
    for kind in KINDS:
        shared = getattr(overlap, kind)
        example = " and ".join(shared.examples[0]) if shared.examples else ""
        lines.append(f"{kind:<16}{shared.images:>9,}  {example}".rstrip())
    rules = overlap.shared_patients.by_rule
    if not rules:
        lines.append("patients: not known from these file names")
    lines += [f"  patients {rule}: {count:,} images of B" for rule, count in rules.items()]
    return "\n".join(lines)


def read(path: Path) -> ImageSet:
    """Checksums and fingerprints of a manifest with its cache, or of all images under a path."""
    if path.suffix == ".csv":
        return _read_manifest(path)
    if not path.exists():
        raise DataError(
            f"{path.absolute()} does not exist. Name a folder, an archive or a manifest."
        )
    images = list(_read_all(path))
    good = [image for image in images if image.fingerprint is not None]
    if not good:
        raise DataError(f"{path.absolute()} holds no image that can be read.")
    if len(good) < len(images):
        print(f"{len(images) - len(good)} images of {path} cannot be read and are left out.")
    ids = [image.location for image in good]
    hashes, thumbnails = zip(
        *(image.fingerprint for image in good if image.fingerprint), strict=True
    )
    return ImageSet(
        Images(ids, ids, [image.sha256 for image in good], patients_by_rule(ids)),
        (np.stack(hashes), np.stack(thumbnails)),
    )


def _read_manifest(path: Path) -> ImageSet:
    manifest = read_csv(path).set_index("image_id", drop=False)
    cache = path.parent / CACHE
    if not (cache / "hashes.npy").exists():
        raise DataError(f"{path} has no fingerprints in {cache}; run `dvc repro preprocess` first.")
    rows = manifest.loc[read_csv(cache / "index.csv")["image_id"]]
    paths = rows["location"].tolist()
    patients = patients_by_rule(paths, rows["patient_id"].tolist())
    return ImageSet(
        Images(rows["image_id"].tolist(), paths, rows["sha256"].tolist(), patients),
        (np.load(cache / "hashes.npy"), np.load(cache / "thumbnails.npy")),
    )


def _read_all(root: Path) -> Iterator[_Read]:
    """Every image under a root, decoded in threads, in the order of the disk."""
    cv2.setNumThreads(1)  # parallel over images, not within one
    files = walk(root, lambda name: name.lower().endswith(IMAGE))
    with bar(f"read {root.name}", total=total_bytes(root), unit="B") as progress:
        for image in ordered_map(_read_one, files, cores(), 4 * cores()):
            progress.update(image.size)
            yield image


def _read_one(file: tuple[str, bytes]) -> _Read:
    location, content = file
    try:
        prints = fingerprint(decode(content))
    except ValueError:
        prints = None
    return _Read(location, hashlib.sha256(content).hexdigest(), len(content), prints)
