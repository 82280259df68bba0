"""What a finished run says: headline metrics, their change since the commit, the report."""

from pathlib import Path
from typing import Any

from thorax.committed import committed_metrics
from thorax.config import load_paths
from thorax.errors import ThoraxError
from thorax.files import read_json

HEADLINE = ("accuracy", "precision", "recall", "f1", "auroc", "average_precision", "loss")


def headline(metrics: dict[str, Any]) -> str:
    """Headline metrics of validation and test with their 95 % intervals, as a table."""
    lines = [f"{'':<18}{'validation':>26}{'test':>26}"]
    for name in HEADLINE:
        cells = [_with_interval(metrics[part], name) for part in ("val", "test")]
        lines.append(f"{name:<18}{cells[0]:>26}{cells[1]:>26}")
    if metrics["protocol"]["leaky"]:
        lines.append("LEAKY split: patients stand on two sides, these numbers overstate.")
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
    print(headline(metrics))
    print(changes(metrics, paths.metrics))
    print(f"Report: {Path(paths.report).absolute()}")
    return 0


def _with_interval(part: dict[str, Any], name: str) -> str:
    value, low, high = (part.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "undefined"
    return f"{value:.4f}" + (f" ({low:.4f}–{high:.4f})" if low is not None else "")
