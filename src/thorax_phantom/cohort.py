"""The cohort: patients, their visits, and findings that appear and mostly persist."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thorax_phantom.anatomy import Anatomy, draw_anatomy
from thorax_phantom.chest import Pose
from thorax_phantom.findings import FINDINGS, NO_FINDING, Place, draw_places

MOST_VISITS = 16
_RETURN = 0.735  # probability of one more visit: a mean near 3.7
_AGES = (4, *[34] * 5, *[56] * 8, *[68] * 6)  # centers of the age groups, in proportion

# finding: prevalence at average frailty, probability to persist until the next visit
_COURSE = {
    "Cardiomegaly": (0.140, 0.96),
    "Consolidation": (0.140, 0.78),
    "Effusion": (0.150, 0.84),
    "Nodule": (0.140, 0.93),
    "Pneumothorax": (0.110, 0.78),
}


@dataclass(frozen=True)
class Visit:
    """One exposure of one patient."""

    number: int
    age: int
    pose: Pose
    severity: dict[str, float]  # of every finding present, 0-1
    vendor: int
    shift: tuple[float, float]
    rotation: float  # degrees
    zoom: float
    exposure: float
    marker_side: str
    marker_draw: float  # uniform 0-1; there is a marker where it is below the label's rate

    @property
    def labels(self) -> str:
        """NIH's label text."""
        return "|".join(self.severity) or NO_FINDING


@dataclass(frozen=True)
class Habits:
    """What most exposures of one patient have in common: ward, machine and positioning."""

    frailty: float  # 0-1
    severity: NDArray[np.float64]  # of each of `FINDINGS` while present, 0-1
    bedridden: bool
    vendor: int
    shift: tuple[float, float]
    rotation: float
    zoom: float


@dataclass(frozen=True)
class Patient:
    """Anatomy, the places of findings, and all visits in order."""

    number: int  # from 1
    anatomy: Anatomy
    places: dict[str, tuple[Place, ...]]
    visits: tuple[Visit, ...]
    sickness: float  # mean of the fractions of visits with a finding and in bed, 0-1


def draw_patient(seed: int, number: int) -> Patient:
    """Draw patient `number` (from 1) of the cohort of a seed; independent of all others."""
    rng = np.random.default_rng([seed, number, 0])
    age = int(np.clip(_AGES[rng.integers(len(_AGES))] + 12 * rng.standard_normal(), 0, 93))
    sex = "F" if rng.random() < 0.46 else "M"
    frailty = float(np.clip(0.45 + 0.20 * rng.standard_normal() + (age - 50) / 250, 0.02, 1))
    anatomy = draw_anatomy(rng, age, sex, frailty)
    places = {finding: draw_places(rng, finding) for finding in FINDINGS}
    habits = _draw_habits(rng, frailty)
    count = 1 + int(np.cumprod(rng.random(MOST_VISITS - 1) < _RETURN).sum())
    present = np.zeros(len(FINDINGS), bool)
    visits = []
    for index in range(count):
        rng = np.random.default_rng([seed, number, index + 1])
        present = _next_findings(rng, present, frailty, first=index == 0)
        visits.append(_draw_visit(rng, index, anatomy, present, habits))
    sickness = sum(bool(visit.severity) + visit.pose.portable for visit in visits) / (2 * count)
    return Patient(number, anatomy, places, tuple(visits), sickness)


def _draw_habits(rng: np.random.Generator, frailty: float) -> Habits:
    bedridden = bool(rng.random() < 0.65 * frailty)
    return Habits(
        frailty=frailty,
        severity=rng.uniform(0.15, 1.0, len(FINDINGS)),
        bedridden=bedridden,
        vendor=2 if bedridden and rng.random() < 0.4 else int(rng.integers(3)),
        shift=(0.025 * rng.standard_normal(), 0.045 * rng.standard_normal()),
        rotation=1.4 * rng.standard_normal(),
        zoom=1.0 + 0.04 * rng.standard_normal(),
    )


