"""What the first fold's model looks at: one explained image a class, scores of its maps, probes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from thorax.config import Evaluate, Paths
from thorax.dataset.dataset import Cohort
from thorax.dataset.loader import Batches
from thorax.explain.gradcam import feature_layer, grad_cam
from thorax.explain.localization import (
    CASCADE,
    CASCADE_IMAGES,
    evenly,
    likeness,
    maps_of,
    masks_of,
    randomise,
    scored,
)
from thorax.explain.occlusion import covers, probe
from thorax.io import read_csv, read_json, replacing, write_json
from thorax.metrics.summary import Predictions
from thorax.models.inference import Bundle, open_model, predict

GEOMETRY = ["width", "height", "crop_x", "crop_y", "crop_width", "crop_height", "new_width",
            "new_height", "pad_x", "pad_y"]  # fmt: skip
DRAWS = 1000


def look(params: Evaluate, cohort: Cohort, fold: int, part: Predictions, paths: Paths) -> None:
    """Write `gradcam.npz`, `probes.json` and `localisation.json` of one fold's model.

    Args:
        params: how many images, draws.
        cohort: the images.
        fold: whose model.
        part: the images judged, with what all models together said of them.
        paths: of models, cache, regions and predictions.
    """
    fabric, folder = Fabric(devices=1), Path(paths.predictions)
    network, batches = open_model(cohort, fold, fabric, paths)
    bundle = Bundle(**read_json(Path(paths.models) / str(fold) / "model.json"))
    torch.manual_seed(0)
    untrained = bundle.build().to(batches.device)

    def score(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        changed = Batches(images, batches.mean, batches.deviation, batches.device, True)
        return predict(fabric, network, changed, np.arange(len(images)), cohort.task, "probe")

    write_gradcam(cohort, part, network, batches, folder / "gradcam.npz")
    write_probes(params, cohort, part, score, folder)
    regions, index = (
        read_csv(Path(paths.regions)),
        read_csv(Path(paths.cache) / "index.csv", numbers=GEOMETRY).set_index("image_id"),
    )
    found = {
        "limit": params.localised,
        "per_class": localise(params, cohort, part, network, untrained, batches, regions, index),
        "cascade": cascade(cohort, part, network, batches),  # last: it destroys the network
    }
    write_json(folder / "localisation.json", found)


def write_gradcam(
    cohort: Cohort, part: Predictions, network: nn.Module, batches: Batches, path: Path
) -> None:
    """Grad-CAM of the surest image that shows each class.

    Writes `image_ids` and `outputs` as text [K], `maps` uint8 [K, H, W], and `layer`.
    """
    y, p = part.y.T, part.p.T
    best = {o: int(np.where(y[o] == 1, p[o], -1).argmax()) for o in range(len(y)) if 1 in y[o]}
    rows = [cohort.rows_of(part.images["image_id"].iloc[list(best.values())])]
    maps, layer = np.zeros((0, *cohort.images.shape[1:]), np.uint8), ""
    for batch in batches.stream(rows if best else []):
        layer = feature_layer(network, batch.x_BCHW)
        cam = grad_cam(network, batch.x_BCHW, np.array(list(best)), layer)
        maps = np.round(255 * cam).astype(np.uint8)
    ids = part.images["image_id"].iloc[list(best.values())].to_numpy(str)
    with replacing(path) as temporary, temporary.open("wb") as file:
        names = np.array([cohort.outputs[o] for o in best], dtype=str)
        np.savez_compressed(file, image_ids=ids, outputs=names, maps=maps, layer=np.array(layer))


def write_probes(
    params: Evaluate,
    cohort: Cohort,
    part: Predictions,
    score: Callable[[NDArray[np.uint8]], NDArray[np.float64]],
    folder: Path,
) -> None:
    """The shortcut probes on at most so many images, spread over the part.

    Writes `probes.json` (null when nothing is to be probed) and `probes.npz`: the first image as it
    is and with each cover, uint8 [H, W].
    """
    chosen = np.array(evenly(list(range(len(part.y))), params.probed), int)
    images = part.images.iloc[chosen].reset_index(drop=True)
    pixels = np.take(cohort.images, cohort.rows_of(images["image_id"]), axis=0)
    found, hidden = None, {}
    if len(chosen):
        hidden = covers(pixels)
        # Of this one model, which is the one that is probed.
        own = Predictions(part.task, part.outputs, images, part.y[chosen], score(pixels))
        found = probe(own, pixels, hidden, score, draws=params.bootstrap, seed=params.seed)
    write_json(folder / "probes.json", found)
    shown = {"as it is": pixels, **hidden} if len(chosen) else {}
    with replacing(folder / "probes.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{name: versions[0] for name, versions in shown.items()})


def localise(
    params: Evaluate,
    cohort: Cohort,
    part: Predictions,
    trained: nn.Module,
    random: nn.Module,
    batches: Batches,
    regions: pd.DataFrame,
    index: pd.DataFrame,
) -> dict[str, Any]:
    """Scores per class that has regions in the part judged, beside a network with random weights.

    Args:
        params: how many images a class, draws.
        cohort: where images lie in the cache.
        part: the images judged.
        trained: the model explained, on the device of `batches`.
        random: the same one with random weights.
        batches: the cache, normalised for the model.
        regions: as `sources.regions`.
        index: the cache's geometry by image.
    """
    patients = part.images.set_index("image_id")["patient_id"]
    result: dict[str, Any] = {}
    draws = min(params.bootstrap, DRAWS)
    for output, name in enumerate(part.outputs):
        drawn = set(regions.loc[regions["finding"] == name, "image_id"]) & set(patients.index)
        ids = evenly(sorted(drawn), params.localised)
        if not ids:
            continue
        masks = masks_of(regions, index, ids, name, cohort.images.shape[1])
        seen = np.flatnonzero(masks.any(axis=(1, 2)))  # the rest was cropped away
        ids, masks = [ids[i] for i in seen], masks[seen]
        if not ids:
            continue
        rows, own = cohort.rows_of(ids), patients.loc[ids].reset_index(drop=True)
        result[name] = {
            what: scored(maps_of(network, batches, rows, output), masks, own, draws)
            for what, network in (("model", trained), ("random", random))
        }
    return result


def cascade(
    cohort: Cohort, part: Predictions, network: nn.Module, batches: Batches
) -> list[dict[str, Any]]:
    """Likeness to the model's own maps as more and more of its weights are random; changes it.

    The maps are of the class that is most often the likeliest, on a few images.
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
