"""Radiographs inside the page: from the cache to small data URIs, chosen deterministically."""

import base64
from dataclasses import dataclass
from math import isqrt

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.io import LABEL, class_names
from thorax.report.inputs import has_label

Gray = NDArray[np.uint8]
LARGEST = 224  # pixels: what the page shows side by side
QUALITY = 90  # of WebP: a quarter of the bytes of PNG, no difference to be seen at this size
AVERAGED = 1000  # images behind a mean: more change nothing that can be seen
READ = 2**28  # bytes read at most for a mean
ORANGE, BLUE = (0, 159, 230), (233, 180, 86)  # Okabe and Ito's, as blue, green, red
STRONGEST = 0.65  # of the color, so that the image shines through


@dataclass(frozen=True)
class Picture:
    """An image, its description for a screen reader, and the caption under it."""

    uri: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Means:
    """Mean [H, W] of the images of a class, and that minus the mean of those without it, if any."""

    present: NDArray[np.float64]
    difference: NDArray[np.float64] | None
    images: int


def side_for(pictures: int, pixels: int, largest: int = LARGEST) -> int:
    """Side of each of so many square pictures that together have at most `pixels` pixels."""
    return min(largest, isqrt(pixels // max(pictures, 1)))


def data_uri(image: NDArray[np.uint8], side: int = LARGEST) -> str:
    """A gray [H, W] or color [H, W, 3 or 4] image as WebP, no larger than `side` pixels."""
    factor = side / max(image.shape[:2])
    if factor < 1:
        size = [max(1, round(factor * edge)) for edge in (image.shape[1], image.shape[0])]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    encoded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1]
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def evenly(rows: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """At most `number` rows, evenly spaced."""
    if len(rows) <= number:
        return rows
    return rows[((np.arange(number) + 0.5) * len(rows) / max(number, 1)).astype(np.int64)]


def sample_rows(table: pd.DataFrame, name: str, number: int) -> list[int]:
    """Cache rows of images of a class, each of another patient.

    Images that show nothing else come first: they say most of what the class looks like.
    """
    present = has_label(table, name)
    others = [has_label(table, other) for other in class_names(table) if other != name]
    alone = present & ~np.logical_or.reduce(others) if others else present
    chosen: list[int] = []
    for mask in (alone, present):
        taken = set(table["patient_id"].iloc[chosen])
        free = table[mask & ~table["patient_id"].isin(taken).to_numpy()]
        first = free.drop_duplicates("patient_id").index.to_numpy(np.int64)
        chosen += [int(row) for row in evenly(first, number - len(chosen))]
    return chosen


def class_means(images: Gray, table: pd.DataFrame, name: str) -> Means | None:
    """Mean image of a class and how it differs from the images without it; None without images."""
    label = table[LABEL + name].to_numpy()
    most = max(min(AVERAGED, READ // images[0].size), 1)
    present, absent = (evenly(np.flatnonzero(label == value), most) for value in (1, 0))
    if not len(present):
        return None
    mean = _mean(images, present)
    difference = mean - _mean(images, absent) if len(absent) else None
    return Means(mean, difference, len(present))


def difference_map(difference: NDArray[np.float64], largest: float) -> NDArray[np.uint8]:
    """Black where nothing differs, orange where the class is brighter, blue where it is darker."""
    # The root lifts small differences out of the black, where an eye would miss them.
    strength = np.sqrt(np.clip(np.abs(difference) / max(largest, 1e-9), 0, 1))[..., None]
    color = np.where(difference[..., None] > 0, np.array(ORANGE), np.array(BLUE))
    return (strength * color).round().astype(np.uint8)


def overlay(image: NDArray[np.uint8], evidence: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A gray image [H, W] with evidence [h, w] in 0–255 over it in orange, as strong as it is."""
    height, width = image.shape
    strength = STRONGEST * cv2.resize(evidence, (width, height))[..., None] / 255
    colored = (1 - strength) * image[..., None] + strength * np.array(ORANGE)
    return np.asarray(colored.round(), dtype=np.uint8)


def layer(evidence: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The orange alone [h, w, 4], see-through where there is no evidence: to lie over an image."""
    color = np.broadcast_to(np.array(ORANGE, np.uint8), (*evidence.shape, 3))
    return np.dstack([color, (STRONGEST * evidence).round().astype(np.uint8)])


def _mean(images: Gray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.zeros(images.shape[1:], np.float64)
    for row in rows:
        total += images[row]
    return total / len(rows)
