"""Training: how the metrics went over the epochs, and which epoch was kept."""

from dataclasses import dataclass
from typing import Any

from thorax.report import figures, wording
from thorax.report.components import Panel, Section, render
from thorax.report.inputs import Inputs

METRICS = ("loss", "auroc", "average_precision", "accuracy", "precision", "recall", "f1")


@dataclass(frozen=True)
class Fold:
    """One training run: its number, what happened in a sentence, its curves."""

    number: int
    text: str
    panels: list[Panel]


def section(inputs: Inputs) -> Section:
    """The training runs."""
    folds = [fold(number, model["training"]) for number, model in inputs.models.items()]
    return Section("training", "Training", render("training.html", inputs=inputs, folds=folds))


def fold(number: int, training: dict[str, Any]) -> Fold:
    """Curves of one run; the metric that chose the epoch comes first."""
    history, best = training["history"], kept_epoch(training["history"])
    monitor = training["train"]["monitor"]
    keys = dict.fromkeys([monitor, *METRICS])
    panels = [_panel(history, key, best) for key in keys]
    rates = [epoch["train"].get("lr") for epoch in history]
    label = f"Learning rate over {len(history)} epochs"
    drawn = figures.history({"lr": rates}, best, "Learning rate", label)
    panels.append(Panel("Learning rate", drawn, "At the end of each epoch"))
    return Fold(number, story(training, best), panels)


def kept_epoch(history: list[dict[str, Any]]) -> int:
    """Number of the epoch whose weights the model has, from 1: the last phase's best one."""
    phase = history[-1]["phase"]
    best = [i for i, epoch in enumerate(history, 1) if epoch["phase"] == phase and epoch["best"]]
    return best[-1] if best else len(history)


def story(training: dict[str, Any], best: int) -> str:
    """How long it ran and why the kept epoch was kept."""
    history, train = training["history"], training["train"]
    value = history[best - 1]["val"][train["monitor"]]
    reached = "undefined" if value is None else wording.decimal(value)
    phases = wording.plural(history[-1]["phase"] + 1, "phase")
    where = f" in {phases}" if history[-1]["phase"] else ""
    monitored = wording.in_sentence(wording.metric_name(train["monitor"]))
    return (
        f"{wording.plural(len(history), 'epoch')}{where}; the weights of epoch {best} were kept,"
        f" where validation {monitored} was best ({reached})."
    )


def _panel(history: list[dict[str, Any]], key: str, best: int) -> Panel:
    curves = {part: [epoch[part][key] for epoch in history] for part in ("train", "val")}
    at_best = [f"{wording.part_name(part).lower()} {_text(curves[part][best - 1])}"
               for part in curves]  # fmt: skip
    note = f"Epoch {best}: {', '.join(at_best)}"
    name = wording.metric_name(key)
    if all(value is None for values in curves.values() for value in values):
        note = "Undefined in every epoch"
    return Panel(name, figures.history(curves, best, name, f"{name} by epoch. {note}"), note)


def _text(value: float | None) -> str:
    return "undefined" if value is None else wording.decimal(value)
