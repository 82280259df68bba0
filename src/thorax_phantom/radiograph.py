"""One radiograph: anatomy, pose and findings become line integrals, masks and pixels."""

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax_phantom.anatomy import SIGN
from thorax_phantom.bones import bone_map, hardware_map
from thorax_phantom.canvas import Canvas, Map, layer_to_map, ramp
from thorax_phantom.chest import (
    AIR,
    Chest,
    air_map,
    body_map,
    heart_map,
    heart_outline,
    lay_out,
)
from thorax_phantom.cohort import Patient, Visit
from thorax_phantom.detector import VENDORS, expose, stamp_marker, to_8_bit
from thorax_phantom.findings import Tissue, add_finding


def render(
    patient: Patient, visit: Visit, pixels: int, without: Collection[str] = ()
) -> tuple[Map, dict[str, NDArray[np.uint8]]]:
    """Project one visit onto the film.

    Args:
        patient: whose chest.
        visit: pose, findings and positioning.
        pixels: side of the film.
        without: findings to leave out, all else being equal.

    Returns:
        Line integrals `[pixels, pixels]`, and per finding a mask of 0 and 255 of the same shape.
    """
    canvas = Canvas(pixels)
    pose = visit.pose
    if "Cardiomegaly" in without:
        pose = replace(pose, heart_ratio=pose.heart_ratio - pose.heart_gain)
    chest = lay_out(patient.anatomy, pose, canvas)
    tissue = Tissue(air_map(chest), _vessel_map(chest), _zeros(canvas), {})
    for finding, severity in visit.severity.items():
        if finding not in without:
            add_finding(tissue, chest, finding, patient.places[finding], severity)
    heart = heart_map(chest)
    air = tissue.air * (1 - heart)
    aerated = np.minimum(air / AIR, 1)
    body = body_map(chest)
    bones = bone_map(chest) * ramp(body - 0.2, 0.2)  # none outside the skin
    bones *= 1 - 0.35 * heart  # behind the heart the beam is harder
    attenuation = (
        body
        - air
        + aerated * tissue.vessels
        + tissue.added
        + bones
        + _soft_shadows(chest)
        + hardware_map(chest)
    )
    blurred = canvas.blur(np.asarray(attenuation, np.float32), 0.004)
    masks = {
        finding: np.where(_on_film(mask, canvas, visit) > 0.5, np.uint8(255), np.uint8(0))
        for finding, mask in tissue.masks.items()
    }
    return _on_film(blurred, canvas, visit, cv2.BORDER_REPLICATE), masks


def acquire(
    seed: int, patient: Patient, visit: Visit, attenuation: Map, *, marker: bool
) -> NDArray[np.uint8]:
    """Expose and process a projection as the visit's machine does; 8-bit gray, bone white."""
    rng = np.random.default_rng([seed, patient.number, visit.number + 1, 1])
    gray = expose(attenuation, VENDORS[visit.vendor], visit.exposure, rng)
    if marker:
        stamp_marker(gray, visit.marker_side)
    return to_8_bit(gray)


def lung_field(patient: Patient, visit: Visit, pixels: int) -> NDArray[np.bool_]:
    """Both lungs as a reader would outline them, bool [pixels, pixels].

    Between ribs, mediastinum and diaphragm, without what heart and great vessels hide; the same
    whether the lung is aerated or not.
    """
    canvas = Canvas(pixels)
    chest = lay_out(patient.anatomy, visit.pose, canvas)
    hidden = canvas.blank()
    canvas.fill(hidden, heart_outline(chest))
    lungs = chest.inside * (canvas.y < chest.dome) * (1 - layer_to_map(hidden))
    return _on_film(np.asarray(lungs, np.float32), canvas, visit) > 0.5


