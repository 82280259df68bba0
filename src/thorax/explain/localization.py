"""Does Grad-CAM point at the finding? Scored against outlines and boxes, and beside chance."""

from typing import Any, TypeVar

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from thorax.dataset.loader import Batches, split_batches
from thorax.explain.gradcam import feature_layer, grad_cam
from thorax.io import rounded
from thorax.metrics.bootstrap import draw, share_interval

BATCH = 32
FINER = 4  # how much finer a grid regions are drawn on
SIDES = ("width", "height")
HALF = 0.5  # of a map's maximum, of a pixel's area: what counts as marked
CASCADE = (("head", 0.0), ("last quarter", 0.25), ("last half", 0.5), ("all layers", 1.0))
CASCADE_IMAGES = 20
KEYS = ("pointing", "iou")

Item = TypeVar("Item")
Maps = NDArray[np.float32]
Masks = NDArray[np.bool_]


def masks_of(
    regions: pd.DataFrame, index: pd.DataFrame, image_ids: list[str], finding: str, size: int
) -> Masks:
    """Union of an image's regions of one finding in cache pixels, bool [N, size, size].

    Args:
        regions: rows with `image_id, finding, rings` in original pixels, as `sources.regions`.
        index: the cache's geometry by `image_id`, as in `decode.Geometry`.
        image_ids: N images.
        finding: whose regions.
        size: height and width of the cached images.
    """
    own = regions[(regions["finding"] == finding) & regions["image_id"].isin(image_ids)]
    drawn = {name: rows["rings"].tolist() for name, rows in own.groupby("image_id")}
    masks = np.zeros((len(image_ids), size, size), bool)
    for mask, name in zip(masks, image_ids, strict=True):
        fine = np.zeros((FINER * size, FINER * size), np.uint8)
        for rings in drawn.get(name, []):
            corners = [_cached(ring, index.loc[name]) * FINER - 0.5 for ring in rings.split(";")]
            cv2.fillPoly(fine, [np.rint(ring).astype(np.int32) for ring in corners], 1)
        share = cv2.resize(fine.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        # At least one pixel, however small the image became.
        mask[:] = (share > 0) & (share >= min(HALF, share.max()))
    return masks


def _cached(ring: str, place: Any) -> NDArray[np.float64]:
    """Corners `x y x y …` of an original, moved with it through crop, resize and padding [K, 2]."""
    points = np.array(ring.split(), float).reshape(-1, 2)
    crop, kept, new, pad = (
        place[[f"{what}{end}" for end in ends]].to_numpy(float)
        for what, ends in (("crop_", "xy"), ("crop_", SIDES), ("new_", SIDES), ("pad_", "xy"))
    )
    moved: NDArray[np.float64] = (points - crop) * new / kept + pad
    return moved


def pointing(maps: Maps, masks: Masks) -> NDArray[np.float64]:
    """1 where a map's maximum lies inside the mask, else 0 [N]; an empty map hits nothing.

    Source: the pointing game, Zhang et al. 2018, Top-down neural attention, IJCV.
    """
    flat = maps.reshape(len(maps), -1)
    hit = masks.reshape(len(masks), -1)[np.arange(len(maps)), flat.argmax(axis=1)]
    result: NDArray[np.float64] = (hit & (flat.max(axis=1) > 0)).astype(np.float64)
    return result


def iou(maps: Maps, masks: Masks) -> NDArray[np.float64]:
    """Overlap of the mask with what reaches half of a map's maximum [N]; empty maps 0."""
    top = maps.max(axis=(1, 2), keepdims=True)
    marked = (maps >= HALF * top) & (top > 0)
    both = (marked & masks).sum(axis=(1, 2))
    result: NDArray[np.float64] = both / (marked | masks).sum(axis=(1, 2))
    return result


def scored(maps: Maps, masks: Masks, patients: "pd.Series[str]", draws: int) -> dict[str, Any]:
    """Mean pointing game and IoU with 95 % intervals over patients, beside a random point."""
    weights = draw(patients, draws, 0).by_image()
    found: dict[str, Any] = {"images": len(maps), "patients": patients.nunique()}
    for key, values in (("pointing", pointing(maps, masks)), ("iou", iou(maps, masks))):
        low, high, _ = share_interval(weights @ values / weights.sum(axis=1))
        found |= {key: rounded(float(values.mean()))}
        found |= {f"{key}_low": rounded(low), f"{key}_high": rounded(high)}
    # What a point anywhere hits, and what marking the whole image overlaps: the share of the mask.
    found["area"] = rounded(float(masks.mean()))
    return found


def maps_of(network: nn.Module, batches: Batches, rows: NDArray[np.int64], output: int) -> Maps:
    """Grad-CAM of one output for cache rows [N]: float32 [N, H, W]."""
    parts, layer = [], ""
    for batch in batches.stream(split_batches(rows, BATCH)):
        layer = layer or feature_layer(network, batch.x_BCHW)
        parts.append(grad_cam(network, batch.x_BCHW, np.full(len(batch.rows), output), layer))
    return np.concatenate(parts)


def randomise(network: nn.Module, share: float, seed: int) -> None:
    """Draw the weights anew of the last layer and of so large a share of all before it.

    Source: cascading randomisation, Adebayo et al. 2018, Sanity Checks for Saliency Maps.
    """
    layers: list[Any] = [m for m in network.modules() if hasattr(m, "reset_parameters")]
    torch.manual_seed(seed)
    for layer in layers[-max(1, round(share * len(layers))) :]:
        layer.reset_parameters()


def likeness(first: Maps, second: Maps) -> float | None:
    """Mean rank correlation of two sets of maps, image by image; None where all are flat."""
    found = [
        spearmanr(a.ravel(), b.ravel()).statistic
        for a, b in zip(first, second, strict=True)
        if np.ptp(a) > 0 and np.ptp(b) > 0
    ]
    return rounded(float(np.mean(found))) if found else None


def evenly(items: list[Item], number: int) -> list[Item]:
    """At most so many, spread evenly over all of them."""
    if len(items) <= number:
        return items
    return [items[int((i + 0.5) * len(items) / number)] for i in range(number)]
