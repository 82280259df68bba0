"""The five findings: what each adds to or takes from attenuation, and its mask."""

from dataclasses import dataclass

import numpy as np

from thorax_phantom.anatomy import LEFT, SIGN
from thorax_phantom.canvas import Map, layer_to_map, ramp
from thorax_phantom.chest import Chest, heart_outline, heart_top

FINDINGS = ("Cardiomegaly", "Consolidation", "Effusion", "Nodule", "Pneumothorax")
NO_FINDING = "No Finding"


@dataclass(frozen=True)
class Place:
    """One focus of a finding, in lung coordinates; the same at every visit."""

    side: int
    u: float
    v: float
    size: float  # 0-1 within what the finding can be
    seed: int


@dataclass
class Tissue:
    """What the rays meet inside the rib cage, changed in place by one finding after another."""

    air: Map
    vessels: Map
    added: Map
    masks: dict[str, Map]

    def mark(self, finding: str, where: Map) -> None:
        """Join `where` (0-1) to the mask of a finding."""
        self.masks[finding] = np.maximum(self.masks.get(finding, np.float32(0)), where)


def draw_places(rng: np.random.Generator, finding: str) -> tuple[Place, ...]:
    """Draw where in this patient a finding lies whenever it is present."""
    foci: list[Place] = []
    for _ in range(3):
        side, v, size = int(rng.integers(2)), rng.uniform(0.12, 0.86), rng.random()
        u = rng.uniform(0.22, 0.84)
        if side == LEFT and v > 0.45:
            u = 0.60 + 0.3 * (u - 0.22)  # not behind the heart
        foci.append(Place(side, u, v, size, int(rng.integers(2**31))))
    several = rng.random()
    if finding == "Effusion":  # one side, sometimes both
        other = Place(1 - foci[0].side, 0.0, 0.0, foci[1].size, 0)
        return (foci[0], other) if several < 0.3 else (foci[0],)
    count = {
        "Nodule": 1 + (several < 0.35) + (several < 0.12),
        "Consolidation": 1 + (several < 0.25),
    }
    return tuple(foci[: count.get(finding, 1)])


def add_finding(
    tissue: Tissue, chest: Chest, finding: str, places: tuple[Place, ...], severity: float
) -> None:
    """Change the tissue by one finding of a severity in 0-1, and mark where."""
    if finding == "Cardiomegaly":  # the pose already holds the wider heart
        layer = chest.canvas.blank()
        chest.canvas.fill(layer, heart_outline(chest))
        tissue.mark(finding, layer_to_map(layer) * (chest.canvas.y > heart_top(chest) + 0.08))
        return
    add = {
        "Consolidation": _consolidation,
        "Effusion": _effusion,
        "Nodule": _nodule,
        "Pneumothorax": _pneumothorax,
    }[finding]
    for place in places:
        add(tissue, chest, place, severity)


def _half(chest: Chest, side: int) -> Map:
    return np.asarray((chest.canvas.x - chest.anatomy.midline) * SIGN[side] > 0, np.float32)


def _focus(chest: Chest, place: Place) -> tuple[float, float]:
    x, y = chest.place(place.side, np.array([(place.u, place.v)]))[0]
    return float(x), float(y)


def _nodule(tissue: Tissue, chest: Chest, place: Place, severity: float) -> None:
    x, y = _focus(chest, place)
    radius = 0.046 + 0.034 * place.size + 0.008 * severity
    rng = np.random.default_rng(place.seed)
    angle = np.arctan2(chest.canvas.y - y, chest.canvas.x - x)
    wobble = np.ones_like(angle)
    for lobe in (2, 3, 5):
        wobble = wobble + 0.07 * rng.standard_normal() * np.cos(lobe * angle + rng.uniform(0, 6))
    distance = np.hypot(chest.canvas.x - x, chest.canvas.y - y) / (radius * wobble)
    ball = np.sqrt(np.maximum(1 - distance**2, 0))
    tissue.added += (0.40 + 0.36 * severity) * chest.canvas.blur(ball.astype(np.float32), 0.006)
    tissue.mark("Nodule", ramp(1 - distance, 0.05))


