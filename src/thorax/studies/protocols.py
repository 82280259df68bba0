"""What leakage buys: one recipe under three splits, the same model, seeds and budget."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from thorax.errors import ConfigError, DataError
from thorax.studies import experiments
from thorax.studies.recipes import find, leaves, load_recipes, override
from thorax.studies.run import changed, experiment_name, require_start

METHODS = ("random", "patient", "official")
METRICS = ("accuracy", "auroc", "average_precision", "f1", "loss")

Table = dict[str, dict[str, list[float]]]  # split → metric → figure of each seed


def compare(name: str | None, seeds: int, changes: Sequence[str], *, fetch: bool) -> str:
    """Train under every split and seed; Markdown tables of the test metrics and differences.

    A seed decides both the split and the training. Runs are experiments of their own; DVC skips
    what it has already done, so that a comparison that was cut short goes on where it stopped.

    Args:
        name: a recipe, or None for `params.yaml` as it is.
        seeds: runs per split, at least 2.
        changes: `key=value` settings for all of them.
        fetch: download what is missing.

    Raises:
        ConfigError: fewer than two seeds, or an unknown recipe or setting.
        DataError: data that is not here, or no split could be trained.
    """
    if seeds < 2:
        raise ConfigError(f"--seeds is {seeds}; an interval needs at least 2.")
    experiments.require_clean_params()
    recipe = find(name, load_recipes()) if name else None
    base = [override(*leaf) for leaf in leaves(recipe.params)] if recipe else []
    require_start(name or "params.yaml", changed([*base, *changes]), fetch=fetch)
    label = experiment_name(f"protocol-{name or 'params'}", changes)
    table: Table = {}
    failed = {}
    for method in METHODS:
        results = []
        for seed in range(seeds):
            own = {"split.method": method, "split.seed": seed, "train.seed": seed}
            own["split.on_leak"] = "warn"
            settings = [*base, *changes, *(override(*item) for item in own.items())]
            run = f"{label}-{method}-{seed}"
            if not experiments.run(run, settings):
                failed[method] = experiments.reason(run)
                break
            results.append(_metrics(run))
        else:
            table[method] = {key: [each[key] for each in results] for key in METRICS}
    if not table:
        raise DataError("No split could be trained:\n" + "\n".join(failed.values()))
    return report(name or "params.yaml", table, failed)


def _metrics(run: str) -> dict[str, float]:
    result = experiments.result(run)
    assert result is not None
    test: dict[str, Any] = result.metrics["test"]
    return {key: float("nan") if test[key] is None else test[key] for key in METRICS}


def report(name: str, table: Table, failed: dict[str, str]) -> str:
    """Markdown: mean and deviation under each split, then random minus each other split."""
    seeds = len(next(iter(table.values()))["auroc"])
    head = ["test metric", *table]
    rows = [
        [key, *(_mean(figures[key]) for figures in table.values())]
        for key in METRICS
        if all(np.isfinite(figures[key]).all() for figures in table.values())
    ]
    lines = [f"{name}, {seeds} seeds; mean ± standard deviation", "", *_markdown(head, rows)]
    others = [method for method in table if method != "random"]
    if "random" in table and others:
        head = ["random minus", *others]
        gains = [
            [row[0], *(_gain(table["random"][row[0]], table[other][row[0]]) for other in others)]
            for row in rows
        ]
        lines += ["", "What leakage buys (95 % interval over seeds)", "", *_markdown(head, gains)]
    lines += [f"\n{method}: {why}" for method, why in failed.items()]
    return "\n".join(lines)


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Mean of the differences, paired by seed, and its 95 % interval by Student's t."""
    gaps = np.subtract(first, second)
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return float(gaps.mean()), float(gaps.mean() - half), float(gaps.mean() + half)


def _mean(figures: Sequence[float]) -> str:
    return f"{np.mean(figures):.4f} ± {np.std(figures, ddof=1):.4f}"


def _gain(first: Sequence[float], second: Sequence[float]) -> str:
    mean, low, high = difference(first, second)
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"


def _markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
