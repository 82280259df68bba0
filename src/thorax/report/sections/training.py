"""Training: how the metrics went over the epochs, and which epoch was kept."""

from collections.abc import Sequence

from thorax.artifacts.model import Epoch, Training
from thorax.config import METRICS
from thorax.report import charts, wording
from thorax.report.components import Panel, Section, render
from thorax.report.inputs import Inputs


def section(inputs: Inputs) -> Section:
    folds = {
        number: (story(model.training), panels(model.training))
        for number, model in inputs.models.items()
    }
    return Section("training", "Training", render("training.html", folds=folds))


def panels(training: Training) -> list[Panel]:
    """Curves of one run; the metric that chose the epoch comes first."""
    history, best = training.history, kept_epoch(training.history)
    keys = dict.fromkeys([training.train.phase_list()[-1].monitored, *METRICS])
    rates = {"lr": [epoch.train.get("lr") for epoch in history]}
    label = f"Learning rate over {len(history)} epochs"
    drawing = charts.history(rates, best, "Learning rate", label)
    rate = Panel("Learning rate", drawing, "At the end of each epoch")
    return [*(_panel(history, key, best) for key in keys), rate]


def kept_epoch(history: Sequence[Epoch]) -> int:
    """Number of the epoch whose weights the model has, from 1: the best one of all phases.

    Where the monitored metric is undefined in every epoch, the last one.
    """
    return max((i for i, epoch in enumerate(history, 1) if epoch.best), default=len(history))


def story(training: Training) -> str:
    """How long it ran and why the kept epoch was kept."""
    history, phases = training.history, training.train.phase_list()
    best, monitor = kept_epoch(history), phases[-1].monitored
    run = wording.plural(len(history), "epoch")
    of = ""
    if len(phases) > 1:
        run, of = f"{run} in {len(phases)} phases", f" of phase {history[best - 1].phase + 1}"
    metric = f"validation {wording.in_sentence(wording.metric_name(monitor))}"
    value = history[best - 1].val[monitor]
    if value is None:
        return (
            f"{run}; the weights of the last one were kept, because {metric} is undefined in every"
            " epoch."
        )
    return (
        f"{run}; the weights of epoch {best}{of} were kept, where {metric} was best"
        f" ({wording.decimal(value)})."
    )


def _panel(history: Sequence[Epoch], key: str, best: int) -> Panel:
    train, val = [e.train.get(key) for e in history], [e.val.get(key) for e in history]
    note = f"Epoch {best}: training {_text(train[best - 1])}, validation {_text(val[best - 1])}"
    if not any(value is not None for value in (*train, *val)):
        note = "Undefined in every epoch"
    name = wording.metric_name(key)
    label = f"{name} by epoch. {note}"
    return Panel(name, charts.history({"train": train, "val": val}, best, name, label), note)


def _text(value: float | None) -> str:
    return "undefined" if value is None else wording.decimal(value)