def _consolidation(tissue: Tissue, chest: Chest, place: Place, severity: float) -> None:
    x, y = _focus(chest, place)
    canvas, rng = chest.canvas, np.random.default_rng(place.seed)
    clouds = canvas.clouds(rng, 7, 4)
    width = 0.13 + 0.10 * place.size + 0.03 * severity
    reach = np.hypot((canvas.x - x) / width, (canvas.y - y) / (0.9 * width))
    patch = ramp(1 - reach + 0.22 * clouds, 0.5) * chest.inside * _half(chest, place.side)
    if place.u + place.v < 0.9:  # upper lobes end at the fissure
        patch *= ramp(y + 0.4 * width - canvas.y, 0.012)
    dense = (0.18 + 0.44 * severity) * patch * np.clip(1 + 0.22 * clouds, 0.3, 1.4)
    # Airways stay open in the filled lung and show as dark branches beside the vessels.
    layer = canvas.blank()
    beside = np.array([0.012, 0.016])
    tree = chest.anatomy.vessels[place.side]
    for bore in np.unique(tree.widths)[-3:]:
        lines = chest.place(place.side, tree.paths[tree.widths == bore]) + beside
        canvas.stroke(layer, lines, 0.9 * bore, 255)
    open_airways = 0.55 * canvas.blur(layer_to_map(layer), 0.004)
    displaced = np.clip(dense, 0, 0.92) * (1 - open_airways) * tissue.air
    tissue.air -= displaced
    tissue.vessels *= 1 - np.clip(1.3 * dense, 0, 0.95)
    tissue.mark("Consolidation", ramp(canvas.blur(displaced, 0.012) - 0.10, 0.04))


def _effusion(tissue: Tissue, chest: Chest, place: Place, severity: float) -> None:
    canvas, portable = chest.canvas, chest.pose.portable
    height = 0.015 + 0.30 * severity**1.4 * (0.5 + place.size)
    level = chest.base - np.float32(height)
    wall, hilum = np.exp((chest.across - 1) / 0.20), np.exp(-chest.across / 0.10)
    meniscus = level - (0.08 + 0.17 * severity) * wall - 0.05 * severity * hilum
    # In bed the fluid spreads behind the lung and its upper edge is a veil.
    fluid = ramp(canvas.y - meniscus, 0.07 if portable else 0.022)
    fluid = fluid * chest.inside * _half(chest, place.side)
    displaced = (0.86 if portable else 0.97) * fluid * tissue.air
    tissue.air -= displaced
    tissue.vessels *= 1 - 0.9 * fluid
    tissue.mark("Effusion", ramp(displaced - 0.05, 0.02))


def _pneumothorax(tissue: Tissue, chest: Chest, place: Place, severity: float) -> None:
    half = _half(chest, place.side)
    gap = 0.058 + 0.17 * severity * (0.5 + place.size)
    # The lung shrinks away from the wall, most at the apex; its surface is the pleural line.
    t = chest.t - np.float32(1.1 * gap) / (chest.base - chest.apex)
    shrink = np.float32(gap) * (1 - 0.7 * np.clip(chest.t, 0, 1))
    wall = chest.lateral(t, chest.width) - shrink
    inward = np.minimum(wall - chest.x, chest.x - chest.medial(t))
    lung = ramp(inward, 0.007)
    free = (1 - lung) * chest.inside * half * (chest.s > 0.06)
    line = np.exp(-((inward / np.float32(0.008)) ** 2)) * chest.inside * half * (chest.s > 0.06)
    tissue.air *= 1 + 0.14 * free
    tissue.vessels *= 1 - free
    tissue.added -= 0.06 * free * (chest.canvas.y < chest.dome)
    tissue.added += 0.17 * line * (chest.t > 0.02) * (chest.canvas.y < chest.dome)
    tissue.mark(
        "Pneumothorax", ramp(np.maximum(free, line) * (chest.canvas.y < chest.dome) - 0.4, 0.1)
    )