def _on_film(image: Map, canvas: Canvas, visit: Visit, border: int = cv2.BORDER_CONSTANT) -> Map:
    """Bring a canvas to the film: the visit's shift, rotation and zoom."""
    scale = visit.zoom * canvas.pixels / 2 / canvas.scale
    center, half = (canvas.size - 1) / 2, canvas.pixels / 2
    matrix = cv2.getRotationMatrix2D((center, center), visit.rotation, scale)
    matrix[0, 2] += half * (1 + visit.shift[0]) - 0.5 - center
    matrix[1, 2] += half * (1 + visit.shift[1]) - 0.5 - center
    size = (canvas.pixels, canvas.pixels)
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=border), np.float32)


def _zeros(canvas: Canvas) -> Map:
    return np.zeros((canvas.size, canvas.size), np.float32)


def _vessel_map(chest: Chest) -> Map:
    """Vessels and the fine net between them, as in a fully aerated lung."""
    canvas, anatomy = chest.canvas, chest.anatomy
    total = _zeros(canvas)
    for width in np.unique(anatomy.vessels[0].widths):  # one layer per width: crossings add up
        layer = canvas.blank()
        for side, tree in enumerate(anatomy.vessels):
            lines = chest.place(side, tree.paths[tree.widths == width])
            canvas.stroke(layer, lines, width, 255 * (width / 0.022) ** 0.6)
        total += layer_to_map(layer)
    rng = np.random.default_rng(anatomy.texture_seed)
    net = canvas.clouds(rng, 26, 3)
    return np.asarray(
        anatomy.markings * (0.42 * canvas.blur(total, 0.005) + 0.035 * net), np.float32
    )


def _soft_shadows(chest: Chest) -> Map:
    shadows = _breasts(chest) + _hila(chest) + _airway(chest) + _stomach(chest)
    return np.asarray(shadows, np.float32)


def _breasts(chest: Chest) -> Map:
    thickness, height, radius = chest.anatomy.breast
    y = chest.canvas.y - height
    across = (chest.x - 0.43) / radius
    # Fuller below, where the fold makes an edge.
    round_ = np.sqrt(np.maximum(1 - across**2 - (y / (radius * np.where(y > 0, 0.8, 1.3))) ** 2, 0))
    return np.asarray(np.float32(thickness) * round_, np.float32)


def _hila(chest: Chest) -> Map:
    anatomy, total = chest.anatomy, _zeros(chest.canvas)
    for sign, height in zip(SIGN, anatomy.hilum, strict=True):
        x = chest.canvas.x - anatomy.midline - sign * (anatomy.mediastinum + 0.055)
        y = chest.canvas.y - height
        total += 0.30 * np.exp(-((x / 0.055) ** 2) - (y / 0.10) ** 2)
    return np.asarray(total * anatomy.markings, np.float32)


def _airway(chest: Chest) -> Map:
    """Trachea and main bronchi."""
    anatomy, canvas, layer = chest.anatomy, chest.canvas, chest.canvas.blank()
    carina = (anatomy.midline + anatomy.trachea - 0.01, -0.27)
    canvas.stroke(layer, [np.array([(anatomy.midline, -1.3), carina])], 0.075, 190)
    for x, y in ((-0.16, -0.13), (0.19, -0.15)):
        canvas.stroke(layer, [np.array([carina, (anatomy.midline + x, y)])], 0.045, 110)
    return np.asarray(-0.8 * canvas.blur(layer_to_map(layer), 0.010), np.float32)


def _stomach(chest: Chest) -> Map:
    """The gas bubble under the left dome."""
    anatomy, canvas = chest.anatomy, chest.canvas
    depth, x, size = anatomy.stomach
    floor = anatomy.dome[1] + 0.09 - 0.10 * chest.pose.portable + 0.05 * chest.pose.breath
    y = canvas.y - floor - 0.5 * size
    gas = ramp(1 - np.hypot((canvas.x - anatomy.midline - x) / (1.4 * size), y / size), 0.15)
    # Upright, the bubble stands over a fluid level; lying down, it has none.
    level = 1 if chest.pose.portable else ramp(0.25 * size - y, 0.02)
    return np.asarray(-np.float32(depth) * gas * level, np.float32)
