"""Performance inflation from leakage: one recipe under three splits, same model, seeds, budget."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from thorax.compare import history
from thorax.compare.summary import signed_interval
from thorax.config import as_override, load_params
from thorax.errors import ConfigError, DataError
from thorax.io import markdown_table
from thorax.studies import experiments
from thorax.studies.recipes import find, load_recipes
from thorax.studies.run import experiment_name, require_start

PREFIX = "protocol-"  # of the names of experiments
METHODS = ("random", "patient", "official")
METRICS = ("auroc", "average_precision", "sensitivity", "f1", "accuracy", "loss")

Metrics = dict[str, list[float]]  # metric → value of each seed


def compare(name: str | None, seeds: int, changes: Sequence[str], *, fetch: bool) -> str:
    """Train under every split and seed; Markdown tables of the test metrics and differences.

    A seed decides both the split and the training. Runs are experiments of their own; DVC skips
    what it has already done, so that an interrupted comparison continues.

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
    settings = [*(recipe.overrides() if recipe else ()), *changes, "split.on_leak=warn"]
    require_start(name or "params.yaml", load_params(overrides=settings), fetch=fetch)
    label = experiment_name(PREFIX + (name or "params"), changes)
    by_split, failed = {}, {}
    for method in METHODS:
        try:
            by_split[method] = _train(f"{label}-{method}", method, seeds, settings)
        except DataError as error:
            failed[method] = str(error)
    if not by_split:
        raise DataError("No split could be trained:\n" + "\n".join(failed.values()))
    return report(name or "params.yaml", by_split, failed)


def _train(label: str, method: str, seeds: int, settings: Sequence[str]) -> Metrics:
    """Test metrics of every seed under one split; DataError why a run failed."""
    runs = []
    for seed in range(seeds):
        name = f"{label}-{seed}"
        varied = {"split.method": method, "split.seed": seed, "train.seed": seed}
        if not experiments.run(name, [*settings, *(as_override(*item) for item in varied.items())]):
            raise DataError(experiments.reason(name))
        runs.append(history.experiment(name).metrics()["test"])
    return {
        metric: [np.nan if run[metric] is None else run[metric] for run in runs]
        for metric in METRICS
    }


def report(name: str, by_split: dict[str, Metrics], failed: dict[str, str]) -> str:
    """Markdown: mean and standard deviation under each split, then random minus each other one."""
    seeds = len(next(iter(by_split.values()))["auroc"])
    defined = [
        metric
        for metric in METRICS
        if all(np.isfinite(metrics[metric]).all() for metrics in by_split.values())
    ]
    rows = [
        [metric, *(_mean(metrics[metric]) for metrics in by_split.values())] for metric in defined
    ]
    tables = [
        f"{name}, {seeds} seeds; mean ± standard deviation",
        markdown_table(["test metric", *by_split], rows),
    ]
    others = [method for method in by_split if method != "random"]
    if "random" in by_split and others:
        rows = [[m, *(_inflation(by_split, m, other) for other in others)] for m in defined]
        tables.append("Performance inflation from leakage (95% interval over seeds)")
        tables.append(markdown_table(["random minus", *others], rows))
    return "\n\n".join([*tables, *(f"{method}: {why}" for method, why in failed.items())])


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Mean of the differences, paired by seed, and its 95% interval by Student's t."""
    gaps = np.subtract(first, second)
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return float(gaps.mean()), float(gaps.mean() - half), float(gaps.mean() + half)


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def _inflation(by_split: dict[str, Metrics], metric: str, other: str) -> str:
    return signed_interval(*difference(by_split["random"][metric], by_split[other][metric]))
