"""Panels of curves, one a class: ROC and precision-recall."""

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
from markupsafe import Markup

from thorax.report import figures, wording
from thorax.report.components import Panel
from thorax.report.inputs import Inputs

_NO_CURVE = "No curve: the class has images with the finding only, without it only, or none."


def roc_panels(inputs: Inputs) -> list[Panel]:
    """One ROC chart per output."""
    panels = []
    for name in inputs.outputs:
        curves = _curves(inputs, inputs.roc, name)
        points = _operating_points(inputs, name, _on_roc, curves)
        note = _both(inputs, name, "auroc")
        label = f"ROC curve of {name}. AUROC: {note}"
        drawn = figures.roc(curves, points, label) if curves else Markup("")
        panels.append(Panel(name, drawn, note if curves else _NO_CURVE, name))
    return panels


def precision_recall_panels(inputs: Inputs) -> list[Panel]:
    """One precision-recall chart per output."""
    panels = []
    for name in inputs.outputs:
        curves = _curves(inputs, inputs.precision_recall, name)
        own = inputs.metrics[inputs.headline]
        values = own["per_class"][name]
        known = own["images"] - values["unknown"]
        points = _operating_points(inputs, name, _on_precision_recall, curves)
        note = _both(inputs, name, "average_precision")
        label = f"Precision–recall curve of {name}. Average precision: {note}"
        prevalence = values["positives"] / known if known else 0.0
        drawn = figures.precision_recall(curves, points, prevalence, label) if curves else None
        panels.append(Panel(name, drawn or Markup(""), note if curves else _NO_CURVE, name))
    return panels


def _curves(inputs: Inputs, table: pd.DataFrame, name: str) -> dict[str, pd.DataFrame]:
    """Curves of a class, validation first so that test is drawn over it."""
    own = table[table["class"] == name]
    found = {part: own[own["subset"] == part] for part in reversed(inputs.parts)}
    return {part: curve for part, curve in found.items() if len(curve)}


def _operating_points(
    inputs: Inputs,
    name: str,
    place: Callable[[dict[str, Any]], tuple[Any, Any]],
    parts: Iterable[str],
) -> dict[str, tuple[float, float]]:
    """Where on its curves the threshold puts a class; the argmax has no such place."""
    places = {part: place(inputs.metrics[part]["per_class"][name]) for part in parts}
    return {part: at for part, at in places.items() if None not in at and not inputs.exclusive}


def _on_roc(metrics: dict[str, Any]) -> tuple[float | None, float | None]:
    specificity = metrics["specificity"]
    return None if specificity is None else round(1 - specificity, 4), metrics["recall"]


def _on_precision_recall(metrics: dict[str, Any]) -> tuple[float | None, float | None]:
    return metrics["recall"], metrics["precision"]


def _both(inputs: Inputs, name: str, key: str) -> str:
    """A metric of a class in every part, such as `Test 0.940, validation 0.938`."""
    texts = []
    for part in inputs.parts:
        number = inputs.metrics[part]["per_class"][name][key]
        shown = "undefined" if number is None else wording.decimal(number)
        texts.append(f"{wording.part_name(part).lower()} {shown}")
    return ", ".join(texts).capitalize()
