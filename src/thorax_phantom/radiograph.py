"""One radiograph: anatomy, pose and findings become line integrals, masks and gray levels."""

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax_phantom.anatomy import Anatomy
from thorax_phantom.canvas import Canvas, Map, layer_to_map, ramp
from thorax_phantom.chest import AIR, Chest, air_map, body_map, heart_map, lay_out
from thorax_phantom.cohort import Patient, Visit
from thorax_phantom.detector import VENDORS, expose, stamp_marker, to_8_bit
from thorax_phantom.findings import Tissue, add_finding
from thorax_phantom.hardware import hardware_map
from thorax_phantom.skeleton import bone_map


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
    film = onto_film(canvas, visit)
    onto = (pixels, pixels)
    projected = cv2.warpAffine(
        canvas.blur(np.asarray(attenuation, np.float32), 0.004),
        film,
        onto,
        borderMode=cv2.BORDER_REPLICATE,
    )
    masks = {
        finding: np.where(cv2.warpAffine(mask, film, onto) > 0.5, np.uint8(255), np.uint8(0))
        for finding, mask in tissue.masks.items()
    }
    return np.asarray(projected, np.float32), masks


def photograph(
    seed: int, patient: Patient, visit: Visit, attenuation: Map, *, marker: bool
) -> NDArray[np.uint8]:
    """Expose and process a projection as the visit's machine does; 8-bit gray, bone white."""
    rng = np.random.default_rng([seed, patient.number, visit.number + 1, 1])
    gray = expose(attenuation, VENDORS[visit.vendor], visit.exposure, rng)
    if marker:
        stamp_marker(gray, visit.marker_side)
    return to_8_bit(gray)


def _zeros(canvas: Canvas) -> Map:
    return np.zeros((canvas.size, canvas.size), np.float32)


def onto_film(canvas: Canvas, visit: Visit) -> NDArray[np.float64]:
    """Affine map from canvas pixels to film pixels: the visit's shift, turn and zoom."""
    scale = visit.zoom * canvas.pixels / 2 / canvas.scale
    centre = (canvas.size - 1) / 2
    matrix = np.asarray(cv2.getRotationMatrix2D((centre, centre), visit.turn, scale), np.float64)
    half = canvas.pixels / 2
    matrix[0, 2] += half * (1 + visit.shift[0]) - 0.5 - centre
    matrix[1, 2] += half * (1 + visit.shift[1]) - 0.5 - centre
    return matrix


def _vessel_map(chest: Chest) -> Map:
    """Vessels, hila and the fine net between them, as in a fully aerated lung."""
    canvas, anatomy = chest.canvas, chest.anatomy
    total = _zeros(canvas)
    for width in np.unique(anatomy.vessels[0].widths):  # a layer each: crossings add up
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
    """Breasts, hila, windpipe, stomach bubble."""
    anatomy, canvas = chest.anatomy, chest.canvas
    return np.asarray(
        _breasts(chest, anatomy)
        + _hila(chest, anatomy)
        + _airway(chest, anatomy)
        + _stomach(chest, anatomy, canvas),
        np.float32,
    )


def _breasts(chest: Chest, anatomy: Anatomy) -> Map:
    thickness, height, radius = anatomy.breast
    y = chest.canvas.y - height
    across = (chest.x - 0.43) / radius
    # Fuller below, where the fold makes an edge.
    round_ = np.sqrt(np.maximum(1 - across**2 - (y / (radius * np.where(y > 0, 0.8, 1.3))) ** 2, 0))
    return np.asarray(np.float32(thickness) * round_, np.float32)


def _hila(chest: Chest, anatomy: Anatomy) -> Map:
    total = _zeros(chest.canvas)
    for sign, height in zip((-1, 1), anatomy.hilum, strict=True):
        x = chest.canvas.x - anatomy.midline - sign * (anatomy.mediastinum + 0.055)
        y = chest.canvas.y - height
        total += 0.30 * np.exp(-((x / 0.055) ** 2) - (y / 0.10) ** 2)
    return np.asarray(total * anatomy.markings, np.float32)


def _airway(chest: Chest, anatomy: Anatomy) -> Map:
    layer, canvas = chest.canvas.blank(), chest.canvas
    fork = (anatomy.midline + anatomy.trachea - 0.01, -0.27)
    canvas.stroke(layer, [np.array([(anatomy.midline, -1.3), fork])], 0.075, 190)
    for end in ((-0.16, -0.13), (0.19, -0.15)):
        tip = (anatomy.midline + end[0], end[1])
        canvas.stroke(layer, [np.array([fork, tip])], 0.045, 110)
    return np.asarray(-0.8 * canvas.blur(layer_to_map(layer), 0.010), np.float32)


def _stomach(chest: Chest, anatomy: Anatomy, canvas: Canvas) -> Map:
    depth, x, size = anatomy.stomach
    floor = anatomy.dome[1] + 0.09 - 0.10 * chest.pose.portable + 0.05 * chest.pose.breath
    y = canvas.y - floor - 0.5 * size
    gas = ramp(1 - np.hypot((canvas.x - anatomy.midline - x) / (1.4 * size), y / size), 0.15)
    # Upright, the bubble stands over a level of fluid; lying down, it has no floor.
    level = 1 if chest.pose.portable else ramp(0.25 * size - y, 0.02)
    return np.asarray(-np.float32(depth) * gas * level, np.float32)
