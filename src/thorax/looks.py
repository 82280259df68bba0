"""What `predictions/localisation.json` holds: Grad-CAM scored against boxes, and a sanity check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from thorax.batches import Batches
from thorax.config import Evaluate, Paths
from thorax.data import Cohort
from thorax.localisation import (
    CASCADE,
    CASCADE_IMAGES,
    evenly,
    likeness,
    maps_of,
    masks_of,
    randomise,
    scored,
)
from thorax.metrics import Predictions
from thorax.tables import read_csv

GEOMETRY = ["width", "height", "crop_x", "crop_y", "crop_width", "crop_height", "new_width",
            "new_height", "pad_x", "pad_y"]  # fmt: skip
DRAWS = 1000


def localise(
    params: Evaluate,
    cohort: Cohort,
    part: Predictions,
    trained: nn.Module,
    untrained: Callable[[], nn.Module],
    batches: Batches,
    paths: Paths,
) -> dict[str, Any]:
    """Scores per class that has boxes in the part judged, and the cascading randomisation.

    Args:
        params: how many images a class, draws.
        cohort: where images lie in the cache.
        part: the images judged.
        trained: the model explained, on the device of `batches`.
        untrained: gives the same model with random weights.
        batches: the cache, normalised for the model.
        paths: of boxes and cache.
    """
    boxes = read_csv(Path(paths.boxes), numbers=["x", "y", "width", "height"])
    index = read_csv(Path(paths.cache) / "index.csv", numbers=GEOMETRY).set_index("image_id")
    patients = part.images.set_index("image_id")["patient_id"]
    result: dict[str, Any] = {"limit": params.localised, "per_class": {}, "cascade": None}
    random = untrained()
    draws = min(params.bootstrap, DRAWS)
    for output, name in enumerate(part.outputs):
        drawn = set(boxes.loc[boxes["finding"] == name, "image_id"]) & set(patients.index)
        ids = evenly(sorted(drawn), params.localised)
        if not ids:
            continue
        rows, own = cohort.rows_of(ids), patients.loc[ids].reset_index(drop=True)
        masks = masks_of(boxes, index, ids, name, cohort.images.shape[1])
        maps = maps_of(trained, batches, rows, output)
        blind = maps_of(random, batches, rows, output)
        result["per_class"][name] = {
            "model": scored(maps, masks, own, draws),
            "random": scored(blind, masks, own, draws),
        }
    result["cascade"] = cascade(cohort, part, trained, batches)
    return result


def cascade(
    cohort: Cohort, part: Predictions, network: nn.Module, batches: Batches
) -> list[dict[str, Any]]:
    """Likeness to the model's own maps as more and more of its weights are random; changes it.

    The maps are of each image's most likely class, on a few images.
    """
    ids = evenly(part.images["image_id"].tolist(), CASCADE_IMAGES)
    rows = cohort.rows_of(ids)
    position = {name: i for i, name in enumerate(part.images["image_id"])}
    best = int(np.bincount(part.p[[position[name] for name in ids]].argmax(axis=1)).argmax())
    own = maps_of(network, batches, rows, best)
    found = []
    for step, share in CASCADE:
        randomise(network, share, seed=0)
        found.append(
            {"layers": step, "likeness": likeness(own, maps_of(network, batches, rows, best))}
        )
    return found
