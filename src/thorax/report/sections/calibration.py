"""Operating points and calibration: what the decisions are worth and what probabilities mean."""

from typing import Any

from markupsafe import Markup

from thorax.report import calibration_figures as figures
from thorax.report import wording
from thorax.report.components import (
    Cell,
    Panel,
    Row,
    Section,
    Table,
    bounded,
    render,
    undefined,
    value,
)
from thorax.report.inputs import Inputs
from thorax.report.sections.performance import decision_rule

METRIC_OF = {
    "sensitivity": "recall",
    "specificity": "specificity",
    "ppv": "precision",
    "npv": "npv",
}
RATES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV"}
NAMES = {**RATES, "brier": "Brier score", "ece": "ECE", "reliability": "reliability",
         "net_benefit": "decision curve"}  # fmt: skip


def section(inputs: Inputs) -> Section:
    """Operating points, predictive values, calibration before and after, decision curves."""
    folds = len(inputs.models)
    body = render(
        "calibration.html",
        inputs=inputs,
        folds=folds,
        part=wording.part_name(inputs.headline, folds),
        rule=decision_rule(inputs),
        facts=facts(inputs),
        tables={part: tables(inputs, part) for part in inputs.parts},
        names={part: wording.part_name(part, folds) for part in inputs.parts},
        reliability=reliability_panels(inputs),
        curves=decision_panels(inputs),
        scores=score_panels(inputs),
        temperature=inputs.calibration["temperature"],
    )
    return Section("calibration", "Operating points and calibration", body)


def facts(inputs: Inputs) -> list[tuple[str, Cell]]:
    """The temperature and what it does to the loss: (what, value)."""
    temperature = inputs.calibration["temperature"]
    why = inputs.undefined.get("temperature", "")
    shown = undefined(why) if temperature is None else wording.decimal(temperature)
    found: list[tuple[str, Cell]] = [("Temperature", shown)]
    if temperature is None:
        found.append(("Why there is none", why))
    for part in inputs.parts:
        loss = inputs.calibration[part]["log_loss"]
        before = "" if loss["raw"] is None else wording.decimal(loss["raw"])
        after = "" if loss["scaled"] is None else wording.decimal(loss["scaled"])
        name = f"Log loss, {wording.part_name(part).lower()}"
        found.append((name, " → ".join(filter(None, [before, after])) or undefined(why)))
    return found


def tables(inputs: Inputs, part: str) -> list[Table]:
    """Operating points, predictive values at stated prevalences, and calibration of a part."""
    found = [point_table(inputs, part), calibration_table(inputs, part)]
    return found[:1] + prevalence_table(inputs, part) + found[1:]


def point_table(inputs: Inputs, part: str) -> Table:
    """Sensitivity, specificity, PPV and NPV of each class at its frozen threshold."""
    rows = []
    for name, own in inputs.calibration[part]["per_class"].items():
        cells: list[Cell] = [] if inputs.exclusive else [wording.decimal(own["threshold"])]
        for key, metric in METRIC_OF.items():
            why = _why(inputs, part, name, key)
            cells.append(bounded(own[key], inputs.bounds(part, name, metric), why))
        rows.append(Row(name, cells, name))
    columns = ["Class", *([] if inputs.exclusive else ["Threshold"]), *RATES.values()]
    caption = f"Operating points: {wording.part_name(part, len(inputs.models)).lower()}"
    return Table(caption, columns, rows, _notes(inputs, part, RATES))


def prevalence_table(inputs: Inputs, part: str) -> list[Table]:
    """PPV and NPV of each class at the stated prevalences; no table where none is stated."""
    classes = inputs.calibration[part]["per_class"]
    rows = []
    for name, own in classes.items():
        cells: list[Cell] = [wording.percent(own["present"], own["known"])]
        for at in own["stated"]:
            for key in ("ppv", "npv"):
                why = _why(inputs, part, name, "sensitivity", "specificity", key)
                cells.append(value(at[key], why))
        rows.append(Row(name, cells, name))
    stated = [100 * at["prevalence"] for at in next(iter(classes.values()))["stated"]]
    columns = [f"{key} at {at:g}%" for at in stated for key in ("PPV", "NPV")]
    where = wording.part_name(part, len(inputs.models)).lower()
    caption = f"Predictive values at other prevalences: {where}"
    return [Table(caption, ["Class", "Prevalence here", *columns], rows)] if stated else []


