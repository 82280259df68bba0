"""Soft tissue and air: the body's outline, lungs, diaphragm, mediastinum and heart."""

from dataclasses import dataclass

import cv2
import numpy as np

from thorax_phantom.anatomy import LEFT, RIGHT, SIGN, Anatomy
from thorax_phantom.canvas import Canvas, Map, Points, layer_to_map, ramp, smooth_outline

AIR = 1.95  # line integral that the deepest part of an aerated lung takes away


@dataclass(frozen=True)
class Pose:
    """Position, breath and heart of one exposure; both views share the anatomy."""

    portable: bool  # antero-posterior, usually in bed
    breath: float  # 0 is the patient's usual depth, + deeper, about ±1
    heart_ratio: float  # cardiothoracic, with Cardiomegaly and the magnification of AP
    heart_gain: float  # how much of it is due to Cardiomegaly

    @property
    def view(self) -> str:
        """NIH's view position."""
        return "AP" if self.portable else "PA"


@dataclass(frozen=True)
class Chest:
    """Geometry of one exposure on a canvas; column vectors hold what differs between sides."""

    anatomy: Anatomy
    pose: Pose
    canvas: Canvas
    x: Map  # distance from the midline
    width: Map
    apex: Map
    dome: Map  # height of the diaphragm in every column
    base: Map  # height of the costophrenic angle
    across: Map  # 0 at the mediastinum, 1 at the lateral wall, at the base
    s: Map  # the same, at every height
    t: Map  # 0 at the apex, 1 at the costophrenic angle
    inside: Map  # 1 in the lungs as outlined by ribs and mediastinum, diaphragm ignored
    profile: Map  # depth of lung, 0-1

    def lateral(self, t: Map, width: Map | float) -> Map:
        """Distance of the lateral wall from the midline at relative heights `t`."""
        t = np.clip(t, 0, 1)
        rest = 1 - t
        shape = np.sqrt(1 - rest * rest * rest) * (0.88 + 0.12 * t)
        start = np.float32(self.anatomy.apex_x)
        return np.asarray(start + (width - start) * shape, np.float32)

    def medial(self, t: Map) -> Map:
        """Distance of the mediastinal border from the midline at relative heights `t`."""
        rest = 1 - np.clip(t, 0, 1)
        power = rest * rest * rest * rest * rest
        start, end = np.float32(self.anatomy.apex_x), np.float32(self.anatomy.mediastinum)
        return np.asarray(start - (start - end) * np.sqrt(1 - power), np.float32)

    def place(self, side: int, path: Points) -> Points:
        """Map lung coordinates (u medial to lateral, v apex to base) to film coordinates."""
        u, v = path[..., 0].astype(np.float32), path[..., 1].astype(np.float32)
        wall = self.lateral(v, width_of(self.anatomy, self.pose)[side])
        start = self.medial(v)
        x = self.anatomy.midline + SIGN[side] * (start + u * (wall - start))
        column = np.clip(np.searchsorted(self.canvas.x[0], x), 0, self.canvas.size - 1)
        top, floor = self.apex[0, column], self.dome[0, column]
        return np.stack([x, top + v * (floor - top)], -1).astype(np.float64)


def width_of(anatomy: Anatomy, pose: Pose) -> tuple[float, float]:
    """Half widths of the inner thorax, right and left."""
    grow = 1 + 0.012 * pose.breath
    return anatomy.half_width[0] * grow, anatomy.half_width[1] * grow


def lay_out(anatomy: Anatomy, pose: Pose, canvas: Canvas) -> Chest:
    """Compute where lungs, diaphragm and chest wall are in this exposure."""

    def per_side(pair: tuple[float, float]) -> Map:
        return np.where(canvas.x < anatomy.midline, pair[RIGHT], pair[LEFT]).astype(np.float32)

    x = np.abs(canvas.x - np.float32(anatomy.midline))
    width = per_side(width_of(anatomy, pose))
    lift = 0.08 * pose.portable - 0.05 * pose.breath
    apex = per_side(anatomy.apex)
    top = per_side(anatomy.dome) - np.float32(lift)
    across = np.clip((x - anatomy.mediastinum) / (width - anatomy.mediastinum), 0, 1)
    outer = np.clip((across - anatomy.dome_peak) / (1 - anatomy.dome_peak), 0, 1)
    inner = np.clip(1 - across / anatomy.dome_peak, 0, 1)
    dome = top + np.float32(anatomy.dome_drop) * outer**2 + np.float32(0.05) * inner**2
    base = top + np.float32(anatomy.dome_drop)
    t = (canvas.y - apex) / (base - apex)
    chest = Chest(anatomy, pose, canvas, x, width, apex, dome, base, across, t, t, t, t)
    wall, start = chest.lateral(t, width), chest.medial(t)
    s = np.clip((x - start) / np.maximum(wall - start, 1e-3), 0, 1)
    inside = ramp(np.minimum(wall - x, x - start), 0.006) * (t > 0)
    depth = 0.5 + 0.5 * np.sqrt(np.clip(t / 0.5, 0, 1))
    outer, inner = np.square(np.square(s)), np.square(np.square(np.square(1 - s)))
    profile = np.sqrt((1 - outer) * (1 - inner)) * depth * inside
    return Chest(anatomy, pose, canvas, x, width, apex, dome, base, across, s, t, inside, profile)


