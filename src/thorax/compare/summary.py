"""What a finished run says: headline metrics, their change since the commit, the report."""

from pathlib import Path
from typing import Any

from thorax.compare.history import committed_metrics
from thorax.config import load_paths
from thorax.errors import ThoraxError
from thorax.io import read_json

HEADLINE = ("accuracy", "precision", "recall", "f1", "auroc", "average_precision", "loss")


def headline(parts: dict[str, dict[str, Any]]) -> str:
    """Headline metrics with their 95 % intervals as a table, a column for each titled part."""
    lines = [f"{'':<18}" + "".join(f"{title:>26}" for title in parts)]
    for name in HEADLINE:
        cells = (_with_interval(metrics, name) for metrics in parts.values())
        lines.append(f"{name:<18}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


def changes(metrics: dict[str, Any], path: str) -> str:
    """How the headline metrics differ from those of the last commit."""
    try:
        old = committed_metrics("HEAD", path)
    except ThoraxError:
        return "No committed metrics to compare with."
    lines = []
    for part in ("val", "test"):
        for name in HEADLINE:
            was, now = old.get(part, {}).get(name), metrics[part][name]
            if was != now:
                both = None not in (was, now)
                by = f" ({now - was:+.4f})" if both else ""
                lines.append(f"  {part}.{name}: {was} → {now}{by}")
    if not lines:
        return "Same headline metrics as the last commit, to the fourth decimal."
    return "\n".join(["Changed since the last commit:", *lines])


def main() -> int:
    """Print it all."""
    paths = load_paths()
    metrics = read_json(Path(paths.metrics))
    print(headline({"validation": metrics["val"], "test": metrics["test"]}))
    if metrics["protocol"]["leaky"]:
        print("LEAKY split: patients stand on two sides, these numbers overstate.")
    print(changes(metrics, paths.metrics))
    report = Path(paths.report).absolute()
    print(f"Report: {report}" if report.exists() else "No report is here: run `dvc repro`.")
    return 0


def _with_interval(part: dict[str, Any], name: str) -> str:
    value, low, high = (part.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "undefined"
    return f"{value:.4f}" + (f" ({low:.4f}–{high:.4f})" if low is not None else "")
