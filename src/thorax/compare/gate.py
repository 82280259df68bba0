"""Has the model become worse? Non-inferiority on the test set, always paired over patients."""

from pathlib import Path

import pandas as pd

from thorax.compare.history import NotRecordedError, revision, working_tree
from thorax.compare.paired import METRICS, Difference, Verdict, differences
from thorax.compare.summary import signed_interval
from thorax.compare.table import table
from thorax.config import Paths
from thorax.errors import ConfigError, DataError, GateFailed, GateInconclusive
from thorax.metrics.predictions import read_decided

HEAD = ["metric", "baseline", "current", "difference (95% interval)"]


def gate(paths: Paths, baseline: str, margin: float, metric: str, *, markdown: bool) -> str:
    """The comparison of test predictions; returns only where the model may pass.

    Args:
        paths: of this run.
        baseline: an experiment or a git reference, or a CSV as `evaluation/test.csv`.
        margin: largest fall that is tolerated, in units of the metric.
        metric: the one that decides; the others are shown.
        markdown: the table in Markdown instead of in columns.

    Raises:
        GateFailed, GateInconclusive: with the same table, or why there is none.
        ConfigError, DataError: nothing to compare with, or other test images.
    """
    if metric not in METRICS:
        raise ConfigError(f"--metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    compared = differences(*_test_predictions(paths, baseline))
    deciding = next((change for change in compared if change.metric == metric), None)
    if deciding is None:
        raise GateInconclusive(f"Test {metric} is undefined in one of the two runs: no verdict.")
    verdict = deciding.verdict(margin)
    rows = [[*row(change), verdict if change is deciding else ""] for change in compared]
    text = (
        f"{verdict}. Gate on test {metric}, margin {margin:g}, paired over {deciding.patients}"
        f" patients.\n\n{table([*HEAD, 'verdict'], rows, markdown=markdown)}"
    )
    if verdict is Verdict.FAIL:
        raise GateFailed(text)
    if verdict is Verdict.INCONCLUSIVE:
        raise GateInconclusive(f"{text}\n\n{_advice(deciding, margin)}")
    return text


def _test_predictions(paths: Paths, baseline: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of the current and the baseline's model for the same images."""
    if Path(baseline).is_file():
        return read_decided(Path(paths.evaluation) / "test.csv"), read_decided(Path(baseline))
    try:
        now, was = working_tree().test_predictions(), revision(baseline).test_predictions()
    except NotRecordedError as error:
        raise GateInconclusive(
            f"INCONCLUSIVE. {error} Without the predictions of both there is no verdict: commit"
            f" {paths.test_predictions}/, which `dvc repro` writes."
        ) from None
    if now.test_set != was.test_set:
        raise DataError(
            f"{baseline} was evaluated on other test images ({was.test_set}, now {now.test_set}),"
            " so nothing can be compared. Use the same data and split."
        )
    return now.table, was.table


def row(change: Difference) -> list[str]:
    """Cells under `HEAD`."""
    gap = signed_interval(change.value, change.low, change.high)
    return [change.metric, f"{change.baseline:.4f}", f"{change.current:.4f}", gap]


def _advice(difference: Difference, margin: float) -> str:
    needed = difference.patients_needed(margin)
    if needed is None:
        return "No number of patients decides a difference of this size at this margin."
    return f"About {needed:,} test patients would decide a difference of this size."
