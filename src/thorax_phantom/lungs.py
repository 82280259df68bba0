"""Where the lungs truly are: what a guess at the lung fields is measured against."""

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax_phantom.canvas import Canvas, layer_to_map
from thorax_phantom.chest import heart_outline, lay_out
from thorax_phantom.cohort import Patient, Visit
from thorax_phantom.radiograph import onto_film


def lung_field(patient: Patient, visit: Visit, pixels: int) -> NDArray[np.bool_]:
    """Both lungs as a reader would outline them, bool [pixels, pixels].

    Between ribs, mediastinum and diaphragm, without what heart and great vessels hide; the same
    whether the lung is aerated or not.
    """
    canvas = Canvas(pixels)
    chest = lay_out(patient.anatomy, visit.pose, canvas)
    hidden = canvas.blank()
    canvas.fill(hidden, heart_outline(chest))
    lungs = chest.inside * (chest.canvas.y < chest.dome) * (1 - layer_to_map(hidden))
    onto = cv2.warpAffine(np.asarray(lungs, np.float32), onto_film(canvas, visit), (pixels, pixels))
    field: NDArray[np.bool_] = onto > 0.5
    return field
