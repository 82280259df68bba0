"""The command `thorax compare`: runs ranked by validation, what differs, and pairs of them.

A test set by which models are chosen is a second validation set: test is shown when asked for.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from thorax.compare.gate import HEAD, row
from thorax.compare.history import (
    NotCachedError,
    NotRecordedError,
    Revision,
    commit,
    experiments,
    revision,
)
from thorax.compare.paired import differences
from thorax.compare.table import table
from thorax.errors import DataError
from thorax.provenance.seeds import Seeds

METRIC = "auroc"  # of validation
SEED = "train.seed"
HEAD_RANKED = ["run", SEED, "val auroc (95% interval)", "mean ± SD", "settings that differ"]


OTHER_IMAGES = (
    "Runs that differ under data or split may have other validation images; then their places say"
    " nothing about the models."
)


class Ranked(NamedTuple):
    """A run, its training seed, and the runs that differ from it in that only."""

    name: str
    seed: int
    metrics: dict[str, Any]
    settings: dict[str, Any]
    seeds: Seeds

    @property
    def place(self) -> tuple[float, str]:
        """Mean validation AUROC over the seeds, undefined last; equal variants by name."""
        values = [run["val"][METRIC] for run in self.seeds.runs.values()]
        return (-sum(values) / len(values) if None not in values else 0.0, self.name)


def compare(names: Sequence[str], *, test: bool, markdown: bool) -> str:
    """A ranking by validation AUROC, and each further run that is named minus the first.

    Args:
        names: of experiments and commits, or `workspace`; without any, all experiments and the last
            commit.
        test: pair on the test set instead of on validation.
        markdown: tables in Markdown instead of in columns.

    Raises:
        ConfigError: an unknown name.
        DataError: no run to rank, or two that are not of the same images.
    """
    chosen = [revision(name) for name in names] or [commit("HEAD"), *experiments().values()]
    ranked, left_out = _ranked(chosen)
    if not ranked:
        raise DataError("There is no finished run to compare: `dvc exp run` makes one.")
    blocks = [
        "Ranked by validation AUROC, its mean over the seeds of equal settings.",
        table(HEAD_RANKED, _rows(ranked), markdown=markdown),
        *left_out,
    ]
    if any(key.startswith(("data.", "split.")) for key in _differing(ranked)):
        blocks.append(OTHER_IMAGES)
    for other in chosen[1:] if names else ():
        blocks += _paired(chosen[0], other, test=test, markdown=markdown)
    if len(names) > 2:
        blocks.append("Each interval stands for itself: none is widened for their number.")
    return "\n\n".join(blocks)


def _ranked(revisions: Sequence[Revision]) -> tuple[list[Ranked], list[str]]:
    """Runs, the best first, and why others cannot be read."""
    runs, left_out = {}, []
    variants: defaultdict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for found in revisions:
        try:
            (digest, seed), metrics = found.variant(), found.metrics()
            runs[found.name] = digest, seed, metrics, found.settings()
        except (NotRecordedError, NotCachedError) as error:
            left_out.append(f"{found.name}: {error}")
        else:
            variants[digest].setdefault(seed, metrics)
    ranked = [
        Ranked(name, seed, metrics, settings, Seeds(variants[digest]))
        for name, (digest, seed, metrics, settings) in runs.items()
    ]
    return sorted(ranked, key=lambda run: run.place), left_out


def _differing(ranked: Sequence[Ranked]) -> list[str]:
    """Settings in which two of the runs differ, but for the training seed."""
    known = dict.fromkeys(key for run in ranked for key in run.settings if key != SEED)
    return [
        key
        for key in known
        if any(run.settings.get(key) != ranked[0].settings.get(key) for run in ranked)
    ]


def _rows(ranked: Sequence[Ranked]) -> list[list[str]]:
    """Cells under `HEAD_RANKED`, with the settings in which runs differ."""
    differ = _differing(ranked)
    return [
        [*_cells(run), "  ".join(f"{key}={run.settings.get(key)}" for key in differ)]
        for run in ranked
    ]


def _cells(run: Ranked) -> list[str]:
    val = run.metrics["val"]
    value, low, high = (val[METRIC + end] for end in ("", "_low", "_high"))
    interval = f" ({low:.4f}–{high:.4f})" if low is not None else ""
    shown = "undefined" if value is None else f"{value:.4f}{interval}"
    deviation = run.seeds.deviation("val", METRIC)
    mean = "" if deviation is None else f"{-run.place[0]:.4f} ± {deviation:.4f}"
    return [run.name, str(run.seed), shown, mean]


def _paired(was: Revision, now: Revision, *, test: bool, markdown: bool) -> list[str]:
    if test:
        baseline, current = was.test_predictions().table, now.test_predictions().table
    else:
        baseline, current = was.predictions("val"), now.predictions("val")
    rows = [row(change) for change in differences(current, baseline)]
    images, patients = len(baseline), baseline["patient_id"].nunique()
    of = f"{images} {'test' if test else 'validation'} images of {patients} patients"
    return [
        f"baseline: {was.name}, current: {now.name}; {of}",
        table(HEAD, rows, markdown=markdown),
    ]
