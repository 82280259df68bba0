"""The cohort as one archive in NIH ChestX-ray14's layout."""

import os
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.io import replacing
from thorax_phantom.cohort import Patient, Visit, draw_patient, marker_rates
from thorax_phantom.findings import FINDINGS, NO_FINDING
from thorax_phantom.nih import stem, tables
from thorax_phantom.radiograph import photograph, render

_AT_ONCE = 64  # patients rendered before their images are written


class _Picture(NamedTuple):
    """One finished visit: encoded files and the boxes of its masks."""

    stem: str
    png: bytes
    masks: dict[str, bytes]
    boxes: list[tuple[str, int, int, int, int]]
    outlines: dict[str, str]


def write_archive(
    path: Path,
    *,
    patients: int,
    pixels: int,
    seed: int,
    marker_correlation: float,
    marker_label: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a cohort of synthetic chest X-rays as one stored zip in NIH ChestX-ray14's layout.

    The same arguments give the same bytes, whatever the number of processors. The archive holds
    `images/`, `masks/`, NIH's tables and lists, and `phantom.csv` with what the generator knows.

    Args:
        path: the archive; it appears whole or not at all.
        patients: how many, at least 10; each has about 3.7 images.
        pixels: side of the square images, 64-512.
        seed: 0 or more.
        marker_correlation: phi between the lead marker and `marker_label`, from -1 to 1. Any value
            can be reached, because the share of images with a marker gives way when it must.
        marker_label: one of the five findings or `No Finding`.
        progress: called with images done and images in all after every image.

    Raises:
        ValueError: an argument outside what is allowed.
    """
    _check(patients, pixels, seed, marker_correlation, marker_label)
    cohort = [draw_patient(seed, number) for number in range(1, patients + 1)]
    visits = [visit for patient in cohort for visit in patient.visits]
    labelled = [_has(visit, marker_label) for visit in visits]
    rates = marker_rates(sum(labelled) / len(labelled), marker_correlation)

    def marked(visit: Visit) -> bool:
        return visit.marker_draw < rates[0 if _has(visit, marker_label) else 1]

    def shoot(patient: Patient) -> list[_Picture]:
        return [_picture(seed, patient, v, pixels, marked(v)) for v in patient.visits]

    boxes: list[str] = []
    outlines: list[str] = []
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for done, picture in enumerate(_in_order(shoot, cohort), 1):
            _store(archive, f"images/{picture.stem}.png", picture.png)
            for finding, mask in picture.masks.items():
                _store(archive, f"masks/{picture.stem}_{finding}.png", mask)
            boxes += [
                f"{picture.stem}.png,{f},{x},{y},{w},{h},,," for f, x, y, w, h in picture.boxes
            ]
            outlines += [f"{picture.stem}.png,{f},{o}" for f, o in picture.outlines.items()]
            if progress is not None:
                progress(done, len(visits))
        for name, text in tables(seed, cohort, pixels, boxes, outlines, marked).items():
            _store(archive, name, text.encode())


def _check(patients: int, pixels: int, seed: int, correlation: float, label: str) -> None:
    allowed = (*FINDINGS, NO_FINDING)
    if patients < 10:
        raise ValueError(f"patients is {patients}; at least 10 are needed for a split.")
    if not 64 <= pixels <= 512:
        raise ValueError(f"pixels is {pixels}; allowed are 64 to 512.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; allowed are 0 and above.")
    if not -1 <= correlation <= 1:
        raise ValueError(f"marker_correlation is {correlation}; allowed are -1 to 1.")
    if label not in allowed:
        raise ValueError(f"marker_label is {label!r}; allowed are {', '.join(allowed)}.")


def _has(visit: Visit, label: str) -> bool:
    return not visit.severity if label == NO_FINDING else label in visit.severity


def _threads() -> int:
    # NumPy calls this short spend much of their time under the interpreter's lock: 100 patients
    # took 7.6, 5.2, 5.6 and 7.0 s with 1 to 4 threads.
    return min(2, os.cpu_count() or 1)


def _in_order(
    shoot: Callable[[Patient], list[_Picture]], cohort: list[Patient]
) -> Iterator[_Picture]:
    """Render patients side by side and give their pictures in the cohort's order."""
    inner = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's own threads would fight the pool
    try:
        with ThreadPoolExecutor(_threads()) as pool:
            for start in range(0, len(cohort), _AT_ONCE):
                for pictures in pool.map(shoot, cohort[start : start + _AT_ONCE]):
                    yield from pictures
    finally:
        cv2.setNumThreads(inner)


def _picture(seed: int, patient: Patient, visit: Visit, pixels: int, marker: bool) -> _Picture:
    attenuation, masks = render(patient, visit, pixels)
    image = photograph(seed, patient, visit, attenuation, marker=marker)
    boxes = [(f, *box) for f, mask in masks.items() for box in _boxes(mask)]
    encoded = {finding: _png(mask) for finding, mask in masks.items()}
    outlines = {finding: _outline(mask) for finding, mask in masks.items()}
    drawn = {finding: rings for finding, rings in outlines.items() if rings}
    return _Picture(stem(patient, visit), _png(image), encoded, boxes, drawn)


def _png(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1])


def _boxes(mask: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Bounding boxes x, y, width, height of a mask's connected parts, specks left out."""
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = [tuple(int(value) for value in part) for part in parts[1:]]
    return [(x, y, w, h) for x, y, w, h, area in found if area * 2000 > mask.size]


def _outline(mask: NDArray[np.uint8]) -> str:
    """Rings of corners around a mask, `x y x y …;x y …`, true to half a pixel."""
    # Contours run through the centres of pixels: on twice as fine a grid half a pixel is a quarter.
    fine = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [(cv2.approxPolyDP(c, 0.5, True).reshape(-1) + 0.5) / 2 for c in contours]
    return ";".join(" ".join(f"{value:g}" for value in ring) for ring in rings if len(ring) >= 6)


def _store(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    info.create_system = 3  # the same header on every operating system
    archive.writestr(info, data)
