"""What a reader must know before believing a number, the most severe first."""

from collections.abc import Callable, Iterator

from thorax.report.caveats import data, evidence, metrics, training
from thorax.report.components import Caveat
from thorax.report.inputs import Inputs

LEVELS = ("stop", "care", "note")
CHECKS: tuple[Callable[[Inputs], Iterator[Caveat]], ...] = (
    data.leaks, data.patients, data.synthetic, data.test_set, metrics.underdiagnosis, metrics.gaps,
    evidence.shortcuts, training.optimism, evidence.stress, evidence.baselines,
    evidence.without_lungs, training.folds, metrics.few, data.quarantine, data.polarity,
    metrics.undefined, data.looks, evidence.fixed_place, training.ended_early, data.noted,
)  # fmt: skip


def caveats(inputs: Inputs) -> list[Caveat]:
    """All caveats, the most severe first; of one level, what harms patients most."""
    raised = [caveat for check in CHECKS for caveat in check(inputs)]
    return sorted(raised, key=lambda caveat: LEVELS.index(caveat.level))
