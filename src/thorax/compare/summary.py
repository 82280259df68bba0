"""The command `thorax summary`: headline metrics, their change since the commit, the report."""

from pathlib import Path

from thorax.artifacts.evaluation import Results
from thorax.artifacts.headline import doubts, headline
from thorax.compare.history import RESULTS, commit, working_tree
from thorax.config import METRICS, Paths, load_paths
from thorax.errors import ThoraxError, marked
from thorax.io import read_json
from thorax.provenance import recorded_latency, recorded_run
from thorax.provenance.looks import looks
from thorax.provenance.seeds import Seeds, seeds


def summary() -> str:
    """Metrics of the last run, test first, what differs from the last commit, and the report."""
    paths = load_paths()
    results = Results.read(Path(paths.evaluation) / RESULTS)
    lines = [headline({"test": results.test, "validation": results.val})]
    lines += [marked(doubt) for doubt in doubts(results)]
    (predictions,) = Path(paths.test_predictions).glob("*.csv")
    lines += between_seeds(seeds(predictions, paths))
    if results.test.images:
        lines.append(f"Runs that have seen this test set: {looks(predictions)}, this one included.")
    lines += speed(Path(paths.models))
    lines.append(changes(paths))
    report = Path(paths.report).absolute()
    lines.append(f"Report: {report}" if report.exists() else "No report: run `dvc repro`.")
    lines.append(
        f"Use it: `thorax predict {paths.bundle} FILM`, or `thorax export {paths.bundle} exported`"
        " and open exported/viewer.html in a browser."
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


def speed(models: Path) -> list[str]:
    """What training and predicting took on this machine; empty where another one did it."""
    folds = [read_json(path)["fingerprint"] for path in sorted(models.glob("*/model.json"))]
    runs, latencies = map(recorded_run, folds), map(recorded_latency, folds)
    trained = [f"{run['seconds']:.0f} s ({run['machine']}, {run['date']})" for run in runs if run]
    one = [f"{each['milliseconds']:.1f} ms ({each['machine']})" for each in latencies if each]
    named = {"Training took": trained, "One image, alone, is predicted in": one}
    return [f"{what} {', '.join(values)}." for what, values in named.items() if values]


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
