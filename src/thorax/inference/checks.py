"""Why the numbers of one image may mean nothing: said beside them, image by image."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thorax.artifacts.model import Exported, TrainedOn
from thorax.contamination import FILE, OF_NOTHING, SAME_PICTURE, hashes
from thorax.dicom.header import film_of
from thorax.dicom.image import Picture
from thorax.dicom.parse import is_dicom
from thorax.inference.engine import Decision, Engine
from thorax.near_duplicates import HASH_BYTES, fingerprint
from thorax.preprocess.decode import Gray

POLARITY = "black and white may be exchanged: header and picture contradict each other"


@dataclass(frozen=True)
class Seen:
    """What a model was trained on: short hashes of files, perceptual hashes [N, 32]."""

    images: frozenset[str]
    pictures: NDArray[np.uint8]

    @classmethod
    def of(cls, model: Path) -> "Seen":
        """Of all models of a bundle, or of an export."""
        files = [TrainedOn.read(path) for path in (*model.glob(FILE), *model.glob(f"*/{FILE}"))]
        digests = sorted({each for file in files for each in file.pictures} - {OF_NOTHING})
        packed = np.frombuffer(bytes.fromhex("".join(digests)), np.uint8)
        images = frozenset(each for file in files for each in file.images)
        return cls(images, packed.reshape(-1, HASH_BYTES))

    def holds(self, content: bytes, image: Gray) -> bool:
        """Whether the file or its picture was in training, mirrored or inverted too."""
        if hashes("image", [hashlib.sha256(content).hexdigest()])[0] in self.images:
            return True
        differ = np.bitwise_count(self.pictures ^ fingerprint(image)[0])
        halves = differ.reshape(-1, 2, HASH_BYTES // 2).sum(axis=2, dtype=np.int64)
        bits = np.minimum(halves, 4 * HASH_BYTES - halves).sum(axis=1)
        return bool((bits <= SAME_PICTURE).any())


def of_file(content: bytes, picture: Picture, about: Exported, seen: Seen) -> Sequence[str]:
    """Sentences about a file; none for one like those that the model was tested on."""
    return [
        *_view(content),
        *([POLARITY] if picture.polarity else []),
        *_size(picture.image, about),
        *(["it was in the training data"] if seen.holds(content, picture.image) else []),
    ]


def _view(content: bytes) -> Sequence[str]:
    """Of a DICOM file; other formats do not tell."""
    if not is_dicom(content):
        return []
    view = film_of(content).value("ViewPosition")
    said = {"": "the header does not tell the view", "LATERAL": "a lateral view"}
    return [said[view]] if view in said else []


def _size(image: Gray, about: Exported) -> Sequence[str]:
    height, width = image.shape
    size = about.preprocess.image_size
    if min(height, width) >= size:
        return []
    return [f"{width} × {height} pixels are fewer than the model's {size} × {size}"]


def of_decision(image: Gray, decision: Decision, engine: Engine) -> Sequence[str]:
    """Sentences about an image that looks unlike the training images."""
    if decision.atypicality <= 1:
        return []
    inverted = engine(np.asarray(255 - image, np.uint8)).atypicality
    if inverted < min(1.0, decision.atypicality / 2):
        return ["it looks inverted: bone should be bright"]
    alarms = f"{engine.about.atypical:.1%} of the test images are as well"
    return [f"unlike the training images ({decision.atypicality:.1f} times the limit; {alarms})"]
