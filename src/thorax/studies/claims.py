"""Is a published percentage arithmetically possible, and how uncertain is it?

Percentages are text exactly as printed, because the number of decimals says how much was rounded.
Comparisons are between integers and so exact. A fraction half way between two printed figures may
print as either: half up, half even, and binary floats just below it ("%.1f" % 50.15 is 50.1).
Whatever reads a figure raises ConfigError unless it is a number between 0 and 100.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Literal

from thorax.errors import ConfigError

CHECKED = ("accuracy", "precision", "recall", "specificity", "f1")
Z = NormalDist().inv_cdf(0.975)
Printed = tuple[int, int, int]  # low, high, scale: prints fractions f with low <= f * scale <= high


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of images of one binary confusion matrix."""

    tp: int
    fn: int
    tn: int
    fp: int


@dataclass(frozen=True)
class Claim:
    """Percentages published for one part of a data set, by metric; those in `CHECKED` are checked.

    `images` is None where unknown or where figures count labels and not images (multi-label);
    `positives` is None unless there are two classes. Raises ConfigError for impossible numbers.
    """

    part: Literal["train", "val", "test"]
    figures: Mapping[str, str]
    images: int | None = None
    positives: int | None = None

    def __post_init__(self) -> None:
        positives = self.positives or 0
        if self.images is not None and (self.images < 1 or not 0 <= positives <= self.images):
            raise ConfigError(f"{self.part}: {positives} positives of {self.images} images.")
        for name in self.figures.keys() & {*CHECKED}:
            _parse(self.figures[name])


def hits(percent: str, images: int) -> list[int]:
    """All counts k with 0 <= k <= images of which 100 * k / images prints as `percent`."""
    low, high, scale = _parse(percent)
    return list(range(max(0, -(-low * images // scale)), min(images, high * images // scale) + 1))


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % score interval of k of n > 0, as fractions (Wilson 1927, JASA 22, 209-212)."""
    centre = (k + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * (k * (n - k) / n + Z**2 / 4) ** 0.5
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


def matrices(claimed: Mapping[str, str], positives: int, negatives: int) -> list[Confusion]:
    """All confusion matrices that print as claimed, by metrics of the positive class, not means."""
    printed = {name: _parse(claimed[name]) for name in CHECKED if name in claimed}
    return [
        Confusion(tp, positives - tp, negatives - fp, fp)
        for tp in range(positives + 1)
        for fp in _false_positives(printed, tp, positives, negatives)
    ]


def verdict(claim: Claim) -> str:
    """What arithmetic says of a claim, for a table cell."""
    if claim.images is None:
        return "not checkable: the number of images is not given"
    if claim.positives is not None and {*CHECKED[1:]} & claim.figures.keys():
        return _binary(claim.figures, claim.positives, claim.images - claim.positives)
    if "accuracy" not in claim.figures:
        return "not checkable: no accuracy is given"
    percent = claim.figures["accuracy"]
    if not (found := hits(percent, claim.images)):
        return _impossible(percent, claim.images)
    several = f"one of {len(found)} counts, {found[0]}–{found[-1]} of {claim.images}"
    phrase = several if len(found) > 1 else f"{found[0]} of {claim.images} images"
    if claim.figures.get("recall") == percent:
        phrase += "; recall equal to accuracy is consistent with weighted averaging"
    return phrase


def interval(claim: Claim) -> tuple[float, float] | None:
    """Wilson interval of the accuracy, from the nearest count; None where there is no count."""
    if claim.images is None or "accuracy" not in claim.figures:
        return None
    found = hits(claim.figures["accuracy"], claim.images)
    exact = Decimal(claim.figures["accuracy"]) * claim.images / 100
    return wilson(min(found, key=lambda k: abs(k - exact)), claim.images) if found else None


def _parse(percent: str) -> Printed:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", percent) or Decimal(percent) > 100:
        raise ConfigError(f"'{percent}' is not a number between 0 and 100, such as '97.8'.")
    units = int(percent.replace(".", ""))  # of the last decimal
    return 2 * units - 1, 2 * units + 1, 200 * 10 ** len(percent.partition(".")[2])


def _false_positives(printed: dict[str, Printed], tp: int, positives: int, negatives: int) -> range:
    """Adjacent numbers, because no metric rises with the false positives; hence the bisection."""

    def excess(fp: int, bound: int) -> list[int]:
        fractions = {
            "accuracy": (tp + negatives - fp, positives + negatives),
            "precision": (tp, tp + fp),
            "recall": (tp, positives),
            "specificity": (negatives - fp, negatives),
            "f1": (2 * tp, tp + fp + positives),
        }
        found = [(*fractions[name], limits) for name, limits in printed.items()]
        # 0 / 0 prints as 0, as in scikit-learn.
        return [k * limits[2] - limits[bound] * max(total, 1) for k, total, limits in found]

    every = range(negatives + 1)
    first = bisect_left(every, True, key=lambda fp: max(excess(fp, 1), default=0) <= 0)
    stop = bisect_left(every, True, key=lambda fp: min(excess(fp, 0), default=0) < 0)
    return range(first, stop)


def _binary(figures: Mapping[str, str], positives: int, negatives: int) -> str:
    found, images = matrices(figures, positives, negatives), positives + negatives
    if len(found) == 1:
        return "TP {tp}, FN {fn}, TN {tn}, FP {fp}".format(**asdict(found[0]))
    if found:
        return f"{len(found)} confusion matrices fit"
    if "accuracy" in figures and not hits(figures["accuracy"], images):
        return f"no confusion matrix fits: {_impossible(figures['accuracy'], images)}"
    return "no confusion matrix fits"


def _impossible(percent: str, images: int) -> str:
    """That no count gives `percent`: it then lies between two neighbouring counts, also printed."""
    decimals = len(percent.partition(".")[2])
    k = int(Decimal(percent) * images / 100)
    nearest = " or ".join(f"{Decimal(100 * n) / images:.{decimals}f}" for n in (k, k + 1))
    return f"no count of {images} images gives {percent} %; {nearest} % are the nearest possible"
