"""Who a model was trained on, as hashes that travel with it, and whether a test set overlaps.

No name and no picture is kept: hashes of names and bytes, and perceptual hashes, 256 signs that no
thumbnail goes with. They tell that a known patient or image was in training; they do not hide
identifiers that can be guessed one by one, nor a picture's coarsest layout.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts.model import TrainedOn
from thorax.errors import IntegrityError
from thorax.near_duplicates import HASH_BYTES, near_hashes

FILE = "trained_on.json"
DIGITS = 20  # hexadecimal, of SHA-256: 80 bits, no collision by chance among millions
# Bits in which perceptual hashes of one picture may differ. Without thumbnails to confirm it, far
# fewer than `split.hash_distance`: two patients came as near as 27 (benchmarks/near_duplicates.py).
SAME_PICTURE = 16
OF_NOTHING = "00" * HASH_BYTES  # an image of one gray level, like any other of them


def hashes(kind: str, names: Iterable[str]) -> list[str]:
    """Short SHA-256 of each distinct name, sorted; `kind` keeps patients and images apart."""
    distinct = {f"{kind}:{name}" for name in names}
    return sorted(hashlib.sha256(name.encode()).hexdigest()[:DIGITS] for name in distinct)


def write_trained_on(folder: Path, patient_namespace: str, trained: pd.DataFrame) -> None:
    """Keep hashes of the patients and images that a model saw, training and validation alike.

    Args:
        folder: the model's.
        patient_namespace: of the data set; patient 17 of another one is somebody else.
        trained: rows with `patient_id`, `sha256` of the image's bytes and `perceptual_hash`.
    """
    patients = (f"{patient_namespace}:{patient}" for patient in trained["patient_id"])
    known = TrainedOn(
        patients=hashes("patient", patients),
        images=hashes("image", trained["sha256"]),
        pictures=sorted(set(trained["perceptual_hash"]) - {OF_NOTHING}),
    )
    known.write(folder / FILE)


def count_overlap(folder: Path, patient_namespace: str, test: pd.DataFrame) -> tuple[int, int]:
    """Rows of a test set whose patient, and rows whose very image, the model was trained on."""
    known = TrainedOn.read(folder / FILE)
    patients, images = set(known.patients), set(known.images)
    by_patient = sum(
        hashes("patient", [f"{patient_namespace}:{patient}"])[0] in patients
        for patient in test["patient_id"]
    )
    same = np.array([hashes("image", [sha])[0] in images for sha in test["sha256"]], bool)
    near = near_hashes(
        _unpacked(known.pictures), _unpacked(test["perceptual_hash"]), distance=SAME_PICTURE
    )
    same[[row for _, row in near]] = True
    return by_patient, int(same.sum())


def _unpacked(digests: Iterable[str]) -> NDArray[np.uint8]:
    """Perceptual hashes [N, 32] from hexadecimal."""
    content = bytes.fromhex("".join(digests))
    return np.frombuffer(content, np.uint8).reshape(-1, HASH_BYTES)


def is_contaminated(
    folders: Iterable[Path],
    patient_namespace: str,
    test: pd.DataFrame,
    *,
    allowed: bool,
    advice: str,
) -> bool:
    """Whether any of the models was trained on patients or images of the test set.

    Args:
        folders: of the models.
        patient_namespace: of the test set.
        test: rows with `patient_id`, `sha256` and `perceptual_hash`.
        allowed: go on nevertheless; every number is marked.
        advice: what to do about it, for the message.

    Raises:
        IntegrityError: it was, and is not allowed to.
    """
    for folder in folders:
        by_patient, by_image = count_overlap(folder, patient_namespace, test)
        if not by_patient and not by_image:
            continue
        if allowed:
            return True
        raise IntegrityError(
            f"{folder} was trained on patients of {by_patient} of the {len(test)} test images, and"
            f" on {by_image} of these images. {advice}"
        )
    return False
