"""Is a published percentage arithmetically possible, and how uncertain is it?

Percentages are text exactly as printed, because the number of decimals says how much was rounded.
Comparisons are between integers and so exact. A fraction half way between two printed figures may
print as either: half up, half even, and binary floats just below it ("%.1f" % 50.15 is 50.1).
Whatever reads a figure raises ValueError unless it is a number between 0 and 100.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from thorax.config.card import Section
from thorax.metrics.intervals import wilson

CHECKED = ("accuracy", "precision", "sensitivity", "specificity", "f1")
PERCENT = re.compile(r"[0-9]+(\.[0-9]{1,6})?")  # with more decimals, 64-bit integers might overflow
Ints = NDArray[np.int64]
Printed = tuple[int, int, int]  # low, high, scale: prints fractions f with low <= f * scale <= high


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of images of one binary confusion matrix."""

    tp: int
    fn: int
    tn: int
    fp: int


class Labels(Section):
    """How many of some images have each class."""

    images: int
    present: dict[str, int]


class Claim(Section):
    """Figures published for one subset of a data set, by metric; `CHECKED` ones are checked.

    Attributes:
        subset: which one the figures are of.
        figures: as printed, in percent; a loss as it is.
        images: None where unknown.
        positives: images of the positive class; None unless there are two classes.
        average: how several classes became one figure; None for two classes, of which it is the
            positive one's. `weighted` by their images, or over the labels of each of the `images`.
        batch_size: of the study, where it may have averaged over batches.
        labels: of the subset, or of what it was drawn from.
        variant: of the recipe that the claim is about; None for the recipe itself.
    """

    subset: Literal["train", "val", "test"]
    figures: dict[str, str]
    images: int | None = None
    positives: int | None = None
    average: Literal["weighted", "images"] | None = None
    batch_size: int | None = None
    labels: Labels | None = None
    variant: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        positives = self.positives or 0
        if self.images is not None and (self.images < 1 or not 0 <= positives <= self.images):
            raise ValueError(f"{positives} positives of {self.images} images are impossible")
        for name in CHECKED:
            if name in self.figures:
                _parse(self.figures[name])
        return self


