"""The cohort as one archive in NIH ChestX-ray14's layout, and the table of the known truth."""

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax_phantom.cohort import Patient, Visit, draw_patient, marker_rates
from thorax_phantom.detector import VENDORS
from thorax_phantom.findings import FINDINGS, NO_FINDING
from thorax_phantom.radiograph import acquire, render

_AHEAD = 64  # patients rendered before their images are written
_FILM_MM = 400  # side of the film, for the pixel spacing
_TEST_FRACTION = 0.2
_ENTRY_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
_TRUTH_HEADER = (
    "Image Index,Patient ID,Visit,View Position,Vendor,Marker,Marker Side,CTR,Breath,Exposure,"
    "Pacemaker,Line,Sternotomy," + ",".join(f"Severity {finding}" for finding in FINDINGS)
)


class _Image(NamedTuple):
    """One finished visit: encoded files, and its rows of the tables of boxes and outlines."""

    stem: str
    png: bytes
    masks: dict[str, bytes]
    boxes: list[str]
    outlines: list[str]


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
            can be reached, because the fraction of images with a marker gives way when it must.
        marker_label: one of the five findings or `No Finding`.
        progress: called with images done and images in all after every image.

    Raises:
        ValueError: an argument outside what is allowed.
    """
    _check(patients, pixels, seed, marker_correlation, marker_label)
    cohort = [draw_patient(seed, number) for number in range(1, patients + 1)]
    visits = [visit for patient in cohort for visit in patient.visits]
    labeled = [_has(visit, marker_label) for visit in visits]
    with_label, without = marker_rates(sum(labeled) / len(labeled), marker_correlation)

    def marked(visit: Visit) -> bool:
        return visit.marker_draw < (with_label if _has(visit, marker_label) else without)

    def examine(patient: Patient) -> list[_Image]:
        return [_image(seed, patient, v, pixels, marked(v)) for v in patient.visits]

    boxes, outlines = [], []
    with _whole_or_absent(path) as archive:
        for done, image in enumerate(_in_order(examine, cohort), 1):
            _store(archive, f"images/{image.stem}.png", image.png)
            for finding, mask in image.masks.items():
                _store(archive, f"masks/{image.stem}_{finding}.png", mask)
            boxes += image.boxes
            outlines += image.outlines
            if progress is not None:
                progress(done, len(visits))
        tested = official_test(seed, cohort)
        for name, rows in {
            "Data_Entry_2017.csv": [_ENTRY_HEADER, *_entries(cohort, pixels)],
            "train_val_list.txt": _names(p for p in cohort if p.number not in tested),
            "test_list.txt": _names(p for p in cohort if p.number in tested),
            "BBox_List_2017.csv": ["Image Index,Finding Label,Bbox [x,y,w,h],,,", *boxes],
            "outlines.csv": ["Image Index,Finding Label,Outline", *outlines],
            "phantom.csv": [_TRUTH_HEADER, *_truth(cohort, marked)],
        }.items():
            _store(archive, name, ("\n".join(rows) + "\n").encode())


def official_test(seed: int, cohort: list[Patient]) -> set[int]:
    """Choose a fifth of the patients for the test list, the sickest four times as often.

    They are taken at equal steps along the patients sorted by sickness, so that the shift between
    the two lists is much the same for every seed.
    """
    rng = np.random.default_rng([seed, 0])
    tie_break = rng.random(len(cohort))
    ranked = sorted(cohort, key=lambda p: (p.sickness, tie_break[p.number - 1]))
    weight = np.cumsum([1 + 3 * patient.sickness for patient in ranked])
    step = weight[-1] / (_TEST_FRACTION * len(cohort))
    steps_passed = np.floor(weight / step + rng.random())
    chosen = np.diff(steps_passed, prepend=0) > 0
    return {patient.number for patient, hit in zip(ranked, chosen, strict=True) if hit}


def _check(patients: int, pixels: int, seed: int, correlation: float, label: str) -> None:
    labels = (*FINDINGS, NO_FINDING)
    if patients < 10:
        raise ValueError(f"patients is {patients}; at least 10 are needed for a split.")
    if not 64 <= pixels <= 512:
        raise ValueError(f"pixels is {pixels}; allowed are 64 to 512.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; allowed are 0 and above.")
    if not -1 <= correlation <= 1:
        raise ValueError(f"marker_correlation is {correlation}; allowed are -1 to 1.")
    if label not in labels:
        raise ValueError(f"marker_label is {label!r}; allowed are {', '.join(labels)}.")


def _has(visit: Visit, label: str) -> bool:
    return not visit.severity if label == NO_FINDING else label in visit.severity


def _threads() -> int:
    # NumPy calls this short spend much of their time under the interpreter's lock: 100 patients
    # took 7.6, 5.2, 5.6 and 7.0 s with 1 to 4 threads.
    return min(2, os.cpu_count() or 1)


def _in_order(
    examine: Callable[[Patient], list[_Image]], cohort: list[Patient]
) -> Iterator[_Image]:
    """Render patients in threads and yield their images in the cohort's order."""
    opencv_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's own would fight the pool
    try:
        with ThreadPoolExecutor(_threads()) as pool:
            for start in range(0, len(cohort), _AHEAD):
                for images in pool.map(examine, cohort[start : start + _AHEAD]):
                    yield from images
    finally:
        cv2.setNumThreads(opencv_threads)


