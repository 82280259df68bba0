"""Contact sheet of the phantoms: rows are findings, three patients each.

    python benchmarks/phantom_sheet.py sheet.png

Per patient: a visit, the same image with the outline of the finding's mask, the next visit.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax_phantom.cohort import Patient, Visit, draw_patient
from thorax_phantom.findings import FINDINGS, NO_FINDING
from thorax_phantom.radiograph import acquire, render

SEED, PIXELS, TILE, PATIENTS = 1, 192, 288, 3
COLORS = [(80, 80, 255), (255, 160, 60), (80, 220, 80), (60, 220, 255), (255, 90, 220)]  # BGR


def main(path: Path) -> None:
    """Draw the sheet and write it as PNG."""
    rows = [row(finding) for finding in (NO_FINDING, *FINDINGS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.vstack(rows)):
        raise SystemExit(f"{path} could not be written; its name must end in .png")


def row(finding: str) -> NDArray[np.uint8]:
    """Three patients who have a finding at two visits in a row."""
    tiles: list[NDArray[np.uint8]] = []
    number = 1
    while len(tiles) < 3 * PATIENTS:
        patient = draw_patient(SEED, number)
        number += 1
        pairs = zip(patient.visits, patient.visits[1:], strict=False)
        chosen = next((p for p in pairs if all(shows(v, finding) for v in p)), None)
        if chosen is not None:
            tiles += [tile(patient, chosen[0]), tile(patient, chosen[0], outline=True)]
            tiles += [tile(patient, chosen[1])]
    return np.hstack(tiles)


def shows(visit: Visit, finding: str) -> bool:
    """Whether a visit has a finding and at most one other."""
    return visit.labels == finding or (finding in visit.severity and len(visit.severity) < 3)


def tile(patient: Patient, visit: Visit, outline: bool = False) -> NDArray[np.uint8]:
    """One image with a caption, or with the outlines of its masks."""
    attenuation, masks = render(patient, visit, PIXELS)
    gray = acquire(SEED, patient, visit, attenuation, marker=True)
    gray = cv2.resize(gray, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    image = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    for finding, mask in masks.items():
        if outline:
            large = cv2.resize(mask, (TILE, TILE), interpolation=cv2.INTER_LINEAR)
            edges, _ = cv2.findContours(
                (large > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(image, edges, -1, COLORS[FINDINGS.index(finding)], 1, cv2.LINE_AA)
    who = f"{patient.number}/{visit.number} {visit.age}{patient.anatomy.sex} {visit.pose.view}"
    image[-18:] = 0
    cv2.putText(
        image,
        f"{who} {visit.labels}",
        (4, TILE - 6),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.36,
        (255, 255, 255),
    )
    return np.asarray(image, np.uint8)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
