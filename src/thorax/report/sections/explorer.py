"""Threshold explorer: what every threshold would have meant, counted on the part judged."""

import json
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from thorax.report import wording
from thorax.report.components import Row, Section, Table, render
from thorax.report.inputs import Inputs

STEPS = 99  # thresholds of the slider: 0.01 to 0.99
SHOWN = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the tables that need no script, beside the frozen one
COLUMNS = ["Threshold", "Sensitivity", "Specificity", "PPV", "NPV", "Found", "Missed",
           "False alarms", "Cleared"]  # fmt: skip

Counts = dict[str, list[int]]


def section(inputs: Inputs) -> Section:
    """A slider for each class with its own threshold, and tables for those without scripts."""
    table = inputs.predictions[inputs.headline]
    frozen = inputs.points["thresholds"]
    names = [] if inputs.exclusive else inputs.outputs
    grid = np.arange(1, STEPS + 1) / (STEPS + 1)
    curves = {name: counts(table, name, grid) for name in names}
    data = {"frozen": {name: frozen[name] for name in names}, "counts": curves}
    body = render(
        "explorer.html",
        part=wording.part_name(inputs.headline, len(inputs.models)).lower(),
        tables=[(name, at_thresholds(table, name, frozen[name])) for name in names],
        frozen=frozen,
        names=names,
        data=_embedded(data),
    )
    return Section("explorer", "Threshold explorer", body)


def counts(table: pd.DataFrame, name: str, thresholds: Any) -> Counts:
    """Images found, missed, falsely called and cleared at each threshold; unknown labels left out.

    Args:
        table: predictions with `y_<name>` (1, 0, NaN) and `p_<name>`.
        name: the class.
        thresholds: [T]; present is called where p >= threshold.
    """
    y, p = table[f"y_{name}"].to_numpy(float), table[f"p_{name}"].to_numpy(float)
    sick, healthy = np.sort(p[y == 1]), np.sort(p[y == 0])
    missed = np.searchsorted(sick, thresholds, side="left")
    cleared = np.searchsorted(healthy, thresholds, side="left")
    return {
        "tp": (len(sick) - missed).tolist(),
        "fn": missed.tolist(),
        "fp": (len(healthy) - cleared).tolist(),
        "tn": cleared.tolist(),
    }


def at_thresholds(table: pd.DataFrame, name: str, frozen: float) -> Table:
    """The same at a few thresholds and the frozen one, as a table."""
    thresholds = sorted({*SHOWN, frozen})
    found = counts(table, name, np.array(thresholds))
    rows = []
    for i, threshold in enumerate(thresholds):
        tp, fn, fp, tn = (found[key][i] for key in ("tp", "fn", "fp", "tn"))
        shares = [(tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn)]
        cells = [wording.decimal(k / n) if n else "undefined" for k, n in shares]
        numbers = [wording.count(number) for number in (tp, fn, fp, tn)]
        mark = " (frozen)" if threshold == frozen else ""
        rows.append(Row(f"{wording.decimal(threshold)}{mark}", [*cells, *numbers], name))
    return Table(name, COLUMNS, rows)


def _embedded(data: dict[str, Any]) -> Markup:
    """JSON that no class name can break out of."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
