"""Where a network looks: Grad-CAM, and how well it points at outlines and boxes."""

from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional

from thorax.artifacts.explanation import LocalizationScore
from thorax.dataset.loader import Batches, split_batches
from thorax.io import rounded
from thorax.metrics.bootstrap import Replicates, estimate

OVERSAMPLING = 4  # how much finer a grid polygons are drawn on
HALF = 0.5  # of a map's maximum, of a pixel's area: what counts as marked

Maps = NDArray[np.float32]
Masks = NDArray[np.bool_]


def feature_layer(network: nn.Module, x_BCHW: torch.Tensor) -> str:  # noqa: N803 - shape is the name
    """Name of the last layer whose output has the extent of the last convolution's.

    That is what its activation, or the block it ends, makes of it, before any pooling. Convolutions
    that see a single pixel do not count.
    """
    seen: list[tuple[str, nn.Module, torch.Size]] = []

    def remember(name: str) -> Any:
        def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
                seen.append((name, module, output.shape[2:]))

        return hook

    hooks = [m.register_forward_hook(remember(name)) for name, m in network.named_modules() if name]
    with torch.inference_mode():
        network.eval()(x_BCHW[:1])
    for handle in hooks:
        handle.remove()
    extent = [shape for _, module, shape in seen if isinstance(module, nn.Conv2d)][-1]
    return [name for name, _, shape in seen if shape == extent][-1]


def grad_cam(
    network: nn.Module,
    x_BCHW: torch.Tensor,  # noqa: N803
    outputs: NDArray[np.int64],
    layer: str,
) -> Maps:
    """Evidence for one output per image, between 0 and 1, float32 [B, H, W].

    Feature maps are weighted with the mean gradient of the output's logit, summed, cut at 0, scaled
    to a largest value of 1, and enlarged to the image.

    Args:
        network: from images to logits [B, O]; is put into evaluation mode.
        x_BCHW: normalized images on the network's device.
        outputs: int [B], the output to explain in each image.
        layer: name of the layer whose output is looked at, as from `feature_layer`.

    Source: Selvaraju et al. 2017, Grad-CAM, ICCV, section 3.
    """
    kept: list[torch.Tensor] = []
    module = network.get_submodule(layer)
    handle = module.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    with torch.enable_grad():
        logits = network.eval()(x_BCHW.requires_grad_())
        chosen = logits[torch.arange(len(outputs)), torch.as_tensor(outputs)]
        (gradient,) = torch.autograd.grad(chosen.sum(), kept[-1])
    handle.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = (weights * kept[-1].detach()).sum(dim=1, keepdim=True).relu()
    cam = functional.interpolate(cam, size=x_BCHW.shape[2:], mode="bilinear", align_corners=False)
    cam = cam / cam.amax(dim=(2, 3), keepdim=True).clamp(min=1e-12)
    maps: Maps = cam[:, 0].float().cpu().numpy()
    return maps


def maps_of(
    network: nn.Module,
    batches: Batches,
    rows: NDArray[np.int64],
    outputs: NDArray[np.int64],
    batch_size: int,
) -> tuple[Maps, str]:
    """Grad-CAM of cache rows [N] for one output each, [N, H, W], and the layer explained."""
    height, width = batches.images.shape[1:]
    parts, layer = [np.zeros((0, height, width), np.float32)], ""
    chosen = split_batches(np.arange(len(rows)), batch_size) if len(rows) else []
    stream = batches.stream([rows[places] for places in chosen])
    for places, batch in zip(chosen, stream, strict=True):
        layer = layer or feature_layer(network, batch.x_BCHW)
        parts.append(grad_cam(network, batch.x_BCHW, outputs[places], layer))
    return np.concatenate(parts), layer


