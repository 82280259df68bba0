"""Has the model become worse? Paired over patients where the baseline's predictions are at hand."""

import math
from pathlib import Path
from typing import Any

from thorax.compare.history import committed_metrics, committed_predictions, read_predictions
from thorax.config import Paths
from thorax.errors import ConfigError, DataError, GateFailed, GateInconclusive
from thorax.io import read_json
from thorax.metrics.paired import RISING, Difference, differences

HEAD = ["metric", "baseline", "current", "difference (95 %)", "verdict"]


def gate(paths: Paths, baseline: str, margin: float, metric: str) -> str:
    """Markdown of the comparison of test predictions; ends well only on PASS.

    Args:
        paths: of this run.
        baseline: a git reference, or a CSV of predictions for the same test images.
        margin: largest fall that is tolerated, in units of the metric.
        metric: the one that decides; the others are shown.

    Raises:
        GateFailed, GateInconclusive: with the same table.
        ConfigError, DataError: nothing to compare with, or other test images.
    """
    if metric not in RISING:
        raise ConfigError(f"--metric is {metric!r}; it must be one of {', '.join(RISING)}.")
    current = Path(paths.predictions) / "test.csv"
    if not current.exists():
        raise DataError(f"Nothing to judge: {current} is not here. Run `dvc repro` or `dvc pull`.")
    is_file = Path(baseline).is_file()
    old = read_predictions(Path(baseline)) if is_file else committed_predictions(baseline)
    if old is None:
        return unpaired(paths, baseline, margin, metric)
    now = read_predictions(current)
    found = differences(now, old)
    deciding = next((each for each in found if each.metric == metric), None)
    if deciding is None:
        raise GateFailed(f"Test {metric} is undefined on one of the sides; nothing can be said.")
    verdict = deciding.verdict(margin)
    rows = [_row(each, verdict if each is deciding else "") for each in found]
    head = f"Gate on test {metric}, margin {margin:g}, paired over {deciding.patients} patients."
    return _concluded(verdict, f"{head}\n\n{markdown([HEAD, *rows])}", _advice(deciding, margin))


def unpaired(paths: Paths, ref: str, margin: float, metric: str) -> str:
    """The same from two `metrics.json` alone, whose test images may differ.

    FAIL when the metric fell by more than the margin and the old value lies above the new
    interval, PASS when it did not fall by more than the margin.
    """
    old = committed_metrics(ref, paths.metrics).get("test", {})
    new = read_json(Path(paths.metrics)).get("test", {})
    was, now = ((part.get("images"), sorted(part.get("per_class", ()))) for part in (old, new))
    if was != now:
        raise DataError(f"The test parts differ ({was} and {now}), so nothing can be compared.")
    rows = []
    verdict = "FAIL"
    for name in RISING:
        was, now, high = old.get(name), new.get(name), new.get(f"{name}_high")
        own = _unpaired_verdict(was, now, high, margin)
        verdict = own if name == metric else verdict
        shown = [f"{value:.4f}" if _finite(value) else str(value) for value in (was, now)]
        gap = f"{now - was:+.4f}" if _finite(was) and _finite(now) else ""
        rows.append([name, *shown, gap, own if name == metric else ""])
    head = (
        f"Gate on test {metric}, margin {margin:g}. UNPAIRED: the predictions of {ref} are not in"
        " the DVC cache, so only the two metrics.json are compared."
    )
    return _concluded(verdict, f"{head}\n\n{markdown([HEAD, *rows])}", "`dvc pull` brings them.")


def markdown(rows: list[list[str]]) -> str:
    """A table, the first row its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _row(each: Difference, verdict: str) -> list[str]:
    gap = f"{each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
    return [each.metric, f"{each.baseline:.4f}", f"{each.current:.4f}", gap, verdict]


def compared(found: list[Difference]) -> str:
    """Every metric as a Markdown table, without a verdict."""
    return markdown([HEAD[:4], *(_row(each, "")[:4] for each in found)])


def _advice(difference: Difference, margin: float) -> str:
    needed = difference.patients_needed(margin)
    if needed is None:
        return "No number of patients decides a difference of this size at this margin."
    return f"About {needed:,} test patients would decide a difference of this size."


def _concluded(verdict: str, text: str, advice: str) -> str:
    if verdict == "PASS":
        return f"PASS. {text}"
    if verdict == "FAIL":
        raise GateFailed(f"FAIL. {text}")
    raise GateInconclusive(f"INCONCLUSIVE. {text}\n\n{advice}")


def _unpaired_verdict(was: Any, now: Any, high: Any, margin: float) -> str:
    if not (_finite(was) and _finite(now)):
        return "FAIL"
    if was - now <= margin + 1e-9:
        return "PASS"
    return "FAIL" if _finite(high) and was > high else "INCONCLUSIVE"


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
