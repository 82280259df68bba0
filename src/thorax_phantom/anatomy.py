"""What stays the same at every visit: the build, the bones, the vessels, the hardware."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thorax_phantom.canvas import Points

RIGHT, LEFT = 0, 1  # the patient's right lung is on the image's left
SIGN = (-1.0, 1.0)
_TRUNKS = (
    -1.25,
    -0.75,
    -0.2,
    0.35,
    0.8,
    1.2,
    1.45,
)  # directions of the main vessels in radians, 0 lateral
_WIDTHS = (0.022, 0.015, 0.0105, 0.0072, 0.005)  # after each fork, film units


@dataclass(frozen=True)
class Tree:
    """A lung's vessels between forks, in lung coordinates (u from medial, v down)."""

    paths: Points  # [vessels, 6, 2]
    widths: NDArray[np.float64]  # [vessels], each one of `_WIDTHS`


@dataclass(frozen=True)
class Anatomy:
    """One patient's chest; lengths in film units (the film's half width is 1)."""

    age: int
    sex: str
    half_width: tuple[float, float]
    apex: tuple[float, float]
    apex_x: float
    dome: tuple[float, float]
    dome_drop: float
    dome_peak: float
    mediastinum: float
    heart_ratio: float  # cardiothoracic, without Cardiomegaly
    heart_lean: float  # fraction of the heart left of the midline
    heart_round: float
    knob: float
    fat: float
    thickness: float
    shoulder: float
    shoulder_slope: float
    arm: float  # height at which the lower side of the arm leaves the film
    neck: float
    midline: float
    rib_count: int
    rib_phase: float
    rib_spacing: float
    rib_fall: float
    rib_density: float
    clavicle: tuple[float, float]
    clavicle_slope: float
    scapula: float
    breast: tuple[float, float, float]  # thickness, height, radius; 0 thickness for none
    stomach: tuple[float, float, float]
    trachea: float
    hilum: tuple[float, float]
    markings: float  # density of vessels and interstitium, relative
    vessels: tuple[Tree, Tree]
    texture_seed: int
    pacemaker: bool
    line: bool
    sternotomy: bool
    electrodes: Points


def draw_anatomy(rng: np.random.Generator, age: int, sex: str, frailty: float) -> Anatomy:
    """Draw a patient's chest; age in years, `frailty` in 0-1 makes hardware more likely."""
    normal, uniform = rng.standard_normal, rng.uniform
    child = max(0.0, 1 - age / 14)
    old = max(0.0, (age - 45) / 50)
    half = 0.785 - 0.03 * (sex == "F") - 0.05 * child + 0.055 * normal()
    apex = -0.77 + 0.12 * child + 0.05 * normal()
    dome = 0.37 - 0.12 * child + 0.085 * normal()
    fat = float(np.clip(0.10 + 0.045 * normal(), 0.04, 0.24))
    grown_woman = sex == "F" and age > 13
    return Anatomy(
        age=age,
        sex=sex,
        half_width=(half + 0.012 * normal(), half + 0.012 * normal()),
        apex=(apex + 0.012 * normal(), apex + 0.012 * normal()),
        apex_x=0.36 + 0.025 * normal(),
        dome=(dome, dome + 0.05 + 0.025 * normal()),
        dome_drop=0.19 - 0.05 * child + 0.035 * normal(),
        dome_peak=0.42 + 0.05 * normal(),
        mediastinum=0.12 + 0.03 * child + 0.014 * normal(),
        heart_ratio=float(np.clip(0.435 + 0.05 * child + 0.026 * normal(), 0.36, 0.49)),
        heart_lean=0.68 + 0.035 * normal(),
        heart_round=0.08 * normal(),
        knob=float(np.clip(0.06 + 0.05 * old + 0.012 * normal(), 0.035, 0.14)),
        fat=fat,
        thickness=2.75 + 2.2 * (fat - 0.10) + 0.09 * normal() - 0.5 * child,
        shoulder=apex + 0.025 * float(np.clip(normal(), -2, 1)),
        shoulder_slope=0.16 + 0.05 * normal(),
        arm=uniform(0.15, 1.0),
        neck=0.26 + 0.03 * normal() + 0.03 * (sex == "M"),
        midline=0.03 * normal(),
        rib_count=int(rng.integers(10, 12)),
        rib_phase=uniform(-0.05, 0.05),
        rib_spacing=0.136 - 0.012 * child + 0.008 * normal(),
        rib_fall=0.42 + 0.05 * normal(),
        rib_density=float(np.clip(1.0 - 0.35 * old + 0.18 * normal(), 0.45, 1.5)),
        clavicle=(-0.60 + 0.035 * normal(), -0.60 + 0.035 * normal()),
        clavicle_slope=-0.05 + 0.04 * normal(),
        scapula=uniform(0.0, 0.08),
        breast=(
            max(0.0, 0.42 + 0.2 * normal()) * grown_woman,
            0.26 + 0.07 * normal(),
            0.34 + 0.04 * normal(),
        ),
        stomach=(max(0.0, 0.15 + 0.3 * normal()), uniform(0.22, 0.48), uniform(0.05, 0.13)),
        trachea=0.015 * normal() - 0.01 * old,
        hilum=(-0.06 + 0.03 * normal(), -0.10 + 0.03 * normal()),
        markings=float(np.clip(1.0 + 0.25 * old + 0.22 * normal(), 0.5, 1.8)),
        vessels=(_grow_vessels(rng), _grow_vessels(rng)),
        texture_seed=int(rng.integers(2**31)),
        pacemaker=bool(rng.random() < 0.12 * frailty * (age > 40)),
        line=bool(rng.random() < 0.28 * frailty),
        sternotomy=bool(rng.random() < 0.16 * frailty * (age > 40)),
        electrodes=np.stack([rng.uniform(-0.75, 0.75, 4), rng.uniform(-0.55, 0.55, 4)], 1),
    )


def _grow_vessels(rng: np.random.Generator) -> Tree:
    """Grow one lung's vessels from the hilum through four forks."""
    tips = np.tile([0.06, 0.50], (len(_TRUNKS), 1)) + 0.02 * rng.standard_normal((len(_TRUNKS), 2))
    angle = np.array(_TRUNKS) + 0.12 * rng.standard_normal(len(_TRUNKS))
    paths, widths = [], []
    for fork, width in enumerate(_WIDTHS):
        bend, stretch, spread = rng.standard_normal((3, len(angle), 1))
        length = 0.23 * 0.8**fork * (1 + 0.2 * np.clip(stretch, -2, 2))
        angles = angle[:, None] + 0.35 * bend * np.linspace(0, 1, 5)
        steps = np.stack([1.15 * np.cos(angles), 0.85 * np.sin(angles)], 2) * length[:, :, None] / 5
        lines = tips[:, None] + np.concatenate([0 * steps[:, :1], np.cumsum(steps, 1)], 1)
        paths.append(lines)
        widths.append(np.full(len(lines), width))
        tips = np.repeat(lines[:, -1], 2, 0)
        fork_angle = (0.42 + 0.1 * spread) * np.array([-1, 1])
        angle = (angles[:, -1:] + fork_angle).ravel()
    return Tree(np.clip(np.concatenate(paths), 0.0, 0.985), np.concatenate(widths))
