"""Shortcut probes: what is left of a model when a part of every image is covered or exchanged.

What lies in the corners (lead markers, labels, a ward's way to crop) should tell nothing about a
disease. Covering it shows how much the scores lean on it; exchanging it between images with and
without a finding reverses whatever it had to do with that finding, so a model that reads it is
led astray. Both exchanges paste corners of another patient; only that patient's label differs.
The donors are drawn once: an interval covers other patients, not other donors.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.explain.lung_mask import lung_fields
from thorax.io import rounded
from thorax.metrics.bootstrap import draw, interval, ranking_metrics
from thorax.metrics.summary import Predictions

CORNER = 0.2  # share of height and width
MARGIN = 0.03  # by which a lung field is widened, share of the width
CALLED = 0.2  # fall of the AUROC from the corners of like images to those of unlike ones
OUTCOMES = 5  # patients with and without a finding that a probe needs
DRAWS = 1000

Array = NDArray[np.float64]
Images = NDArray[np.uint8]
Scorer = Callable[[Images], Array]
Found = dict[str, Any]


def probe(
    part: Predictions,
    images: Images,
    hidden: dict[str, Images],
    score: Scorer,
    *,
    draws: int,
    seed: int,
) -> Found:
    """All probes per class, ready for JSON; `shortcuts` names the classes that are called.

    Args:
        part: labels, patients and probabilities of N images.
        images: their pixels [N, H, W].
        hidden: the same with parts covered, as from `covers`.
        score: from pixels [N, H, W] to probabilities [N, O].
        draws: bootstrap replicates over patients.
        seed: of the draws and of the exchanges.
    """
    patients = part.images["patient_id"]
    drawn = draw(patients, min(draws, DRAWS), seed)
    people, weights = drawn.patient, drawn.by_image()
    scores = {name: score(changed) for name, changed in hidden.items()}
    per_class: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(part.outputs):
        known = ~np.isnan(part.y[:, i])
        y, w = part.y[known, i], weights[:, known]
        if min(len(set(people[known][y == label])) for label in (0, 1)) < OUTCOMES:
            reason = f"fewer than {OUTCOMES} patients with or without it"
            per_class[name] = {"reason": reason, "covered": None, "exchanged": None}
            continue
        own, rng = part.p[known, i], np.random.default_rng([seed, i])
        like, unlike = (
            score(exchanged(images[known], donors(y, people[known], rng, alike=alike)))[:, i]
            for alike in (True, False)
        )
        per_class[name] = {
            "reason": None,
            "covered": {cover: compare(y, own, p[known, i], w) for cover, p in scores.items()},
            "exchanged": compare(y, like, unlike, w),
        }
    return {
        "images": len(images),
        "patients": patients.nunique(),
        "per_class": per_class,
        "shortcuts": [name for name, found in per_class.items() if called(found["exchanged"])],
    }


def covers(images: Images) -> dict[str, Images]:
    """Copies [N, H, W] without the corners, without the lungs, and with nothing but the lungs."""
    lungs, corners = widened(lung_fields(images)), np.zeros(images.shape, bool)
    for rows, columns in _corners(images):
        corners[:, rows, columns] = True
    return {
        "corners": covered(images, corners),
        "lungs": covered(images, lungs),
        "all_but_lungs": covered(images, ~lungs),
    }


def covered(images: Images, where: NDArray[np.bool_]) -> Images:
    """Copies [N, H, W] with one gray in a mask of the same shape, the median of all images."""
    # One for all: an image's own median would still tell what was under the cover.
    return np.where(where, np.uint8(np.median(images)), images)


def widened(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Masks [N, H, W] grown by `MARGIN` to all sides."""
    reach = max(1, round(MARGIN * masks.shape[2]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    return np.stack([cv2.dilate(mask.astype(np.uint8), kernel) for mask in masks]).astype(bool)


def donors(
    y: Array, people: NDArray[np.int64], rng: np.random.Generator, *, alike: bool
) -> NDArray[np.int64]:
    """For each image [N] one at random of another patient with the same label, or the other one.

    Both labels need images of two patients at least.
    """
    given = np.zeros(len(y), np.int64)
    todo = np.ones(len(y), bool)
    while todo.any():
        for label in (0, 1):
            own = todo & (y == label)
            given[own] = rng.choice(np.flatnonzero((y == label) == alike), own.sum())
        todo = people[given] == people
    return given


def exchanged(images: Images, given: NDArray[np.int64]) -> Images:
    """Copies [N, H, W] with the corners of other images [N]."""
    result = images.copy()
    for rows, columns in _corners(images):
        result[:, rows, columns] = images[:, rows, columns][given]
    return result


def _corners(images: Images) -> list[tuple[slice, slice]]:
    height, width = (max(1, round(CORNER * side)) for side in images.shape[1:])
    return [
        (rows, columns)
        for rows in (slice(None, height), slice(-height, None))
        for columns in (slice(None, width), slice(-width, None))
    ]


def compare(y: Array, before: Array, after: Array, weights: Array) -> Found:
    """AUROC of two sets of scores of the same images [N] and its fall over draws [R, N].

    `change` is the mean absolute difference of the scores.
    """
    once = np.ones((1, len(y)))
    was, now = (float(ranking_metrics(y, p, once)[0][0]) for p in (before, after))
    drawn = ranking_metrics(y, before, weights)[0] - ranking_metrics(y, after, weights)[0]
    low, high, _ = interval(drawn)
    return {
        "before": rounded(was),
        "after": rounded(now),
        "fall": rounded(was - now),
        "fall_low": rounded(low),
        "fall_high": rounded(high),
        "change": rounded(float(np.abs(before - after).mean())),
    }


def called(found: Found | None) -> bool:
    """Whether a fall is large, and larger than chance."""
    return bool(found and (found["fall"] or 0) >= CALLED and (found["fall_low"] or 0) > 0)