def air_map(chest: Chest) -> Map:
    """Air in healthy lungs; behind each dome a little remains in the posterior recess."""
    depth = chest.canvas.y - chest.dome
    recess = 0.16 * np.exp(-np.maximum(depth, 0) / 0.10)
    shown = np.maximum(ramp(-depth, 0.008), recess)
    deep = AIR * (1 + 0.05 * chest.pose.breath - 0.10 * chest.pose.portable)
    return np.asarray(np.float32(deep) * chest.profile * shown, np.float32)


def body_map(chest: Chest) -> Map:
    """Soft tissue of trunk, neck and shoulders as if the lungs held none of their air."""
    anatomy, canvas = chest.anatomy, chest.canvas
    layer = canvas.blank()
    trunk = max(anatomy.half_width) + 0.06 + anatomy.fat
    top, slope = anatomy.shoulder, anatomy.shoulder_slope
    half = [
        (anatomy.neck, -1.6),
        (anatomy.neck - 0.02, top - 0.30),
        (anatomy.neck + 0.10, top - 0.14),
        (0.62, top - 0.04),
        (0.98, top + slope * 0.3),
        (1.5, top + slope * 1.4),
        (1.4, anatomy.arm + 0.4),
        (trunk + 0.08, -0.15 + 1.6 * anatomy.fat),
        (trunk, 0.35),
        (trunk + 0.03, 0.9),
        (trunk + 0.05, 1.6),
    ]
    outline = np.array([*half, *((-x, y) for x, y in reversed(half))])
    canvas.fill(layer, smooth_outline(outline) + np.array([anatomy.midline, 0.0]))
    # A trunk is round: thickness rises from the skin inwards like the chord of a circle.
    depth = cv2.distanceTransform(layer, cv2.DIST_L2, 5) / np.float32(canvas.scale * 0.34)
    chord = np.sqrt(1 - (1 - np.clip(depth, 0, 1)) ** 2)
    belly = 1 + 0.12 * ramp(canvas.y - chest.base, 0.35) - 0.18 * ramp(-0.62 - canvas.y, 0.3)
    return np.asarray(np.float32(anatomy.thickness) * chord * belly, np.float32)


def heart_top(chest: Chest) -> float:
    """Height where the great vessels leave the heart's shadow."""
    return -0.34 + 0.25 * (chest.anatomy.dome[0] - 0.37)


def heart_outline(chest: Chest) -> Points:
    """Outline of heart and great vessels in film coordinates."""
    anatomy, widths = chest.anatomy, width_of(chest.anatomy, chest.pose)
    top, floor = heart_top(chest), float(chest.dome.min()) + 0.12
    puff = anatomy.heart_round
    left = [(0.16, -0.15), (0.24, 0.05), (0.40, 0.20), (0.50 + puff, 0.33)]
    left += [(0.78 + puff, 0.55), (1.0, 0.80), (0.93, 0.98), (0.5, 1.08)]
    right = [(0.5, 1.06), (0.88, 0.95), (1.0, 0.76), (0.90, 0.55), (0.62, 0.36)]
    right += [(0.50, 0.15), (0.45, -0.15)]
    points = []
    for sign, lean, unit in ((1, anatomy.heart_lean, left), (-1, 1 - anatomy.heart_lean, right)):
        for u, v in unit:  # only the heart itself grows, not the vessels above it
            ratio = chest.pose.heart_ratio if v > 0.2 else anatomy.heart_ratio
            points.append((sign * u * lean * ratio * sum(widths), top + (floor - top) * v))
    return smooth_outline(np.array(points) + np.array([anatomy.midline, 0.0]))


def heart_map(chest: Chest) -> Map:
    """Fraction of the lung's depth that heart and great vessels take, 0-1."""
    anatomy, canvas = chest.anatomy, chest.canvas
    layer = canvas.blank()
    canvas.fill(layer, heart_outline(chest))
    heart = canvas.blur(layer_to_map(layer), 0.010)
    body = canvas.blur(layer_to_map(layer), 0.07)  # thinner toward its border
    knob_x = anatomy.midline + anatomy.mediastinum + 0.25 * anatomy.knob
    knob_y = heart_top(chest) - 0.02
    distance = np.hypot(canvas.x - np.float32(knob_x), (canvas.y - np.float32(knob_y)) * 0.85)
    knob = 0.8 * ramp(anatomy.knob - distance, 0.010)
    descending = ramp(0.02 + 0.3 * anatomy.knob - np.abs(canvas.x - knob_x + 0.02), 0.012)
    descending = 0.25 * descending * ramp(canvas.y - knob_y, 0.05)
    taken = np.maximum(heart * (0.42 + 0.45 * body), np.maximum(knob, descending))
    return np.asarray(taken, np.float32)
