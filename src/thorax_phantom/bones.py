"""What is denser than tissue: bones, and the hardware in and on a chest, as line integrals."""

import numpy as np

from thorax_phantom.anatomy import LEFT, RIGHT, SIGN
from thorax_phantom.canvas import Map, Points, layer_to_map, ramp, smooth_outline, smooth_path
from thorax_phantom.chest import Chest, width_of


def bone_map(chest: Chest) -> Map:
    """Spine, ribs, clavicles, scapulae and humeral heads."""
    density = np.float32(chest.anatomy.rib_density)
    bones = density * (_ribs(chest) + _spine(chest)) + _girdle(chest) * (0.6 + 0.4 * density)
    return np.asarray(bones, np.float32)


def hardware_map(chest: Chest) -> Map:
    """Pacemaker, central line and sternal wires; electrodes only in portable exposures."""
    anatomy, canvas = chest.anatomy, chest.canvas
    layer = canvas.blank()
    middle = anatomy.midline
    if anatomy.pacemaker:  # under the left clavicle, its lead through the right heart
        x, y = middle + 0.52, -0.46
        corners = [(x - 0.08, y - 0.05), (x + 0.03, y - 0.08), (x + 0.09, y), (x, y + 0.08)]
        canvas.fill(layer, smooth_outline(np.array([*corners, (x - 0.08, y + 0.05)])), 240)
        lead = [(x, y - 0.06), (middle + 0.30, -0.62), (middle, -0.55), (middle - 0.11, -0.30)]
        lead += [(middle - 0.13, 0.05), (middle - 0.02, 0.28), (middle + 0.24, 0.30)]
        canvas.stroke(layer, [smooth_path(np.array(lead))], 0.011, 200)
    if anatomy.line:
        line = [(-0.24, -1.3), (-0.23, -0.85), (-0.15, -0.55), (-0.11, -0.30), (-0.11, -0.05)]
        path = smooth_path(np.array([(middle + dx, y) for dx, y in line]))
        canvas.stroke(layer, [path], 0.012, 110)
    if anatomy.sternotomy:
        angle = np.linspace(0, 2 * np.pi, 16)
        for y in np.arange(-0.35, 0.30, 0.13):
            loop = np.stack([middle + 0.035 * np.cos(angle), y + 0.016 * np.sin(angle)], 1)
            canvas.stroke(layer, [loop], 0.010, 220)
    if chest.pose.portable:
        for x, y in anatomy.electrodes:
            canvas.stroke(layer, [np.array([(x, y), (x + 0.004, y)])], 0.045, 120)
            wire = [(x, y), (x + 0.10 * np.sign(x), y + 0.25), (x + 0.1, 0.75), (x, 1.3)]
            canvas.stroke(layer, [smooth_path(np.array(wire))], 0.010, 70)
    return np.asarray(1.1 * layer_to_map(layer), np.float32)


def _rib_path(chest: Chest, side: int, index: int, start: float, stop: float) -> Points:
    """Center line of one rib: a tilted hoop, angle 0 at the spine and pi at the sternum."""
    anatomy = chest.anatomy
    first = anatomy.apex[side] - 0.02 + anatomy.rib_phase
    root = first + index * (anatomy.rib_spacing * (1 + 0.03 * chest.pose.breath))
    fall = anatomy.rib_fall * (0.62 + 0.075 * index)
    middle = root + 0.5 * fall
    apex, base = float(chest.apex.min()), float(chest.base.max())
    height = np.clip(np.array([(middle - apex) / (base - apex)], np.float32), 0.02, 1)
    reach = float(chest.lateral(height, width_of(anatomy, chest.pose)[side])[0]) + 0.015
    angle = np.linspace(start, stop, 24)
    x = 0.05 + (reach - 0.05) * np.sin(angle) ** 0.85
    y = root + 1.15 * fall * angle / np.pi - 0.05 * np.sin(2 * angle)
    return np.stack([anatomy.midline + SIGN[side] * x, y], 1)


def _ribs(chest: Chest) -> Map:
    canvas = chest.canvas
    back, front = canvas.blank(), canvas.blank()
    ribs = [(side, k) for side in (RIGHT, LEFT) for k in range(chest.anatomy.rib_count)]
    posterior = [_rib_path(chest, *rib, 0.0, 0.58 * np.pi) for rib in ribs]
    anterior = [_rib_path(chest, *rib, 0.5 * np.pi, 0.80 * np.pi) for rib in ribs if 0 < rib[1] < 8]
    for layer, paths, width, cortex, marrow in (
        (back, posterior, 0.046, 235, 165),
        (front, anterior, 0.058, 200, 140),
    ):
        canvas.stroke(layer, paths, width, cortex)
        canvas.stroke(layer, paths, width - 0.021, marrow)
    total = 0.34 * layer_to_map(back) + 0.25 * layer_to_map(front)
    # Behind the abdomen the beam is harder and bone shows less.
    total *= 1 - 0.5 * ramp(canvas.y - chest.dome, 0.05)
    return canvas.blur(np.asarray(total, np.float32), 0.006)


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
            arch = [(pedicle, y + 0.22 * pitch), (pedicle, y + 0.40 * pitch)]
            canvas.stroke(layer, [np.array(arch)], 0.02, 205)
    return np.asarray(0.45 * canvas.blur(layer_to_map(layer), 0.010), np.float32)


def _girdle(chest: Chest) -> Map:
    anatomy, canvas, portable = chest.anatomy, chest.canvas, chest.pose.portable
    clavicles, scapulae = canvas.blank(), canvas.blank()
    for side in (RIGHT, LEFT):
        sign, inner = SIGN[side], anatomy.clavicle[side] - 0.05 * portable
        u = np.linspace(0, 1, 24)
        rise = (anatomy.clavicle_slope - 0.03 * portable) * u + 0.035 * np.sin(2 * np.pi * u)
        path = np.stack([anatomy.midline + sign * (0.085 + 0.78 * u), inner + rise], 1)
        canvas.stroke(clavicles, [path], 0.058, 230)
        canvas.stroke(clavicles, [path], 0.034, 160)
        # Arms forward (PA) swing the scapulae out of the lungs; in bed they stay over them.
        x = 0.82 + anatomy.scapula - 0.15 * portable
        corners = [(x + 0.03, -0.50), (x - 0.02, -0.25), (x + 0.05, 0.02), (x + 0.10, 0.0)]
        corners += [(x + 0.20, -0.35), (x + 0.26, -0.52), (x + 0.16, -0.60)]
        outline = np.array(corners) * np.array([sign, 1.0]) + np.array([anatomy.midline, 0.0])
        outline[:, 1] += anatomy.shoulder + 0.76
        edge = smooth_outline(outline)
        canvas.fill(scapulae, edge, 110)
        canvas.stroke(scapulae, [edge[:30]], 0.016, 190)
    head = np.hypot(chest.x - 1.06 + 0.05 * portable, canvas.y - anatomy.shoulder - 0.20)
    heads = 0.35 * ramp(0.13 - head, 0.02)
    return np.asarray(
        0.50 * canvas.blur(layer_to_map(clavicles), 0.007)
        + 0.44 * canvas.blur(layer_to_map(scapulae), 0.009)
        + heads,
        np.float32,
    )
