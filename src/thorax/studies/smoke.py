"""Few phantoms in the layout of each real source, for trial runs of a recipe within minutes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.errors import ConfigError
from thorax_phantom import write_archive
from thorax_phantom.cohort import draw_patient
from thorax_phantom.radiograph import acquire, render

FOLDER = Path("data/raw/smoke")  # a folder for each source
PATIENTS = 17  # of about 3.7 images each
PIXELS = 96
SEED = 25  # every class has images in every subset
TEST_EVERY = 4  # patients whose number this divides are the official test set
VAL_EVERY = 5  # of the others, those whose number this divides are the folder val


@dataclass(frozen=True)
class Phantom:
    """One synthetic radiograph: patient, findings (none for a healthy one), uint8 [H, W]."""

    patient: int
    visit: int
    findings: frozenset[str]
    image: NDArray[np.uint8]


def write_data(source: str, folder: Path) -> Path:
    """Write at most 64 images as `source` publishes its own; what `data.path` should name.

    A folder that is there already is left as it is.
    """
    if source not in LAYOUTS:
        raise ConfigError(f"No smoke run for the source {source!r}; there is {', '.join(LAYOUTS)}.")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as temporary:
            whole = Path(temporary) / folder.name
            LAYOUTS[source](whole)
            whole.rename(folder)
    return folder


def _nih(folder: Path) -> None:
    """The phantom archive is in NIH's layout already, its findings are some of NIH's."""
    folder.mkdir()
    write_archive(
        folder / "phantom.zip",
        patients=PATIENTS,
        pixels=PIXELS,
        seed=SEED,
        marker_correlation=0.0,
        marker_label="No Finding",
    )


def _kermany(folder: Path) -> None:
    """Kaggle's folders and names: healthy patients are NORMAL, others PNEUMONIA."""
    for phantom in _phantoms():
        left = "val" if phantom.patient % VAL_EVERY == 0 else "train"
        subset = "test" if phantom.patient % TEST_EVERY == 0 else left
        number, count = phantom.patient, phantom.visit + 1
        if phantom.findings:
            kind = "virus" if number % 2 else "bacteria"
            name = f"{subset}/PNEUMONIA/person{number}_{kind}_{10 * number + count}.jpeg"
        else:
            name = f"{subset}/NORMAL/IM-{number:04}-{count:04}.jpeg"
        _write(folder / "chest_xray" / name, _uneven(phantom))


def _three_classes(folder: Path) -> None:
    """Class folders of mixed formats and sizes; no file name identifies a patient."""
    for number, phantom in enumerate(_phantoms()):
        name = "PNEUMONIA" if "Consolidation" in phantom.findings else "EFFUSION"
        name = name if phantom.findings else "NORMAL"
        ending = (".png", ".jpg", ".bmp")[number % 3]
        _write(folder / name / f"{number:03}{ending}", _uneven(phantom))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "nih": _nih,
    "kermany": _kermany,
    "folder": _three_classes,
}


def _phantoms() -> Iterator[Phantom]:
    for number in range(1, PATIENTS + 1):
        patient = draw_patient(SEED, number)
        for visit in patient.visits:
            attenuation, _ = render(patient, visit, PIXELS)
            image = acquire(SEED, patient, visit, attenuation, marker=False)
            yield Phantom(number, visit.number, frozenset(visit.severity), image)


def _uneven(phantom: Phantom) -> NDArray[np.uint8]:
    """Sizes and color channels differ from image to image, as in what is published."""
    width, height = PIXELS + 8 * (phantom.visit % 4), PIXELS - 4 * (phantom.patient % 5)
    image = cv2.resize(phantom.image, (width, height), interpolation=cv2.INTER_AREA)
    color = (phantom.patient + phantom.visit) % 3 == 0
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if color else image, np.uint8)


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
