"""What people have put in or on the chest: pacemaker, central line, sternal wires, electrodes."""

import numpy as np

from thorax_phantom.canvas import Map, layer_to_map, smooth_outline, smooth_path
from thorax_phantom.chest import Chest


def hardware_map(chest: Chest) -> Map:
    """Metal and plastic as added line integrals; electrodes only on patients imaged in bed."""
    anatomy, canvas = chest.anatomy, chest.canvas
    layer = canvas.blank()
    middle = anatomy.midline
    if anatomy.pacemaker:  # under the left collar bone, its lead through the right heart
        x, y = middle + 0.52, -0.46
        corners = [(x - 0.08, y - 0.05), (x + 0.03, y - 0.08), (x + 0.09, y), (x, y + 0.08)]
        canvas.fill(layer, smooth_outline(np.array([*corners, (x - 0.08, y + 0.05)])), 240)
        stops = [(x, y - 0.06), (middle + 0.30, -0.62), (middle, -0.55), (middle - 0.11, -0.30)]
        stops += [(middle - 0.13, 0.05), (middle - 0.02, 0.28), (middle + 0.24, 0.30)]
        canvas.stroke(layer, [smooth_path(np.array(stops))], 0.011, 200)
    if anatomy.line:
        stops = [(-0.24, -1.3), (-0.23, -0.85), (-0.15, -0.55), (-0.11, -0.30), (-0.11, -0.05)]
        canvas.stroke(
            layer, [smooth_path(np.array([(middle + dx, y) for dx, y in stops]))], 0.012, 110
        )
    if anatomy.sternotomy:
        turn = np.linspace(0, 2 * np.pi, 16)
        for y in np.arange(-0.35, 0.30, 0.13):
            loop = np.stack([middle + 0.035 * np.cos(turn), y + 0.016 * np.sin(turn)], 1)
            canvas.stroke(layer, [loop], 0.010, 220)
    if chest.pose.portable:
        for x, y in anatomy.electrodes:
            spot = np.array([(x, y), (x + 0.004, y)])
            canvas.stroke(layer, [spot], 0.045, 120)
            stops = [(x, y), (x + 0.10 * np.sign(x), y + 0.25), (x + 0.1, 0.75), (x, 1.3)]
            canvas.stroke(layer, [smooth_path(np.array(stops))], 0.010, 70)
    return np.asarray(1.1 * layer_to_map(layer), np.float32)
