"""Shortcut tests: what is left of a model when a part of every image is occluded or swapped.

What lies in the corners (lead markers, labels, a ward's way to crop) should tell nothing about a
disease. Occluding it shows how much the scores lean on it; swapping it between images with and
without a finding reverses whatever it had to do with that finding, so a model that reads it is
misled. Both swaps paste corners of another patient; only that donor's label differs. Donors are
drawn once: an interval covers other patients, not other donors. The ranking of an easy finding
survives a corner that is read; the pull of the probabilities shows it all the same.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.artifacts import Estimate
from thorax.artifacts.explanation import AurocDrop, ClassOcclusion
from thorax.explain.lung_mask import lung_masks
from thorax.metrics.bootstrap import Replicates, estimate
from thorax.metrics.classification import auroc_and_ap, ones
from thorax.tasks import Array

UNCHANGED = "as it is"
CORNER = 0.2  # fraction of height and width
MARGIN = 0.03  # by which a lung mask is dilated, fraction of the width
MIN_PATIENTS = 5  # with and without a finding that a test needs

Images = NDArray[np.uint8]
Scorer = Callable[[Images], Array]


def occlusion_tests(
    y: Array, versions: dict[str, Images], score: Scorer, replicates: Replicates, seed: int
) -> list[ClassOcclusion]:
    """All tests of each output.

    Args:
        y: labels [N, O], NaN for unknown.
        versions: the images [N, H, W] as they are and under each occlusion, as from `occlude`.
        score: from pixels [M, H, W] to probabilities [M, O].
        replicates: of the patients of the N images.
        seed: of the donors.
    """
    images = versions[UNCHANGED]
    scores = {name: score(version) for name, version in versions.items()}

    def of_output(i: int) -> ClassOcclusion:
        known = ~np.isnan(y[:, i])
        labels, patient = y[known, i], replicates.patient[known]
        if min(len(set(patient[labels == label])) for label in (0, 1)) < MIN_PATIENTS:
            reason = f"fewer than {MIN_PATIENTS} patients with or without it"
            return ClassOcclusion(reason=reason, occluded={}, swapped=None, pull=None)
        rng, w = np.random.default_rng([seed, i]), replicates.take(known).weights()
        same, different = (
            score(swap_corners(images[known], donors(labels, patient, rng, same_label=label)))[:, i]
            for label in (True, False)
        )
        p = {name: values[known, i] for name, values in scores.items()}
        unchanged = p.pop(UNCHANGED)
        return ClassOcclusion(
            reason="",
            occluded={name: auroc_drop(labels, unchanged, after, w) for name, after in p.items()},
            swapped=auroc_drop(labels, same, different, w),
            pull=pull(labels, same, different, w),
        )

    return [of_output(i) for i in range(y.shape[1])]


def occlude(images: Images) -> dict[str, Images]:
    """Images [N, H, W] as they are, without corners, without lungs, with nothing but lungs."""
    lungs, corners = dilated(lung_masks(images)), np.zeros(images.shape, bool)
    for rows, columns in _corners(images):
        corners[:, rows, columns] = True
    return {
        UNCHANGED: images,
        "corners": painted(images, corners),
        "lungs": painted(images, lungs),
        "all_but_lungs": painted(images, ~lungs),
    }


def painted(images: Images, where: NDArray[np.bool_]) -> Images:
    """Copies [N, H, W] with one gray in a mask of the same shape, the median of all images."""
    # One for all: an image's own median would still tell what was under the mask.
    return np.where(where, np.uint8(np.median(images)), images)


def dilated(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Masks [N, H, W] grown by `MARGIN` to all sides."""
    reach = max(1, round(MARGIN * masks.shape[2]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    return np.stack([cv2.dilate(mask.astype(np.uint8), kernel) for mask in masks]).astype(bool)


def donors(
    y: Array, patient: NDArray[np.int64], rng: np.random.Generator, *, same_label: bool
) -> NDArray[np.int64]:
    """For each image [N] one at random of another patient with the same label, or the other one.

    Both labels need images of two patients at least.
    """
    donor = np.zeros(len(y), np.int64)
    missing = np.ones(len(y), bool)
    while missing.any():
        for label in (0, 1):
            rows = missing & (y == label)
            donor[rows] = rng.choice(np.flatnonzero((y == label) == same_label), rows.sum())
        missing = patient[donor] == patient
    return donor


def swap_corners(images: Images, donor: NDArray[np.int64]) -> Images:
    """Copies [N, H, W] with the corners of other images [N]."""
    copies = images.copy()
    for rows, columns in _corners(images):
        copies[:, rows, columns] = images[:, rows, columns][donor]
    return copies


def _corners(images: Images) -> list[tuple[slice, slice]]:
    height, width = (max(1, round(CORNER * side)) for side in images.shape[1:])
    return [
        (rows, columns)
        for rows in (slice(None, height), slice(-height, None))
        for columns in (slice(None, width), slice(-width, None))
    ]


def auroc_drop(y: Array, before: Array, after: Array, w: Array) -> AurocDrop:
    """AUROC of two sets of scores of the same images [N], and its drop.

    Args:
        y: labels [N].
        before: probabilities [N].
        after: the same of changed images [N].
        w: image weights of the replicates [R, N].
    """
    was, now = (float(auroc_and_ap(y, p, ones(len(y)))[0][0]) for p in (before, after))
    drops = auroc_and_ap(y, before, w)[0] - auroc_and_ap(y, after, w)[0]
    return AurocDrop(
        before=round(was, 4),
        after=round(now, 4),
        drop=estimate(was - now, drops, bounded=False),
    )


def pull(y: Array, same: Array, different: Array, w: Array) -> Estimate:
    """Mean change of the probabilities [N] from one swap to the other, toward the other label."""
    changes = np.where(y == 1, same - different, different - same)
    with np.errstate(invalid="ignore"):
        return estimate(changes.mean(), w @ changes / w.sum(axis=1), bounded=False)


def is_shortcut(swapped: AurocDrop | None, least: float) -> bool:
    """Whether a drop is at least `least`, and larger than chance gives."""
    if swapped is None or swapped.drop.value is None or swapped.drop.low is None:
        return False
    return swapped.drop.value >= least and swapped.drop.low > 0
