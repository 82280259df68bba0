"""How metrics, parts and numbers are called and written, everywhere on the page alike."""

import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

# Metric → name for a reader, what it says.
METRICS = {
    "auroc": (
        "AUROC",
        "Chance that an image with the finding scores higher than one without. 0.5 is guessing.",
    ),
    "average_precision": (
        "Average precision",
        "Area under the precision–recall curve. Guessing gives the prevalence.",
    ),
    "recall": ("Sensitivity", "Recall: share of the findings present that were called."),
    "specificity": ("Specificity", "Share of the images without the finding that were cleared."),
    "precision": (
        "Precision",
        "Positive predictive value: share of the calls that were right.",
    ),
    "f1": ("F1", "Harmonic mean of sensitivity and precision."),
    "accuracy": ("Accuracy", "Share of all decisions that were right."),
    "loss": ("Loss", "Cross-entropy; lower is better."),
}
HEADLINE = ("auroc", "average_precision", "recall", "precision", "f1", "accuracy")
_PARTS = {"train": "Training", "val": "Validation", "test": "Test"}


def metric_name(key: str) -> str:
    """Name of a metric for a reader, such as `Sensitivity` for `recall`."""
    return METRICS[key][0] if key in METRICS else key


def in_sentence(name: str) -> str:
    """A metric's name inside a sentence: small, unless it is an acronym."""
    return name if name.isupper() else name.lower()


def part_name(part: str, folds: int = 1) -> str:
    """Name of a part; with several folds, val is out of fold and test an ensemble."""
    if part.startswith("fold_"):
        return f"Fold {part.removeprefix('fold_')}"
    if folds > 1 and part in ("val", "test"):
        how = "out of fold" if part == "val" else f"ensemble of {folds}"
        return f"{_PARTS[part]} ({how})"
    return _PARTS[part]


def is_number(value: Any) -> bool:
    """Whether a metric has a finite value."""
    return isinstance(value, int | float) and math.isfinite(value)


def decimal(value: float) -> str:
    """A metric with three decimals, halves up as a reader of `metrics.json` would round them."""
    rounded = Decimal(str(value)).quantize(Decimal("0.001"), ROUND_HALF_UP)
    return f"{abs(rounded) if rounded == 0 else rounded}".replace("-", "−")


def count(value: float) -> str:
    """A whole number with thousands separated."""
    return f"{value:,.0f}"


def percent(part: float, whole: float) -> str:
    """A share in per cent, `–` of nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def share(part: float, whole: float) -> str:
    """A count and its share, such as `229 (14.6%)`."""
    return f"{count(part)} ({percent(part, whole)})" if whole else count(part)


def interval(low: float | None, high: float | None) -> str:
    """An interval such as `0.616–0.738` or `−0.2 to 0.1`, empty where it has no bounds."""
    if low is None or high is None:
        return ""
    return f"{decimal(low)}{' to ' if low < 0 else '–'}{decimal(high)}"


def plural(number: int, noun: str, several: str = "") -> str:
    """A count with its noun, such as `1 patient`, `90 patients`."""
    return f"{count(number)} {noun if number == 1 else several or noun + 's'}"


def listed(items: Iterable[str], most: int = 6) -> str:
    """Items as an enumeration: `a, b and c`; of a long list the first ones and how many more."""
    names = list(items)
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return _joined(names)


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def undefined_name(key: str, folds: int = 1) -> str:
    """What a key of `undefined.json` speaks of, such as `Test, Hernia: precision`."""
    head, _, rest = key.partition(".")
    if head not in _PARTS:
        return f"{head.capitalize()} of {rest}"
    where = part_name(head, folds)
    if rest.startswith("per_class."):
        name, _, metric = rest.removeprefix("per_class.").rpartition(".")
        return f"{where}, {name}: {in_sentence(metric_name(metric))}"
    if rest.endswith("_low"):
        return f"{where}: interval of {in_sentence(metric_name(rest.removesuffix('_low')))}"
    return f"{where}: {in_sentence(metric_name(rest))}"
