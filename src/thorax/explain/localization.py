"""How well maps point at outlines and boxes, beside a map that is the same for every image.

A finding that always lies in the same place is hit without looking: a heart by any point in the
middle. So the rival of Grad-CAM is the mean outline, not a random point.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from thorax.artifacts import Estimate
from thorax.artifacts.explanation import ClassLocalization, LocalizationScore
from thorax.config import Evaluate, Explain, Paths
from thorax.dataset import GEOMETRY
from thorax.explain.explainer import Explainer, evenly
from thorax.explain.gradcam import Maps
from thorax.io import read_csv
from thorax.metrics.bootstrap import Replicates, estimate, resample
from thorax.models.inference import untrained
from thorax.tasks import Values

OVERSAMPLING = 4  # how much finer a grid polygons are drawn on
HALF = 0.5  # of a map's maximum, of a pixel's area: what counts as marked
PARTS = 5  # of the patients, where no training image is annotated

Masks = NDArray[np.bool_]


def localize(
    explainer: Explainer, params: Explain, evaluation: Evaluate, paths: Paths
) -> dict[str, ClassLocalization]:
    """Scores per annotated class, beside random weights and the location prior."""
    torch.manual_seed(0)
    random = untrained(explainer.model).to(explainer.batches.device)
    annotations = read_csv(Path(paths.annotations))
    table = explainer.dataset.table.set_index("image_id")
    trained = table.index[explainer.dataset.rows("train", explainer.model.training.fold)]
    patients = explainer.predictions.images.set_index("image_id")["patient_id"]

    def outlined(name: str, among: "pd.Index[str]") -> tuple[list[str], Masks]:
        annotated = annotations.loc[annotations["finding"] == name, "image_id"]
        ids = evenly(sorted(set(annotated) & set(among)), params.gradcam_images)
        side = explainer.dataset.images.shape[1]
        masks = masks_of(annotations, table[GEOMETRY], ids, name, side)
        visible = np.flatnonzero(masks.any(axis=(1, 2)))  # the rest was cropped away
        return [ids[i] for i in visible], masks[visible]

    scores = {}
    for output, name in enumerate(explainer.predictions.outputs):
        ids, masks = outlined(name, patients.index)
        if not ids:
            continue
        shown = patients.loc[ids].reset_index(drop=True)
        replicates = resample(shown, evaluation.n_bootstrap, evaluation.seed)
        outputs = np.full(len(ids), output)
        scores[name] = compare(
            explainer.maps(explainer.network, ids, outputs)[0],
            explainer.maps(random, ids, outputs)[0],
            location_prior(outlined(name, trained)[1], masks, replicates.patient),
            masks,
            replicates,
        )
    return scores


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


def location_prior(training: Masks, masks: Masks, patient: NDArray[np.int64]) -> Maps | None:
    """Mean training mask as the map of each evaluated image [N, H, W].

    Where no training image is annotated (NIH's boxes all lie in the test set), the mean of the
    evaluated masks of four fifths of the patients is the map of the others; None where that leaves
    a single patient.

    Args:
        training: masks of training images [M, H, W].
        masks: masks of the evaluated images [N, H, W].
        patient: whose each evaluated image is [N], numbered from 0.
    """
    if len(training):
        return np.broadcast_to(training.mean(axis=0, dtype=np.float32), masks.shape)
    if not patient.any():
        return None
    prior, part = np.zeros(masks.shape, np.float32), patient % PARTS
    for k in np.unique(part):
        prior[part == k] = masks[part != k].mean(axis=0)
    return prior


def compare(
    model: Maps, random: Maps, prior: Maps | None, masks: Masks, replicates: Replicates
) -> ClassLocalization:
    """Scores of Grad-CAM, of random weights and of the location prior on the same images."""
    w = replicates.weights()

    def mean(values: NDArray[np.float64] | None, *, bounded: bool = True) -> Estimate:
        if values is None:
            return Estimate(value=None, reason="no training image is annotated, and one patient")
        with np.errstate(invalid="ignore"):
            return estimate(values.mean(), w @ values / w.sum(axis=1), bounded=bounded)

    def score(values: Values, *, bounded: bool = True) -> LocalizationScore:
        pair = {name: mean(values.get(name), bounded=bounded) for name in ("pointing", "iou")}
        return LocalizationScore(**pair)

    by_model, by_prior = _scores(model, masks), {} if prior is None else _scores(prior, masks)
    return ClassLocalization(
        images=len(masks),
        patients=len(np.unique(replicates.patient)),
        area=round(float(masks.mean()), 4),
        model=score(by_model),
        random=score(_scores(random, masks)),
        prior=score(by_prior),
        difference=score(
            {name: by_model[name] - by_prior[name] for name in by_prior}, bounded=False
        ),
    )


def _scores(maps: Maps, masks: Masks) -> Values:
    return {"pointing": pointing(maps, masks), "iou": iou(maps, masks)}
