"""The command `thorax audit A B`: what two folders, archives or manifests share."""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from thorax.archives import total_bytes
from thorax.artifacts.data import Overlap
from thorax.config import load_params
from thorax.dicom import pseudonyms
from thorax.dicom.header import film_of
from thorax.dicom.parse import is_dicom
from thorax.errors import DataError, IntegrityError
from thorax.io import read_csv, write_json
from thorax.near_duplicates import Fingerprints, fingerprint, near_identical
from thorax.parallel import cores, ordered_map
from thorax.patient_ids import AS_LISTED, fitting_rules
from thorax.preprocess.decode import decode
from thorax.progress import bar
from thorax.split.leakage import KINDS, Images, compare, overlaps
from thorax.survey import hidden_images

CACHE = Path("cache")  # beside a manifest, as `data/cache` beside `data/manifest.csv`


def audit(a: Path, b: Path, json: Path | None) -> tuple[str, int]:
    """What b shares with a, and the exit code: 0 when nothing, else that of `IntegrityError`."""
    overlap = overlap_of(a, b)
    if json is not None:
        write_json(json, overlap.model_dump(mode="json"))
    head = f"A: {a}, {overlap.images[0]:,} images\nB: {b}, {overlap.images[1]:,} images"
    return f"{head}\n\n{table(overlap)}", IntegrityError.exit_code if overlaps(overlap) else 0


def overlap_of(a: Path, b: Path) -> Overlap:
    """What b shares with a, by the limits on similarity of the section `split`."""
    (first, first_prints), (second, second_prints) = read(a), read(b)
    split = load_params().split
    near = near_identical(
        first_prints, second_prints,
        distance=split.hash_distance, correlation=split.thumbnail_correlation,
    )  # fmt: skip
    return compare((str(a), str(b)), first, second, near)


def table(overlap: Overlap) -> str:
    """Images of B concerned, and an example, by kind."""
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


def read(path: Path) -> tuple[Images, Fingerprints]:
    """A manifest with the fingerprints of its cache, or all images under a path.

    Raises:
        DataError: nothing is there, or no image that can be read.
    """
    if path.suffix == ".csv":
        return _read_manifest(path)
    if not path.exists():
        raise DataError(
            f"{path.absolute()} does not exist. Name a folder, an archive or a manifest."
        )
    cv2.setNumThreads(1)  # parallel over images, not within one
    ids, sha256, hashes, thumbnails, patients, unreadable = [], [], [], [], [], 0
    with bar(f"read {path.name}", total=total_bytes(path), unit="B") as progress:
        for one in ordered_map(_read_one, hidden_images(path), cores(), 4 * cores()):
            location, size, digest, prints, patient = one
            progress.update(size)
            if prints is None:
                unreadable += 1
                continue
            ids.append(location)
            patients.append(patient)
            sha256.append(digest)
            hashes.append(prints[0])
            thumbnails.append(prints[1])
    if not ids:
        raise DataError(f"{path.absolute()} holds no image that can be read.")
    if unreadable:
        print(f"{unreadable} images of {path} cannot be read and are left out.")
    rules = fitting_rules(ids, [""] * len(ids)) | ({AS_LISTED: patients} if any(patients) else {})
    return Images(ids, ids, sha256, rules), (np.stack(hashes), np.stack(thumbnails))


def _read_one(file: tuple[str, bytes]) -> tuple[str, int, str, Fingerprints | None, str]:
    """Location, bytes, SHA-256, fingerprint and patient of one image; no print of a broken one."""
    location, content = file
    try:
        prints = fingerprint(decode(content))
    except ValueError:
        prints = None
    patient = ""
    if is_dicom(content):
        number = film_of(content).value("PatientID")
        patient = pseudonyms.patient(number, pseudonyms.naming(keep=False))
    return location, len(content), hashlib.sha256(content).hexdigest(), prints, patient


def _read_manifest(path: Path) -> tuple[Images, Fingerprints]:
    manifest = read_csv(path).set_index("image_id", drop=False)
    cache = path.parent / CACHE
    if not (cache / "hashes.npy").exists():
        raise DataError(f"{path} has no fingerprints in {cache}; run `dvc repro preprocess` first.")
    rows = manifest.loc[read_csv(cache / "index.csv")["image_id"]]
    paths = rows["location"].tolist()
    patients = fitting_rules(paths, rows["official_split"].tolist())
    if (rows["patient_id"] != rows["image_id"]).any():  # else it lists nobody
        patients |= {AS_LISTED: rows["patient_id"].tolist()}
    images = Images(rows["image_id"].tolist(), paths, rows["sha256"].tolist(), patients)
    thumbnails = np.load(cache / "thumbnails.npy", mmap_mode="r")
    return images, (np.load(cache / "hashes.npy"), thumbnails)
