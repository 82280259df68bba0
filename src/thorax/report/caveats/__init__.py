"""What a reader must know before believing a number, the most severe first."""

from collections.abc import Callable, Iterator

from thorax.report.caveats import data, evidence, metrics, training
from thorax.report.components import Caveat
from thorax.report.inputs import Inputs, Run

LEVELS = ("stop", "care", "note")
OF_A_RUN: tuple[Callable[[Run], Iterator[Caveat]], ...] = (
    data.leaks, data.contaminated, data.patients, data.synthetic, data.test_set,
    metrics.underdiagnosis, metrics.gaps, evidence.shortcuts, training.optimism, evidence.stress,
    evidence.baselines, evidence.without_lungs, training.folds, training.single_models,
    metrics.few, metrics.rare, data.quarantine, data.polarity, metrics.undefined, data.looks,
    evidence.fixed_place, training.ended_early, data.near_identical, data.noted,
)  # fmt: skip
ANYWHERE: tuple[Callable[[Inputs], Iterator[Caveat]], ...] = (
    data.contaminated, data.patients, data.synthetic, metrics.underdiagnosis, metrics.gaps,
    training.single_models, metrics.few, metrics.rare, data.quarantine, data.polarity,
    metrics.undefined, data.noted,
)  # fmt: skip


def caveats(inputs: Inputs) -> list[Caveat]:
    """All caveats, the most severe first; of one level, what harms patients most."""
    if isinstance(inputs, Run):
        raised = [caveat for check in OF_A_RUN for caveat in check(inputs)]
    else:
        raised = [caveat for check in ANYWHERE for caveat in check(inputs)]
    return sorted(raised, key=lambda caveat: LEVELS.index(caveat.level))