def calibration_table(inputs: Inputs, part: str) -> Table:
    """Brier score and calibration error of each class, raw and at the temperature."""
    rows = []
    for name, own in inputs.calibration[part]["per_class"].items():
        cells = [
            value(own[key][how], _why(inputs, part, name, key, f"{key}.{how}"))
            for key in ("brier", "ece")
            for how in ("raw", "scaled")
        ]
        rows.append(Row(name, cells, name))
    columns = ["Class", "Brier score, raw", "scaled", "ECE, raw", "scaled"]
    caption = f"Calibration: {wording.part_name(part, len(inputs.models)).lower()}"
    return Table(caption, columns, rows, _notes(inputs, part, ("brier", "ece")))


def reliability_panels(inputs: Inputs) -> list[Panel]:
    """One reliability diagram per output."""
    panels = []
    for name, own in inputs.calibration[inputs.headline]["per_class"].items():
        bins, ece = own["reliability"], own["ece"]
        if bins["raw"] is None:
            panels.append(_without(inputs, name, "reliability"))
            continue
        after = "" if ece["scaled"] is None else f", scaled {wording.decimal(ece['scaled'])}"
        note = f"ECE {wording.decimal(ece['raw'])}{after}"
        drawn = figures.reliability(
            bins["raw"], bins["scaled"] or [], f"Reliability of {name}. {note}"
        )
        panels.append(Panel(name, drawn, note, name))
    return panels


def decision_panels(inputs: Inputs) -> list[Panel]:
    """One decision curve per output."""
    panels = []
    for name, own in inputs.calibration[inputs.headline]["per_class"].items():
        curves = own["net_benefit"]
        if curves is None:
            panels.append(_without(inputs, name, "net_benefit"))
            continue
        note = f"prevalence {wording.percent(own['present'], own['known'])}"
        label = f"Decision curve of {name}, {note}"
        drawn = figures.decision_curve(inputs.calibration["risks"], curves, label)
        panels.append(Panel(name, drawn, note, name))
    return panels


def score_panels(inputs: Inputs) -> list[Panel]:
    """One histogram of raw scores per output."""
    panels = []
    for name, own in inputs.calibration[inputs.headline]["per_class"].items():
        if not own["known"]:
            panels.append(_without(inputs, name, "reliability"))
            continue
        counts = own["histogram"]
        note = f"{own['present']:,} with the finding, {own['known'] - own['present']:,} without"
        threshold = None if inputs.exclusive else own["threshold"]
        label = f"Scores of {name}: {note}"
        drawn = figures.scores(counts["present"], counts["absent"], threshold, label)
        panels.append(Panel(name, drawn, note, name))
    return panels


def _without(inputs: Inputs, name: str, key: str) -> Panel:
    return Panel(name, Markup(""), f"None: {_why(inputs, inputs.headline, name, key)}.", name)


def _why(inputs: Inputs, part: str, name: str, *keys: str) -> str:
    """Why a value of a class is undefined: the first reason there is."""
    reasons: dict[str, str] = inputs.calibration["undefined"]
    found = (reasons.get(f"{part}.per_class.{name}.{key}") for key in keys)
    return next((reason for reason in found if reason), "")


def _notes(inputs: Inputs, part: str, keys: Any) -> list[str]:
    return [
        f"{name}: {NAMES[key]}: {why}"
        for name in inputs.calibration[part]["per_class"]
        for key in keys
        if (why := _why(inputs, part, name, key))
    ]