def masks_of(
    annotations: pd.DataFrame, geometry: pd.DataFrame, image_ids: list[str], finding: str, size: int
) -> Masks:
    """Union of an image's annotated regions of one finding in cache pixels, bool [N, size, size].

    Args:
        annotations: rows with `image_id, finding, polygons` in original pixels.
        geometry: columns of `decode.Geometry` by `image_id`.
        image_ids: N images.
        finding: whose regions.
        size: height and width of the cached images.
    """
    rows = annotations[
        (annotations["finding"] == finding) & annotations["image_id"].isin(image_ids)
    ]
    annotated = {name: group["polygons"].tolist() for name, group in rows.groupby("image_id")}
    masks = np.zeros((len(image_ids), size, size), bool)
    for mask, name in zip(masks, image_ids, strict=True):
        fine = np.zeros((OVERSAMPLING * size, OVERSAMPLING * size), np.uint8)
        for polygons in annotated.get(name, []):
            corners = [
                _cached(polygon, geometry.loc[name]) * OVERSAMPLING - 0.5
                for polygon in polygons.split(";")
            ]
            cv2.fillPoly(fine, [np.rint(points).astype(np.int32) for points in corners], 1)
        covered = cv2.resize(fine.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        # At least one pixel, however small the image became.
        mask[:] = (covered > 0) & (covered >= min(HALF, covered.max()))
    return masks


def _cached(polygon: str, place: Any) -> NDArray[np.float64]:
    """Corners `x y x y …` of an original, moved with it through crop, resize and padding [K, 2]."""
    points = np.array(polygon.split(), float).reshape(-1, 2)
    crop, cropped, new, pad = (
        place[list(columns)].to_numpy(float)
        for columns in (
            ("crop_x", "crop_y"), ("crop_width", "crop_height"),
            ("new_width", "new_height"), ("pad_x", "pad_y"),
        )
    )  # fmt: skip
    moved: NDArray[np.float64] = (points - crop) * new / cropped + pad
    return moved


def pointing(maps: Maps, masks: Masks) -> NDArray[np.float64]:
    """1 where a map's maximum lies inside the mask, else 0 [N]; an empty map hits nothing.

    Source: the pointing game, Zhang et al. 2018, Top-down neural attention, IJCV.
    """
    flat = maps.reshape(len(maps), -1)
    hit = masks.reshape(len(masks), -1)[np.arange(len(maps)), flat.argmax(axis=1)]
    hits: NDArray[np.float64] = (hit & (flat.max(axis=1) > 0)).astype(np.float64)
    return hits


def iou(maps: Maps, masks: Masks) -> NDArray[np.float64]:
    """Intersection over union of the mask and what reaches half of a map's maximum [N]."""
    top = maps.max(axis=(1, 2), keepdims=True)
    marked = (maps >= HALF * top) & (top > 0)
    both = (marked & masks).sum(axis=(1, 2))
    overlap: NDArray[np.float64] = both / (marked | masks).sum(axis=(1, 2))
    return overlap


def score(maps: Maps, masks: Masks, replicates: Replicates) -> LocalizationScore:
    """Mean pointing game and IoU over images, beside the mean area of the masks."""
    w = replicates.weights()
    figures = {}
    for name, values in (("pointing", pointing(maps, masks)), ("iou", iou(maps, masks))):
        with np.errstate(invalid="ignore"):
            figures[name] = estimate(values.mean(), w @ values / w.sum(axis=1))
    patients = len(np.unique(replicates.patient))
    area = round(float(masks.mean()), 4)
    return LocalizationScore(images=len(maps), patients=patients, area=area, **figures)


def randomize(network: nn.Module, fraction: float, seed: int) -> None:
    """Re-initialize the last layer and this fraction of all layers, counted from the last.

    Source: cascading randomization, Adebayo et al. 2018, Sanity Checks for Saliency Maps.
    """
    layers: list[Any] = [m for m in network.modules() if hasattr(m, "reset_parameters")]
    torch.manual_seed(seed)
    for layer in layers[-max(1, round(fraction * len(layers))) :]:
        layer.reset_parameters()


def similarity(first: Maps, second: Maps) -> float | None:
    """Mean rank correlation of two sets of maps, image by image; None where all are flat."""
    correlations = [
        spearmanr(a.ravel(), b.ravel()).statistic
        for a, b in zip(first, second, strict=True)
        if np.ptp(a) > 0 and np.ptp(b) > 0
    ]
    return rounded(float(np.mean(correlations))) if correlations else None
