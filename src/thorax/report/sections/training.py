"""Training: how the metrics went over the epochs, and which epoch was kept."""

from collections.abc import Sequence

from thorax.artifacts.model import Epoch, Training
from thorax.config import METRICS
from thorax.report import charts, wording
from thorax.report.components import Panel, Section, render
from thorax.report.inputs import Inputs


def section(inputs: Inputs) -> Section:
    """The training runs."""
    folds = {
        number: (story(model.training), panels(model.training))
        for number, model in inputs.models.items()
    }
    return Section("training", "Training", render("training.html", folds=folds))


def panels(training: Training) -> list[Panel]:
    """Curves of one run; the metric that chose the epoch comes first."""
    history, best = training.history, kept_epoch(training.history)
    keys = dict.fromkeys([training.train.monitor, *METRICS])
    rates = {"lr": [epoch.train.get("lr") for epoch in history]}
    label = f"Learning rate over {len(history)} epochs"
    drawing = charts.history(rates, best, "Learning rate", label)
    rate = Panel("Learning rate", drawing, "At the end of each epoch")
    return [*(_panel(history, key, best) for key in keys), rate]


def kept_epoch(history: Sequence[Epoch]) -> int:
    """Number of the epoch whose weights the model has, from 1: the last phase's best one."""
    phase = history[-1].phase
    best = [i for i, epoch in enumerate(history, 1) if epoch.phase == phase and epoch.best]
    return best[-1] if best else len(history)


def story(training: Training) -> str:
    """How long it ran and why the kept epoch was kept."""
    history, best, monitor = training.history, kept_epoch(training.history), training.train.monitor
    phases = wording.plural(history[-1].phase + 1, "phase")
    where = f" in {phases}" if history[-1].phase else ""
    return (
        f"{wording.plural(len(history), 'epoch')}{where}; the weights of epoch {best} were kept,"
        f" where validation {wording.in_sentence(wording.metric_name(monitor))} was best"
        f" ({_text(history[best - 1].val[monitor])})."
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
