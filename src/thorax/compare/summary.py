"""The command `thorax summary`: headline metrics, their change since the commit, the report."""

from collections.abc import Mapping
from pathlib import Path

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import Results, SubsetMetrics
from thorax.compare.history import RESULTS, commit, working_tree
from thorax.config import METRICS, Paths, load_paths
from thorax.errors import ThoraxError
from thorax.io import read_json
from thorax.provenance.looks import looks
from thorax.provenance.seeds import Seeds, seeds


def summary() -> str:
    """Metrics of the last run, test first, what differs from the last commit, and the report."""
    paths = load_paths()
    results = Results.read(Path(paths.evaluation) / RESULTS)
    lines = [headline({"test": results.test, "validation": results.val})]
    if results.leaky:
        lines.append("LEAKY split: patients or images appear in two subsets; metrics are too high.")
    if results.contaminated:
        lines.append("CONTAMINATED: a model was trained on some of the test patients or images.")
    if results.patients_unknown:
        lines.append("PATIENTS UNKNOWN: images of one patient may be in training and in test.")
    (predictions,) = Path(paths.test_predictions).glob("*.csv")
    lines += between_seeds(seeds(predictions, paths))
    if results.test.images:
        lines.append(f"Runs that have seen this test set: {looks(predictions)}, this one included.")
    lines.append(changes(paths))
    report = Path(paths.report).absolute()
    lines.append(f"Report: {report}" if report.exists() else "No report: run `dvc repro`.")
    return "\n".join(lines)


def headline(subsets: Mapping[str, SubsetMetrics]) -> str:
    """Headline metrics with their 95% intervals as a table, a column for each titled subset."""
    lines = [f"{'':<18}" + "".join(f"{title:>26}" for title in subsets)]
    for name in METRICS:
        cells = (_with_interval(subset.metrics[name]) for subset in subsets.values())
        lines.append(f"{name:<18}" + "".join(f"{cell:>26}" for cell in cells))
    left_out = max(
        metric.undefined_replicates
        for subset in subsets.values()
        for metric in subset.metrics.values()
    )
    if left_out:
        lines.append(
            f"Up to {left_out:,} bootstrap replicates are undefined and left out of an interval."
        )
    return "\n".join(lines)


def between_seeds(runs: Seeds) -> list[str]:
    """How far the metrics of equal settings lie apart; empty for a single training seed."""
    if len(runs.runs) < 2:
        return []
    lines = [f"Standard deviation between {len(runs.runs)} training seeds, beside the intervals:"]
    for subset in ("test", "val"):
        figures = {name: runs.deviation(subset, name) for name in METRICS}
        shown = [f"{name} {sd:.4f}" for name, sd in figures.items() if sd is not None]
        lines.append(f"  {subset}: {', '.join(shown) or 'undefined'}")
    return lines


def changes(paths: Paths) -> str:
    """How the headline metrics differ from the last commit's, where that has the same data."""
    head = commit("HEAD")
    try:
        old = head.metrics()
        same_data = head.md5(paths.manifest) == working_tree().md5(paths.manifest)
    except ThoraxError:
        return "No committed metrics to compare with."
    if not same_data:
        return "The last commit used different data: nothing to compare."
    new = read_json(Path(paths.metrics))
    lines = [
        f"  {subset}.{name}: {_change(old[subset][name], new[subset][name])}"
        for subset in ("test", "val")
        for name in METRICS
        if name in old[subset] and name in new[subset] and old[subset][name] != new[subset][name]
    ]
    if not lines:
        return "Same headline metrics as the last commit, to the fourth decimal."
    return "\n".join(["Changed since the last commit:", *lines])


def signed_interval(difference: float, low: float, high: float) -> str:
    """A difference and its interval, each with its sign."""
    return f"{difference:+.4f} ({low:+.4f} to {high:+.4f})"


def _change(old: float | None, new: float | None) -> str:
    by = f" ({new - old:+.4f})" if old is not None and new is not None else ""
    return f"{old} → {new}{by}"


def _with_interval(estimate: Estimate) -> str:
    if estimate.value is None:
        return "undefined"
    interval = f" ({estimate.low:.4f}–{estimate.high:.4f})" if estimate.low is not None else ""
    return f"{estimate.value:.4f}{interval}"
