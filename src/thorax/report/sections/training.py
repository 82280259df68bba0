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
    keys = dict.fromkeys([training.train.phase_list()[-1].monitor, *METRICS])
    rates = {"lr": [epoch.train.get("lr") for epoch in history]}
    label = f"Learning rate over {len(history)} epochs"
    drawing = charts.history(rates, best, "Learning rate", label)
    rate = Panel("Learning rate", drawing, "At the end of each epoch")
    return [*(_panel(history, key, best) for key in keys), rate]


def kept_epoch(history: Sequence[Epoch]) -> int:
    """Number of the epoch whose weights the model has, from 1: the last phase's best one.

    Where the monitored metric is undefined in all of that phase, the last epoch.
    """
    phase = history[-1].phase
    best = [i for i, epoch in enumerate(history, 1) if epoch.phase == phase and epoch.best]
    return best[-1] if best else len(history)


def story(training: Training) -> str:
    """How long it ran and why the kept epoch was kept."""
    history, phases = training.history, training.train.phase_list()
    best, monitor = kept_epoch(history), phases[-1].monitor
    run = wording.plural(len(history), "epoch")
    last = ""
    if len(phases) > 1:
        run, last = f"{run} in {len(phases)} phases", " of the last phase"
    metric = f"validation {wording.in_sentence(wording.metric_name(monitor))}"
    value = history[best - 1].val[monitor]
    if value is None:
        return (
            f"{run}; the weights of the last one were kept, because {metric} is undefined in every"
            f" epoch{last}."
        )
    return (
        f"{run}; the weights of epoch {best} were kept, where {metric}{last} was best"
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
