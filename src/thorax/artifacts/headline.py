"""The headline metrics as text: what the report stage, `thorax summary` and others print."""

from collections.abc import Mapping

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import Results, SubsetMetrics
from thorax.config import METRICS

SUMMARY_FOLLOWS = "THORAX_SUMMARY_FOLLOWS"  # in the environment: the report stage need not print it


def headline(subsets: Mapping[str, SubsetMetrics]) -> str:
    """Headline metrics with their 95% intervals as a table, a column for each titled subset."""
    lines = [f"{'':<18}" + "".join(f"{title:>26}" for title in subsets)]
    for name in METRICS:
        cells = (_with_interval(subset.metrics[name]) for subset in subsets.values())
        lines.append(f"{name:<18}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


def doubts(results: Results) -> list[str]:
    """What speaks against all of these metrics, a line each."""
    lines = []
    if results.leaky:
        lines.append("LEAKY split: patients or images appear in two subsets; metrics are too high.")
    if results.contaminated:
        lines.append("CONTAMINATED: a model was trained on some of the test patients or images.")
    if results.patients_unknown:
        lines.append("PATIENTS UNKNOWN: images of one patient may be in training and in test.")
    return lines


def _with_interval(estimate: Estimate) -> str:
    if estimate.value is None:
        return "undefined"
    interval = f" ({estimate.low:.4f}–{estimate.high:.4f})" if estimate.low is not None else ""
    return f"{estimate.value:.4f}{interval}"
