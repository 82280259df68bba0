"""The command `thorax compare`: runs ranked by validation, and two of them paired.

A test set by which models are chosen is a second validation set: test is shown when asked for.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from thorax.compare.gate import HEAD, compare_tables, row
from thorax.compare.history import (
    NotCachedError,
    NotRecordedError,
    Revision,
    commit,
    experiment,
    experiments,
)
from thorax.errors import DataError
from thorax.io import markdown_table
from thorax.provenance.seeds import Seeds

METRIC = "auroc"  # of validation


class Ranked(NamedTuple):
    """A run, its training seed, and the runs that differ from it in that only."""

    name: str
    seed: int
    metrics: dict[str, Any]
    seeds: Seeds

    @property
    def place(self) -> tuple[float, str]:
        """Mean validation AUROC over the seeds, undefined last; equal variants by name."""
        values = [run["val"][METRIC] for run in self.seeds.runs.values()]
        return (-sum(values) / len(values) if None not in values else 0.0, self.name)


def compare(names: Sequence[str], *, test: bool) -> str:
    """Markdown: a ranking by validation AUROC, and of two experiments the second minus the first.

    Args:
        names: of experiments; all and the last commit's run where there is none.
        test: pair two experiments on the test set instead of on validation.

    Raises:
        ConfigError: an unknown experiment.
        DataError: no run to rank, or two that are not of the same images.
    """
    chosen = [experiment(name) for name in names] or [commit("HEAD"), *experiments().values()]
    ranked, left_out = _ranked(chosen)
    if not ranked:
        raise DataError("There is no finished run to compare: `dvc exp run` makes one.")
    blocks = [
        "Ranked by validation AUROC, its mean over the seeds of equal settings.",
        markdown_table(["experiment", "train.seed", "val auroc (95% interval)", "mean ± SD"],
                       [_cells(run) for run in ranked]),
        *left_out,
    ]  # fmt: skip
    if len(names) == 2:
        blocks += _paired(*names, test=test)
    return "\n\n".join(blocks)


def _ranked(revisions: Sequence[Revision]) -> tuple[list[Ranked], list[str]]:
    """Runs, the best first, and why others cannot be read."""
    runs, left_out = {}, []
    variants: defaultdict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for revision in revisions:
        try:
            (digest, seed), metrics = revision.variant(), revision.metrics()
        except (NotRecordedError, NotCachedError) as error:
            left_out.append(f"{revision.name}: {error}")
        else:
            runs[revision.name] = digest, seed, metrics
            variants[digest].setdefault(seed, metrics)
    ranked = [
        Ranked(name, seed, metrics, Seeds(variants[digest]))
        for name, (digest, seed, metrics) in runs.items()
    ]
    return sorted(ranked, key=lambda run: run.place), left_out


def _cells(run: Ranked) -> list[str]:
    val = run.metrics["val"]
    value, low, high = (val[METRIC + end] for end in ("", "_low", "_high"))
    interval = f" ({low:.4f}–{high:.4f})" if low is not None else ""
    shown = "undefined" if value is None else f"{value:.4f}{interval}"
    deviation = run.seeds.deviation("val", METRIC)
    mean = "" if deviation is None else f"{-run.place[0]:.4f} ± {deviation:.4f}"
    return [run.name, str(run.seed), shown, mean]


def _paired(first: str, second: str, *, test: bool) -> list[str]:
    was, now = experiment(first), experiment(second)
    if test:
        baseline, current = was.test_predictions().table, now.test_predictions().table
    else:
        baseline, current = was.predictions("val"), now.predictions("val")
    rows = [row(change) for change in compare_tables(current, baseline)]
    patients = baseline["patient_id"].nunique()
    return [
        f"baseline: {first}, current: {second}; {len(baseline)} {'test' if test else 'validation'}"
        f" images of {patients} patients",
        markdown_table(HEAD, rows),
    ]
