"""Bones: spine, ribs, clavicles, scapulae and humeral heads, as added line integrals."""

import numpy as np

from thorax_phantom.anatomy import LEFT, RIGHT, SIGN
from thorax_phantom.canvas import Map, Points, layer_to_map, ramp, smooth_outline
from thorax_phantom.chest import Chest, width_of


def bone_map(chest: Chest) -> Map:
    """All bones of one exposure."""
    density = np.float32(chest.anatomy.rib_density)
    bones = density * (_ribs(chest) + _spine(chest)) + _girdle(chest) * (0.6 + 0.4 * density)
    return np.asarray(bones, np.float32)


def _rib_path(chest: Chest, side: int, index: int, start: float, stop: float) -> Points:
    """Centre line of one rib: a tilted hoop from the spine (turn 0) to the sternum (turn pi)."""
    anatomy = chest.anatomy
    first = anatomy.apex[side] - 0.02 + anatomy.rib_phase
    root = first + index * (anatomy.rib_spacing * (1 + 0.03 * chest.pose.breath))
    fall = anatomy.rib_fall * (0.62 + 0.075 * index)
    middle = root + 0.5 * fall
    apex, base = float(chest.apex.min()), float(chest.base.max())
    height = np.clip(np.array([(middle - apex) / (base - apex)], np.float32), 0.02, 1)
    reach = float(chest.lateral(height, width_of(anatomy, chest.pose)[side])[0]) + 0.015
    turn = np.linspace(start, stop, 24)
    x = 0.05 + (reach - 0.05) * np.sin(turn) ** 0.85
    y = root + 1.15 * fall * turn / np.pi - 0.05 * np.sin(2 * turn)
    return np.stack([anatomy.midline + SIGN[side] * x, y], 1)


def _ribs(chest: Chest) -> Map:
    canvas = chest.canvas
    back, front = canvas.blank(), canvas.blank()
    every = [(side, index) for side in (RIGHT, LEFT) for index in range(chest.anatomy.rib_count)]
    behind = [_rib_path(chest, side, index, 0.0, 0.58 * np.pi) for side, index in every]
    ahead = [_rib_path(chest, side, k, 0.5 * np.pi, 0.80 * np.pi) for side, k in every if 0 < k < 8]
    for layer, paths, width, cortex, marrow in (
        (back, behind, 0.046, 235, 165),
        (front, ahead, 0.058, 200, 140),
    ):
        canvas.stroke(layer, paths, width, cortex)
        canvas.stroke(layer, paths, width - 0.021, marrow)
    ribs = 0.34 * layer_to_map(back) + 0.25 * layer_to_map(front)
    # Behind the belly the beam is harder and bone shows less.
    ribs *= 1 - 0.5 * ramp(canvas.y - chest.dome, 0.05)
    return canvas.blur(np.asarray(ribs, np.float32), 0.006)


def _spine(chest: Chest) -> Map:
    anatomy, canvas = chest.anatomy, chest.canvas
    layer = canvas.blank()
    pitch = 0.112
    for index in range(-2, 20):
        y = -1.05 + index * pitch + anatomy.rib_phase
        half = 0.058 + 0.0012 * index
        box = np.array(
            [(-half, 0), (0, 0.008), (half, 0), (half * 0.9, 0.5), (half, 1), (0, 0.99), (-half, 1)]
        )
        box[:, 1] = y + box[:, 1] * pitch * 0.84
        box[:, 0] += anatomy.midline
        canvas.fill(layer, box, 150)
        process = [(anatomy.midline, y + 0.5 * pitch), (anatomy.midline, y + 0.85 * pitch)]
        canvas.stroke(layer, [np.array(process)], 0.022, 220)
        for sign in SIGN:
            pedicle = anatomy.midline + sign * half * 0.62
            ring = [(pedicle, y + 0.22 * pitch), (pedicle, y + 0.40 * pitch)]
            canvas.stroke(layer, [np.array(ring)], 0.02, 205)
    return np.asarray(0.45 * canvas.blur(layer_to_map(layer), 0.010), np.float32)


def _girdle(chest: Chest) -> Map:
    anatomy, canvas, portable = chest.anatomy, chest.canvas, chest.pose.portable
    collar, blade = canvas.blank(), canvas.blank()
    for side in (RIGHT, LEFT):
        sign, inner = SIGN[side], anatomy.clavicle[side] - 0.05 * portable
        u = np.linspace(0, 1, 24)
        rise = (anatomy.clavicle_slope - 0.03 * portable) * u + 0.035 * np.sin(2 * np.pi * u)
        path = np.stack([anatomy.midline + sign * (0.085 + 0.78 * u), inner + rise], 1)
        canvas.stroke(collar, [path], 0.058, 230)
        canvas.stroke(collar, [path], 0.034, 160)
        # Arms forward (PA) swing the scapulae out of the lungs; in bed they stay over them.
        x = 0.82 + anatomy.scapula - 0.15 * portable
        corners = [(x + 0.03, -0.50), (x - 0.02, -0.25), (x + 0.05, 0.02), (x + 0.10, 0.0)]
        corners += [(x + 0.20, -0.35), (x + 0.26, -0.52), (x + 0.16, -0.60)]
        outline = np.array(corners) * np.array([sign, 1.0]) + np.array([anatomy.midline, 0.0])
        outline[:, 1] += anatomy.shoulder + 0.76
        canvas.fill(blade, smooth_outline(outline), 110)
        edge = smooth_outline(outline)
        canvas.stroke(blade, [edge[:30]], 0.016, 190)
    head = np.hypot(chest.x - 1.06 + 0.05 * portable, canvas.y - anatomy.shoulder - 0.20)
    heads = 0.35 * ramp(0.13 - head, 0.02)
    return np.asarray(
        0.50 * canvas.blur(layer_to_map(collar), 0.007)
        + 0.44 * canvas.blur(layer_to_map(blade), 0.009)
        + heads,
        np.float32,
    )
