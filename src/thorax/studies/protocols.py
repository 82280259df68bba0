"""Performance inflation from leakage: one recipe under three splits, same model, seeds, budget."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from thorax.compare import history
from thorax.compare.summary import signed_interval
from thorax.compare.table import table
from thorax.config import as_override, load_params
from thorax.errors import ConfigError, DataError
from thorax.studies import experiments
from thorax.studies.recipes import find, load_recipes
from thorax.studies.run import experiment_name, require_start

PREFIX = "protocol-"  # of the names of experiments
METHODS = ("random", "patient", "official")
METRICS = ("auroc", "average_precision", "sensitivity", "f1", "accuracy", "loss")

Metrics = dict[str, list[float]]  # metric → value of each run


class Spread(NamedTuple):
    """Test metrics of runs over split seeds, and over training seeds on the first split.

    Every split is trained with its own seed, so that `splits` vary by both; the first run is in
    both.
    """

    splits: Metrics
    trainings: Metrics


def compare(
    name: str | None, seeds: int, changes: Sequence[str], *, fetch: bool, markdown: bool
) -> str:
    """Train under every split and seed; tables of the test metrics and differences.

    Runs are experiments of their own; DVC skips what it has already done, so that an interrupted
    comparison continues.

    Args:
        name: a recipe, or None for `params.yaml` as it is.
        seeds: of splits, and of trainings on the first of them, at least 2: 2 · seeds − 1 runs.
        changes: `key=value` settings for all of them.
        fetch: download what is missing.
        markdown: the tables in Markdown instead of in columns.

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
    return report(name or "params.yaml", by_split, failed, markdown=markdown)


def _train(label: str, method: str, seeds: int, settings: Sequence[str]) -> Spread:
    """Test metrics under one kind of split; DataError why a run failed."""

    def test_metrics(name: str, split_seed: int, train_seed: int) -> dict[str, float | None]:
        varied = {"split.method": method, "split.seed": split_seed, "train.seed": train_seed}
        if not experiments.run(name, [*settings, *(as_override(*item) for item in varied.items())]):
            raise DataError(experiments.reason(name))
        metrics: dict[str, float | None] = history.experiment(name).metrics()["test"]
        return metrics

    splits = [test_metrics(f"{label}-{seed}", seed, seed) for seed in range(seeds)]
    others = [test_metrics(f"{label}-0-train-{seed}", 0, seed) for seed in range(1, seeds)]
    return Spread(_columns(splits), _columns([splits[0], *others]))


def _columns(runs: Sequence[dict[str, float | None]]) -> Metrics:
    return {
        metric: [np.nan if (value := run[metric]) is None else value for run in runs]
        for metric in METRICS
    }


def report(
    name: str, by_split: dict[str, Spread], failed: dict[str, str], *, markdown: bool
) -> str:
    """Mean and both deviations under each split, then random minus each other one."""
    seeds = len(next(iter(by_split.values())).splits["auroc"])
    defined = [
        metric
        for metric in METRICS
        if all(np.isfinite(runs[metric]).all() for spread in by_split.values() for runs in spread)
    ]
    rows = [
        [metric, *(_mean(spread, metric) for spread in by_split.values())] for metric in defined
    ]
    tables = [
        f"{name}, {seeds} seeds; mean over splits ± standard deviation over splits (each with its"
        " own training), and over trainings alone (on the first split)",
        table(["test metric", *by_split], rows, markdown=markdown),
    ]
    others = [method for method in by_split if method != "random"]
    if "random" in by_split and others:
        rows = [[m, *(_inflation(by_split, m, other) for other in others)] for m in defined]
        tables.append("Performance inflation from leakage (95% interval over splits and trainings)")
        tables.append(table(["random minus", *others], rows, markdown=markdown))
    return "\n\n".join([*tables, *(f"{method}: {why}" for method, why in failed.items())])


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Mean of the differences, paired by seed, and its 95% interval by Student's t."""
    gaps = np.subtract(first, second)
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return float(gaps.mean()), float(gaps.mean() - half), float(gaps.mean() + half)


def _mean(spread: Spread, metric: str) -> str:
    over_splits, over_trainings = (np.std(runs[metric], ddof=1) for runs in spread)
    return f"{np.mean(spread.splits[metric]):.4f} ± {over_splits:.4f}, {over_trainings:.4f}"


def _inflation(by_split: dict[str, Spread], metric: str, other: str) -> str:
    random, honest = by_split["random"].splits[metric], by_split[other].splits[metric]
    mean, low, high = difference(random, honest)
    if metric != "loss":  # with two seeds Student's t goes beyond what two of 0 to 1 can differ by
        low, high = max(low, -1.0), min(high, 1.0)
    return signed_interval(mean, low, high)
