"""NIH's tables and lists for a cohort, and the table of what only the generator knows."""

from collections.abc import Callable, Iterable

import numpy as np

from thorax_phantom.cohort import Patient, Visit
from thorax_phantom.detector import VENDORS
from thorax_phantom.findings import FINDINGS

_FILM_MM = 400  # side of the film that the pixel spacing is told from
_TEST_SHARE = 0.2
_ENTRY_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
_BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
_TRUTH_HEADER = (
    "Image Index,Patient ID,Visit,View Position,Vendor,Marker,Marker Side,CTR,Breath,Exposure,"
    "Pacemaker,Line,Sternotomy," + ",".join(f"Severity {finding}" for finding in FINDINGS)
)


def tables(
    seed: int,
    cohort: list[Patient],
    pixels: int,
    boxes: list[str],
    outlines: list[str],
    marked: Callable[[Visit], bool],
) -> dict[str, str]:
    """Give the text of every table by its name in the archive; `boxes` and `outlines` are rows."""
    tested = official_test(seed, cohort)
    lines = {
        "Data_Entry_2017.csv": [_ENTRY_HEADER, *_entries(cohort, pixels)],
        "train_val_list.txt": _names(p for p in cohort if p.number not in tested),
        "test_list.txt": _names(p for p in cohort if p.number in tested),
        "BBox_List_2017.csv": [_BOX_HEADER, *boxes],
        "outlines.csv": ["Image Index,Finding Label,Outline", *outlines],
        "phantom.csv": [_TRUTH_HEADER, *_truth(cohort, marked)],
    }
    return {name: "\n".join(rows) + "\n" for name, rows in lines.items()}


def stem(patient: Patient, visit: Visit) -> str:
    """Name of an image without its ending, as NIH numbers them."""
    return f"{patient.number:08d}_{visit.number:03d}"


def official_test(seed: int, cohort: list[Patient]) -> set[int]:
    """Choose a fifth of the patients for the test list, the sickest four times as often.

    They are drawn at equal steps along the patients sorted by sickness, so that the shift between
    the two lists is much the same for every seed.
    """
    rng = np.random.default_rng([seed, 0])
    luck = rng.random(len(cohort))
    rank = sorted(cohort, key=lambda p: (p.sickness, luck[p.number - 1]))
    reach = np.cumsum([1 + 3 * patient.sickness for patient in rank])
    step = reach[-1] / (_TEST_SHARE * len(cohort))
    passed = np.floor(reach / step + rng.random())
    chosen = np.diff(passed, prepend=0) > 0
    return {patient.number for patient, hit in zip(rank, chosen, strict=True) if hit}


def _names(patients: Iterable[Patient]) -> list[str]:
    return [f"{stem(patient, visit)}.png" for patient in patients for visit in patient.visits]


def _entries(cohort: list[Patient], pixels: int) -> list[str]:
    spacing = round(_FILM_MM / pixels, 3)
    return [
        f"{stem(p, v)}.png,{v.labels},{v.number},{p.number},{v.age},{p.anatomy.sex},"
        f"{v.pose.view},{pixels},{pixels},{spacing},{spacing}"
        for p in cohort
        for v in p.visits
    ]


def _truth(cohort: list[Patient], marked: Callable[[Visit], bool]) -> list[str]:
    return [
        f"{stem(p, v)}.png,{p.number},{v.number},{v.pose.view},{VENDORS[v.vendor].name},"
        f"{int(marked(v))},{v.marker_side if marked(v) else ''},{v.pose.heart_ratio:.3f},"
        f"{v.pose.breath:.2f},{v.exposure:.2f},{int(p.anatomy.pacemaker)},"
        f"{int(p.anatomy.line)},{int(p.anatomy.sternotomy)},"
        + ",".join(f"{v.severity.get(finding, 0.0):.2f}" for finding in FINDINGS)
        for p in cohort
        for v in p.visits
    ]