def _image(seed: int, patient: Patient, visit: Visit, pixels: int, marker: bool) -> _Image:
    attenuation, masks = render(patient, visit, pixels)
    png = _png(acquire(seed, patient, visit, attenuation, marker=marker))
    stem = _stem(patient, visit)
    boxes = [f"{stem}.png,{f},{box},,," for f, mask in masks.items() for box in _boxes(mask)]
    polygons = {finding: _polygons(mask) for finding, mask in masks.items()}
    outlines = [f"{stem}.png,{finding},{text}" for finding, text in polygons.items() if text]
    return _Image(stem, png, {f: _png(mask) for f, mask in masks.items()}, boxes, outlines)


def _png(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1])


def _boxes(mask: NDArray[np.uint8]) -> list[str]:
    """Bounding boxes `x,y,width,height` of a mask's connected components, specks left out."""
    _, _, components, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = [box for *box, area in components[1:].tolist() if area * 2000 > mask.size]
    return [",".join(map(str, box)) for box in large]


def _polygons(mask: NDArray[np.uint8]) -> str:
    """Outline of a mask as polygons `x y x y …;x y …`, true to half a pixel."""
    # Contours run through the centers of pixels: on twice as fine a grid half a pixel is a quarter.
    fine = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons = [(cv2.approxPolyDP(c, 0.5, True).reshape(-1) + 0.5) / 2 for c in contours]
    return ";".join(" ".join(f"{v:g}" for v in polygon) for polygon in polygons if len(polygon) > 5)


def _stem(patient: Patient, visit: Visit) -> str:
    """Name of an image without its suffix, as NIH numbers them."""
    return f"{patient.number:08d}_{visit.number:03d}"


def _names(patients: Iterable[Patient]) -> list[str]:
    return [f"{_stem(patient, visit)}.png" for patient in patients for visit in patient.visits]


def _entries(cohort: list[Patient], pixels: int) -> list[str]:
    spacing = round(_FILM_MM / pixels, 3)
    return [
        f"{_stem(p, v)}.png,{v.labels},{v.number},{p.number},{v.age},{p.anatomy.sex},"
        f"{v.pose.view},{pixels},{pixels},{spacing},{spacing}"
        for p in cohort
        for v in p.visits
    ]


def _truth(cohort: list[Patient], marked: Callable[[Visit], bool]) -> list[str]:
    return [
        f"{_stem(p, v)}.png,{p.number},{v.number},{v.pose.view},{VENDORS[v.vendor].name},"
        f"{int(marked(v))},{v.marker_side if marked(v) else ''},{v.pose.heart_ratio:.3f},"
        f"{v.pose.breath:.2f},{v.exposure:.2f},{int(p.anatomy.pacemaker)},"
        f"{int(p.anatomy.line)},{int(p.anatomy.sternotomy)},"
        + ",".join(f"{v.severity.get(finding, 0.0):.2f}" for finding in FINDINGS)
        for p in cohort
        for v in p.visits
    ]


@contextmanager
def _whole_or_absent(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive that gets its name only once it is complete and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed
        stale.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            yield archive
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _store(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    info.create_system = 3  # the same header on every operating system
    archive.writestr(info, data)
