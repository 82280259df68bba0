"""Has the model become worse? Paired over patients where the baseline's predictions are at hand."""

import math
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeGuard

import pandas as pd

from thorax.artifacts.evaluation import Results
from thorax.compare.history import (
    RESULTS,
    TEST,
    NotCachedError,
    NotRecordedError,
    Revision,
    commit,
    experiment,
    working_tree,
)
from thorax.compare.paired import METRICS, Difference, differences
from thorax.compare.summary import signed_interval
from thorax.config import Paths, load_params
from thorax.errors import ConfigError, DataError, GateFailed, GateInconclusive
from thorax.io import markdown_table, read_json
from thorax.metrics.predictions import read_decided

HEAD = ["metric", "baseline", "current", "difference (95% interval)"]


class Verdict(StrEnum):
    """What the gate concludes."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


def gate(paths: Paths, baseline: str, margin: float, metric: str) -> str:
    """Markdown of the comparison of test predictions; returns only on PASS.

    Args:
        paths: of this run.
        baseline: a git reference or experiment, or a CSV of predictions for the same test images.
        margin: largest fall that is tolerated, in units of the metric.
        metric: the one that decides; the others are shown.

    Raises:
        GateFailed, GateInconclusive: with the same table.
        ConfigError, DataError: nothing to compare with, or other test images.
    """
    if metric not in METRICS:
        raise ConfigError(f"--metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    current = Path(paths.evaluation) / TEST
    if not current.exists():
        raise DataError(f"No run to compare: {current} is missing. Run `dvc repro` or `dvc pull`.")
    if Path(baseline).is_file():
        old = read_decided(Path(baseline))
    else:
        try:
            old = commit(baseline).predictions()
        except (NotRecordedError, NotCachedError) as error:
            return _unpaired(paths, commit(baseline), margin, metric, str(error))
    compared = _differences(current=read_decided(current), baseline=old)
    deciding = next((change for change in compared if change.metric == metric), None)
    if deciding is None:
        raise GateFailed(f"Test {metric} is undefined in one of the two runs: no verdict.")
    verdict = Verdict(deciding.verdict(margin))
    rows = [[*_row(change), verdict if change is deciding else ""] for change in compared]
    title = f"Gate on test {metric}, margin {margin:g}, paired over {deciding.patients} patients."
    return _concluded(verdict, _table(title, rows), _advice(deciding, margin))


def compare(first: str, second: str) -> str:
    """Markdown: every test metric of two experiments and the second minus the first."""
    baseline, current = (experiment(name).predictions() for name in (first, second))
    patients = baseline["patient_id"].nunique()
    rows = [_row(change) for change in _differences(current, baseline)]
    return (
        f"baseline: {first}, current: {second}; {len(baseline)} test images of {patients}"
        f" patients\n\n{markdown_table(HEAD, rows)}"
    )


def _differences(current: pd.DataFrame, baseline: pd.DataFrame) -> list[Difference]:
    settings = load_params().evaluate
    if not settings.n_bootstrap:
        raise ConfigError("evaluate.n_bootstrap is 0, but a comparison needs replicates; raise it.")
    return differences(current, baseline, n_bootstrap=settings.n_bootstrap, seed=settings.seed)


def _unpaired(paths: Paths, baseline: Revision, margin: float, metric: str, why: str) -> str:
    """The same from two `metrics.json` alone, whose test images may differ."""
    old, new = baseline.metrics()["test"], read_json(Path(paths.metrics))["test"]
    if metric not in old or metric not in new:
        raise DataError(
            f"Test {metric} of {baseline.name} is not in {paths.metrics}, and the predictions are"
            f" not at hand: {why}"
        )
    if _other_data(baseline, paths.manifest):
        raise DataError(f"{baseline.name} was made from other data, so nothing can be compared.")
    results = Results.read(Path(paths.evaluation) / RESULTS)
    known = _same_test_set(results, baseline)
    high = results.test.metrics[metric].high
    verdict = unpaired_verdict(old[metric], new[metric], high, margin)
    rows = [
        [name, *_unpaired_cells(old[name], new[name]), verdict if name == metric else ""]
        for name in METRICS
        if name in old and name in new
    ]
    caveat = "" if known else " Whether both are of the same test images is unknown."
    title = (
        f"Gate on test {metric}, margin {margin:g}. UNPAIRED, only the two metrics.json are"
        f" compared: {why}{caveat}"
    )
    return _concluded(verdict, _table(title, rows), "With the predictions it could be paired.")


def unpaired_verdict(baseline: Any, current: Any, high: float | None, margin: float) -> Verdict:
    """PASS unless the metric fell by more than the margin; then FAIL if that is certain.

    It is where the baseline is above `high`, the upper end of the 95% interval of `current`.
    """
    if not (_is_number(baseline) and _is_number(current)):
        return Verdict.FAIL  # an undefined metric must not pass for an unchanged one
    if baseline - current <= margin + 1e-9:
        return Verdict.PASS
    certain = high is not None and baseline > high
    return Verdict.FAIL if certain else Verdict.INCONCLUSIVE


def _other_data(baseline: Revision, manifest: str) -> bool:
    """Whether the manifests are known to differ."""
    try:
        return baseline.md5(manifest) != working_tree().md5(manifest)
    except NotRecordedError:
        return False


def _same_test_set(current: Results, baseline: Revision) -> bool:
    """Whether images and classes are known to be as many; DataError where they are not."""
    try:
        old = baseline.results()
    except (NotRecordedError, NotCachedError):
        return False
    then, now = (
        f"{results.test.images} images of {', '.join(sorted(results.test.classes))}"
        for results in (old, current)
    )
    if then != now:
        raise DataError(
            f"The test sets differ, so nothing can be compared: {then} in the baseline, {now} now."
        )
    return True


def _row(change: Difference) -> list[str]:
    gap = signed_interval(change.value, change.low, change.high)
    return [change.metric, f"{change.baseline:.4f}", f"{change.current:.4f}", gap]


def _unpaired_cells(baseline: Any, current: Any) -> list[str]:
    shown = [f"{x:.4f}" if _is_number(x) else str(x) for x in (baseline, current)]
    both = _is_number(baseline) and _is_number(current)
    return [*shown, f"{current - baseline:+.4f}" if both else ""]


def _table(title: str, rows: list[list[str]]) -> str:
    return f"{title}\n\n{markdown_table([*HEAD, 'verdict'], rows)}"


def _advice(difference: Difference, margin: float) -> str:
    needed = difference.patients_needed(margin)
    if needed is None:
        return "No number of patients decides a difference of this size at this margin."
    return f"About {needed:,} test patients would decide a difference of this size."


def _concluded(verdict: Verdict, text: str, advice: str) -> str:
    match verdict:
        case Verdict.PASS:
            return f"PASS. {text}"
        case Verdict.FAIL:
            raise GateFailed(f"FAIL. {text}")
        case Verdict.INCONCLUSIVE:
            raise GateInconclusive(f"INCONCLUSIVE. {text}\n\n{advice}")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
