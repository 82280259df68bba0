"""The maps that explain kept, and whose they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GradCam:
    """The arrays of `gradcam.npz`: ids and classes [K], maps [K, h, w].

    Of each class the most probable image that shows it comes first.
    """

    image_ids: NDArray[np.str_]
    outputs: NDArray[np.str_]
    maps: NDArray[np.uint8]
    layer: NDArray[np.str_]

    def map_of(self, image_id: str, name: str) -> NDArray[np.uint8] | None:
        """Evidence for a class in an image [h, w], None where none was kept."""
        (rows,) = np.nonzero((self.image_ids == image_id) & (self.outputs == name))
        return self.maps[rows[0]] if len(rows) else None


NOTHING = np.array([], str)
NONE = GradCam(NOTHING, NOTHING, np.zeros((0, 1, 1), np.uint8), NOTHING)
