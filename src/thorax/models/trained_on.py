"""Who a model was trained on, as hashes that travel with it, and whether a test set meets them.

Only hashes are kept, so that a bundle names no patient. They tell that a known patient or image
was in training; they do not hide identifiers that can be guessed one by one.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from thorax.errors import IntegrityError
from thorax.io import read_json, write_json

FILE = "trained_on.json"
DIGITS = 20  # hexadecimal, of SHA-256: 80 bits, no chance meeting among millions
SHOWN = 5


def hashes(kind: str, names: Iterable[str]) -> list[str]:
    """Short SHA-256 of each distinct name, sorted; `kind` keeps patients and images apart."""
    distinct = sorted({f"{kind}:{name}" for name in names})
    return sorted(hashlib.sha256(name.encode()).hexdigest()[:DIGITS] for name in distinct)


def write_trained_on(folder: Path, people: str, trained: pd.DataFrame) -> None:
    """Keep hashes of the patients and images that a model saw, training and validation alike.

    Args:
        folder: the model's bundle.
        people: of which data set; patient 17 of another one is somebody else.
        trained: rows with `patient_id` and `sha256` of the image's bytes.
    """
    names = (f"{people}:{patient}" for patient in trained["patient_id"])
    known = {"patients": hashes("patient", names), "images": hashes("image", trained["sha256"])}
    write_json(folder / FILE, known)


def met(folder: Path, people: str, test: pd.DataFrame) -> tuple[int, int]:
    """How many rows of a test set show a patient, and how many are an image, of the bundle's list.

    Raises:
        DataError: the bundle has no list.
    """
    known = read_json(folder / FILE)
    patients, images = set(known["patients"]), set(known["images"])
    by_patient = sum(
        hashes("patient", [f"{people}:{patient}"])[0] in patients for patient in test["patient_id"]
    )
    return by_patient, sum(hashes("image", [sha])[0] in images for sha in test["sha256"])


def refuse_contaminated(
    folders: Iterable[Path], people: str, test: pd.DataFrame, *, marked: bool, advice: str
) -> bool:
    """Whether the test set meets what any of the models was trained on.

    Args:
        folders: bundles.
        people: of which data set.
        test: rows with `image_id`, `patient_id`, `sha256`.
        marked: go on, every number is marked.
        advice: what to do about it, for the message.

    Raises:
        IntegrityError: it does, and nothing says that it may.
    """
    for folder in folders:
        by_patient, by_image = met(folder, people, test)
        if not by_patient and not by_image:
            continue
        if marked:
            return True
        raise IntegrityError(
            f"{folder} was trained on {by_patient} of the {len(test)} test images' patients"
            f" ({by_image} images themselves). {advice}"
        )
    return False