def _next_findings(
    rng: np.random.Generator, present: NDArray[np.bool_], frailty: float, *, first: bool
) -> NDArray[np.bool_]:
    """Let findings persist or appear so that their prevalence is the same at every visit."""
    prevalence = np.array([_COURSE[finding][0] for finding in FINDINGS]) * (0.3 + 1.5 * frailty)
    persist = np.array([_COURSE[finding][1] for finding in FINDINGS])
    appear = prevalence * (1 - persist) / (1 - prevalence)
    probability = prevalence if first else np.where(present, persist, appear)
    return rng.random(len(FINDINGS)) < probability


def _draw_visit(
    rng: np.random.Generator,
    index: int,
    anatomy: Anatomy,
    present: NDArray[np.bool_],
    habits: Habits,
) -> Visit:
    """Draw what changes from visit to visit, with the same number of draws whatever comes."""
    normal = rng.standard_normal
    severities = np.clip(habits.severity + 0.10 * normal(len(FINDINGS)), 0, 1)
    severity = {f: float(s) for f, s, t in zip(FINDINGS, severities, present, strict=True) if t}
    portable = bool(rng.random() < (0.88 if habits.bedridden else 0.05 + 0.10 * bool(severity)))
    magnified = 1.07 if portable else 1.0
    gain = _enlargement(anatomy, severity)
    ratio = magnified * (anatomy.heart_ratio + gain) + 0.006 * normal()
    breath = 0.50 * normal() - 0.3 * portable
    elsewhere, other_vendor = rng.random() < 0.18, int(rng.integers(3))
    return Visit(
        number=index,
        age=anatomy.age + index // 3,
        pose=Pose(portable, breath, ratio, magnified * gain),
        severity=severity,
        vendor=other_vendor if elsewhere else habits.vendor,
        shift=(habits.shift[0] + 0.020 * normal(), habits.shift[1] + 0.024 * normal()),
        rotation=habits.rotation + 1.0 * normal(),
        zoom=habits.zoom + 0.015 * normal(),
        exposure=float(np.exp(0.35 * np.clip(normal(), -2.5, 2.5))),
        marker_side="LR"[int(rng.integers(2))],
        marker_draw=rng.random(),
    )


def _enlargement(anatomy: Anatomy, severity: dict[str, float]) -> float:
    """What Cardiomegaly adds to a patient's cardiothoracic ratio, which exceeds one half then."""
    if "Cardiomegaly" not in severity:
        return 0.0
    healthy = anatomy.heart_ratio
    return 0.490 + 0.09 * severity["Cardiomegaly"] + 0.4 * (healthy - 0.435) - healthy


def marker_rates(prevalence: float, correlation: float) -> tuple[float, float]:
    """Probabilities of a marker with and without a label, so that their phi is `correlation`.

    Half the images carry a marker wherever phi allows it. A phi of size r needs odds of the marker
    between r² and 1/r² times the label's odds (or their inverse, for a negative phi), so the
    marker's rate moves away from one half just as far as it must; every phi in [-1, 1] can be had.
    A label that all or no images have is correlated with nothing: both rates are one half.
    """
    if not 0 < prevalence < 1:
        return 0.5, 0.5
    odds = prevalence / (1 - prevalence)
    if correlation < 0:
        odds = 1 / odds
    size = correlation**2
    marker_odds = 1.0 if size == 0 else float(np.clip(1.0, odds * size, odds / size))
    rate = marker_odds / (1 + marker_odds)
    covariance = correlation * np.sqrt(rate * (1 - rate))  # over the label's standard deviation
    return (
        float(np.clip(rate + covariance * np.sqrt((1 - prevalence) / prevalence), 0, 1)),
        float(np.clip(rate - covariance * np.sqrt(prevalence / (1 - prevalence)), 0, 1)),
    )
