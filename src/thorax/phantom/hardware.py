"""What people have put in or on the chest: pacemaker, central line, sternal wires, electrodes."""

import numpy as np

from thorax.phantom.canvas import Map, Points, layer_to_map
from thorax.phantom.chest import Chest


def hardware_map(chest: Chest) -> Map:
    """Metal and plastic as added line integrals; electrodes only on patients imaged in bed."""
    anatomy, canvas = chest.anatomy, chest.canvas
    layer = canvas.blank()
    middle = anatomy.midline
    if anatomy.pacemaker:
        x, y = middle + 0.50, -0.50
        corners = [(x - 0.09, y - 0.06), (x + 0.09, y - 0.08), (x + 0.10, y + 0.07)]
        box = np.array([*corners, (x - 0.08, y + 0.09)])
        canvas.fill(layer, box, 255)
        lead = _curve((x - 0.06, y - 0.04), (middle + 0.05, -0.60), (middle - 0.12, -0.2))
        canvas.stroke(layer, [lead], 0.014, 230)
        deep = _curve((middle - 0.12, -0.2), (middle - 0.12, 0.25), (middle + 0.22, 0.30))
        canvas.stroke(layer, [deep], 0.014, 230)
    if anatomy.line:
        path = _curve((middle - 0.22, -1.2), (middle - 0.24, -0.6), (middle - 0.11, -0.08))
        canvas.stroke(layer, [path], 0.014, 110)
    if anatomy.sternotomy:
        turn = np.linspace(0, 2 * np.pi, 16)
        for y in np.arange(-0.35, 0.30, 0.13):
            loop = np.stack([middle + 0.035 * np.cos(turn), y + 0.016 * np.sin(turn)], 1)
            canvas.stroke(layer, [loop], 0.010, 220)
    if chest.pose.portable:
        for x, y in anatomy.electrodes:
            spot = np.array([(x, y), (x + 0.004, y)])
            canvas.stroke(layer, [spot], 0.045, 120)
            wire = _curve((x, y), (x + 0.25 * np.sign(x), y + 0.25), (x + 0.1, 1.3))
            canvas.stroke(layer, [wire], 0.010, 70)
    return np.asarray(1.1 * layer_to_map(layer), np.float32)


def _curve(
    start: tuple[float, float], pull: tuple[float, float], end: tuple[float, float]
) -> Points:
    """Bend a wire from start to end: a quadratic Bezier curve."""
    t = np.linspace(0, 1, 20)[:, None]
    points = (
        (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(pull) + t**2 * np.array(end)
    )
    return np.asarray(points, np.float64)