def hits(percent: str, images: int) -> list[int]:
    """All counts k with 0 <= k <= images of which 100 * k / images prints as `percent`."""
    low, high, scale = _parse(percent)
    return list(range(max(0, -(-low * images // scale)), min(images, high * images // scale) + 1))


def matrices(claimed: Mapping[str, str], positives: int, negatives: int) -> list[Confusion]:
    """All confusion matrices that print as claimed, by metrics of the positive class, not means."""
    tp, fp = np.arange(positives + 1)[:, None], np.arange(negatives + 1)[None]
    fractions: dict[str, tuple[Ints, Ints | int]] = {
        "accuracy": (tp + negatives - fp, positives + negatives),
        "precision": (tp, tp + fp),
        "sensitivity": (tp, positives),
        "specificity": (negatives - fp, negatives),
        "f1": (2 * tp, tp + fp + positives),
    }
    fits = np.ones((positives + 1, negatives + 1), bool)
    for name in fractions.keys() & claimed.keys():
        low, high, scale = _parse(claimed[name])
        count, total = fractions[name]
        total = np.maximum(total, 1, dtype=np.int64)  # 0 / 0 prints as 0, as in scikit-learn
        fits &= (low * total <= count * scale) & (count * scale <= high * total)
    return [
        Confusion(tp, positives - tp, negatives - fp, fp) for tp, fp in np.argwhere(fits).tolist()
    ]


def verdict(claim: Claim) -> str:
    """What arithmetic says of a claim, for a table cell."""
    if claim.images is None:
        return "not checkable: the number of images is not given"
    if claim.average == "images":
        return "not checkable: means over images do not come from counts of images"
    others = {*CHECKED[1:]} & claim.figures.keys()
    if claim.positives is not None and others:
        return _binary(claim.figures, claim.positives, claim.images - claim.positives)
    if "accuracy" not in claim.figures:
        return "not checkable: no accuracy is given"
    percent = claim.figures["accuracy"]
    if not (counts := hits(percent, claim.images)):
        return _impossible(percent, claim.images) + _by_batch(claim, percent)
    several = f"one of {len(counts)} counts, {counts[0]}–{counts[-1]} of {claim.images}"
    phrase = several if len(counts) > 1 else f"{counts[0]} of {claim.images} images"
    if claim.figures.get("sensitivity") == percent:
        phrase += "; sensitivity equal to accuracy is consistent with weighted averaging"
    elif others:
        phrase += "; the other figures cannot be checked without the number of positives"
    return phrase


def batch_means(percent: str, images: int, batch_size: int) -> list[tuple[int, int]]:
    """Counts that print as `percent` when batches, the smaller last one too, weigh the same.

    Returns:
        For every number of correct images in the last batch, from all to none, that allows it:
        correct images in all, and in the last batch.
    """
    full, last = divmod(images, batch_size)
    if not last:
        return []
    low, high, scale = _parse(percent)
    whole = batch_size * last * (full + 1)
    found = []
    for right in range(last, -1, -1):
        first = max(0, -(-(low * whole // scale - right * batch_size) // last))
        for others in range(first, full * batch_size + 1):
            total = scale * (others * last + right * batch_size)
            if total > high * whole:
                break
            if total >= low * whole:
                found.append((others + right, right))
    return found


def interval(claim: Claim, metric: str) -> tuple[float, float] | None:
    """95% interval of a claimed figure for the images it rests on, each taken for a patient.

    Wilson's of a proportion. F1 follows from the proportion TP / (TP + FP + FN). A mean over images
    of shares in 0–1 varies no more than a proportion. None where the images are not known.
    """
    trials = _trials(claim, metric)
    if not trials:
        return None
    figure = float(claim.figures[metric]) / 100
    if metric != "f1" or claim.average:
        return wilson(round(figure * trials), trials)
    low, high = wilson(round(figure / (2 - figure) * trials), trials)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def _trials(claim: Claim, metric: str) -> int | None:
    """How many images a claimed proportion is of."""
    if claim.images is None or metric not in CHECKED:
        return None
    if claim.average or metric == "accuracy":
        return claim.images
    if claim.positives is None:
        return None
    fitting = matrices(claim.figures, claim.positives, claim.images - claim.positives)
    if metric == "sensitivity":
        return claim.positives
    if metric == "specificity":
        return claim.images - claim.positives
    if len(fitting) != 1:
        return None
    (only,) = fitting
    return only.tp + only.fp + (only.fn if metric == "f1" else 0)


def _parse(percent: str) -> Printed:
    if not PERCENT.fullmatch(percent) or Decimal(percent) > 100:
        raise ValueError(f"'{percent}' is not a number between 0 and 100, such as '97.8'")
    units = int(percent.replace(".", ""))  # of the last decimal
    return 2 * units - 1, 2 * units + 1, 200 * 10 ** len(percent.partition(".")[2])


def _binary(figures: Mapping[str, str], positives: int, negatives: int) -> str:
    fitting, images = matrices(figures, positives, negatives), positives + negatives
    if len(fitting) == 1:
        return "TP {tp}, FN {fn}, TN {tn}, FP {fp}".format(**asdict(fitting[0]))
    if fitting:
        return f"{len(fitting)} confusion matrices fit"
    if "accuracy" in figures and not hits(figures["accuracy"], images):
        return f"no confusion matrix fits: {_impossible(figures['accuracy'], images)}"
    return "no confusion matrix fits"


def _by_batch(claim: Claim, percent: str) -> str:
    """Which counts give `percent` as a mean over batches if the last one is no worse than that."""
    if not claim.batch_size or not claim.images:
        return ""
    last = claim.images % claim.batch_size
    means = batch_means(percent, claim.images, claim.batch_size)
    likely = [total for total, right in means if 100 * right >= Decimal(percent) * last]
    if not likely:
        return ""
    return (
        f"; as a mean over batches of {claim.batch_size} it is {' or '.join(map(str, likely))}"
        f" of {claim.images}, if the last {last} images go no worse than the others"
    )


def _impossible(percent: str, images: int) -> str:
    """That no count gives `percent`: it then lies between two neighboring counts, also printed."""
    decimals = len(percent.partition(".")[2])
    k = int(Decimal(percent) * images / 100)
    nearest = " or ".join(f"{Decimal(100 * n) / images:.{decimals}f}" for n in (k, k + 1))
    return f"no count of {images} images gives {percent}%; {nearest}% are the nearest possible"
