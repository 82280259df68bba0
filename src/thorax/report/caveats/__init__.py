"""What a reader must know before believing a number, the most severe first."""

from collections.abc import Callable, Iterator

from thorax.report.caveats import data, evidence, metrics, training
from thorax.report.components import Caveat
from thorax.report.inputs import Inputs

LEVELS = ("stop", "care", "note")
CHECKS: tuple[Callable[[Inputs], Iterator[Caveat]], ...] = (
    data.leaks, data.patients, data.synthetic, data.test_set, data.looks, training.folds,
    training.optimism, evidence.shortcuts, evidence.without_lungs, evidence.baselines,
    evidence.stress, evidence.fixed_place, metrics.gaps, metrics.underdiagnosis, metrics.few,
    metrics.undefined, training.ended_early, data.quarantine, data.noted,
)  # fmt: skip


def caveats(inputs: Inputs) -> list[Caveat]:
    """All caveats, the most severe first."""
    raised = [caveat for check in CHECKS for caveat in check(inputs)]
    return sorted(raised, key=lambda caveat: LEVELS.index(caveat.level))
