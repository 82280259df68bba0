"""Has a headline metric fallen against the one committed under a git ref?

`dvc metrics diff` shows differences but ends well when a side is missing, broken or NaN, so the
gate reads both files itself.
"""

import json
import math
import subprocess
from pathlib import Path
from typing import Any

from thorax.errors import ConfigError, DataError, GateFailed
from thorax.files import read_json

RISING = ("accuracy", "precision", "recall", "f1", "auroc", "average_precision")
PARTS = ("val", "test")


def committed_metrics(ref: str, path: str) -> dict[str, Any]:
    """Metrics as committed under a git ref.

    Raises:
        ConfigError: no such ref, or no such file in it.
        DataError: the file is not JSON.
    """
    command = ["git", "show", f"{ref}:./{path}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError("git is not installed; the gate compares with a git ref.") from None
    if found.returncode:
        raise ConfigError(f"No baseline: {found.stderr.strip()}. Name a ref that holds {path}.")
    try:
        metrics: dict[str, Any] = json.loads(found.stdout)
    except ValueError as error:
        raise DataError(f"{ref}:{path} is not valid JSON ({error}).") from None
    return metrics


def compare(current: dict[str, Any], baseline: dict[str, Any], tolerance: float) -> list[list[str]]:
    """Rows (metric, baseline, current, difference, verdict) for every headline metric.

    A metric fails when it falls by more than the tolerance, and when it is missing, null or not
    finite on either side.
    """
    rows = []
    for part in PARTS:
        for name in RISING:
            old, new = (side.get(part, {}).get(name) for side in (baseline, current))
            if not (_finite(old) and _finite(new)):
                rows.append([f"{part}.{name}", str(old), str(new), "", "FAIL: undefined"])
                continue
            fell = old - new > tolerance + 1e-9
            verdict = "FAIL" if fell else "ok"
            rows.append(
                [f"{part}.{name}", f"{old:.4f}", f"{new:.4f}", f"{new - old:+.4f}", verdict]
            )
    return rows


def gate(path: Path, ref: str, tolerance: float) -> str:
    """Markdown table of the comparison.

    Raises:
        GateFailed: with the same table, when any metric fails.
    """
    rows = compare(read_json(path), committed_metrics(ref, str(path)), tolerance)
    head = ["metric", f"baseline ({ref})", "current", "difference", "verdict"]
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    table = "\n".join(lines)
    failed = [row[0] for row in rows if row[-1] != "ok"]
    if failed:
        raise GateFailed(
            f"{', '.join(failed)} fell by more than {tolerance} or cannot be compared.\n\n{table}"
        )
    return table


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
