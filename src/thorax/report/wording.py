"""How metrics, subsets and numbers are called and written, the same everywhere on the page."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from thorax.artifacts import Estimate

# Metric → its name, what it means.
METRICS = {
    "auroc": ("AUROC", "How often a positive image outscores a negative one; 0.5 by chance."),
    "average_precision": (
        "Average precision",
        "Area under the precision–recall curve; the prevalence by chance.",
    ),
    "sensitivity": ("Sensitivity", "Recall: proportion of positive images predicted positive."),
    "specificity": ("Specificity", "Proportion of negative images predicted negative."),
    "precision": ("Precision", "PPV: proportion of positive predictions that are correct."),
    "npv": ("NPV", "Proportion of negative predictions that are correct."),
    "f1": ("F1", "Harmonic mean of sensitivity and precision."),
    "accuracy": ("Accuracy", "Proportion of all predictions that are correct."),
    "loss": ("Loss", "Cross-entropy; lower is better."),
    "monitored_loss": ("Monitored loss", "Cross-entropy with what the study adds to it."),
    "underdiagnosis": (
        "Underdiagnosis rate",
        "Proportion of images with a finding for which no finding is predicted.",
    ),
}
_SUBSETS = {"train": "Training", "val": "Validation", "test": "Test"}


def metric_name(key: str) -> str:
    """Name of a metric for a reader, such as `Average precision`."""
    return METRICS[key][0] if key in METRICS else key


def in_sentence(name: str) -> str:
    """A name inside a sentence: without its capital, unless it is an acronym."""
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def subset_name(subset: str) -> str:
    """Name of a subset for a reader."""
    if subset.startswith("fold_"):
        return f"Fold {subset.removeprefix('fold_')}"
    return _SUBSETS.get(subset, subset)


def decimal(value: float) -> str:
    """Three decimals, halves up as a reader of `metrics.json` would round them."""
    rounded = Decimal(str(value)).quantize(Decimal("0.001"), ROUND_HALF_UP)
    return f"{abs(rounded) if rounded == 0 else rounded}".replace("-", "−")


def threshold(value: float) -> str:
    """Three significant digits: thresholds of rare findings are far below 0.001."""
    return f"{value:#.3g}"


def threshold_range(chosen: Estimate) -> str:
    """A threshold with the 95% interval of its choice, such as `0.0412 (0.0310–0.0655)`."""
    if chosen.value is None:
        return f"undefined ({chosen.reason})"
    if chosen.low is None or chosen.high is None:
        return threshold(chosen.value)
    return f"{threshold(chosen.value)} ({threshold(chosen.low)}–{threshold(chosen.high)})"


def count(value: float) -> str:
    """A whole number with thousands separated."""
    return f"{value:,.0f}"


def percent(part: float, whole: float) -> str:
    """A proportion in percent, `–` of nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def with_percent(part: float, whole: float) -> str:
    """A count and its proportion, such as `229 (14.6%)`."""
    return f"{count(part)} ({percent(part, whole)})" if whole else count(part)


def interval(low: float | None, high: float | None) -> str:
    """An interval such as `0.616–0.738` or `−0.2 to 0.1`, empty where it has no bounds."""
    if low is None or high is None:
        return ""
    return f"{decimal(low)}{' to ' if low < 0 else '–'}{decimal(high)}"


def with_interval(estimate: Estimate) -> str:
    """Value and interval as text, such as `0.952 (0.929–0.969)`, or the reason for neither."""
    if estimate.value is None:
        return f"undefined ({estimate.reason})"
    bounds = interval(estimate.low, estimate.high)
    return decimal(estimate.value) + (f" ({bounds})" if bounds else "")


def p_value(p: float) -> str:
    """A p-value such as `p = 0.012` or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {decimal(p)}"


def intervals(*, patients_unknown: bool) -> str:
    """What stands behind the interval of every metric."""
    unit, doubt = "patients", ""
    if patients_unknown:
        unit, doubt = "images, too narrow where a patient has several", " Patients are unknown."
    return (
        f"95% intervals are over {unit}: the variance of a metric is the sum of the squared"
        f" influences of its {unit.partition(',')[0]} (for the AUROC the clustered DeLong of"
        f" Obuchowski 1997), on the logit, with Student's t.{doubt}"
    )


def replicates(n_bootstrap: int) -> str:
    """What stands behind intervals by bootstrap."""
    return f"95% intervals are from {n_bootstrap:,} bootstrap replicates."


def plural(number: int, noun: str, several: str = "") -> str:
    """A count with its noun, such as `1 patient`, `90 patients`."""
    return f"{count(number)} {noun if number == 1 else several or noun + 's'}"


def listed(items: Iterable[str], most: int = 6) -> str:
    """Items as an enumeration: `a, b and c`; of a long list the first ones and how many more."""
    names = list(items)
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
