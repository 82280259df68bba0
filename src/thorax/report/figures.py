"""The curves: ROC, precision-recall, metrics over the epochs."""

from typing import Any

import altair as alt
import pandas as pd
from markupsafe import Markup

from thorax.report.charts import drawing, horizontal, rows, vertical

SQUARE = (232, 232)
WIDE = (232, 150)
UNIT = alt.Scale(domain=[0, 1])
FIFTHS = [0, 0.2, 0.4, 0.6, 0.8, 1]
# Part → colour, dashes: told apart without colour too. The read-out takes the part from the colour.
STROKES: dict[str, tuple[str, list[int]]] = {
    "train": ("var(--train)", [2, 3]),
    "val": ("var(--val)", [6, 3]),
    "test": ("var(--test)", [1, 0]),
    "lr": ("var(--lr)", [1, 0]),
}


def roc(
    curves: dict[str, pd.DataFrame], points: dict[str, tuple[float, float]], label: str
) -> Markup:
    """Sensitivity against 1 − specificity.

    Args:
        curves: part → columns `fpr`, `tpr`.
        points: part → (1 − specificity, sensitivity) at the operating point.
        label: what a screen reader says.
    """
    chance = rows(x=[0, 1], y=[0, 1])
    layers = [alt.Chart(chance).mark_line(**_reference()).encode(x="x:Q", y="y:Q")]
    axes = {
        "x": alt.X("x:Q", scale=UNIT, axis=horizontal("1 − specificity", values=FIFTHS)),
        "y": alt.Y("y:Q", scale=UNIT, axis=vertical("Sensitivity", values=FIFTHS)),
    }
    layers += [_line(part, t["fpr"], t["tpr"], axes) for part, t in curves.items()]
    layers += [_point(part, *at, axes) for part, at in points.items()]
    readout = {"x": "1 − specificity", "y": "sensitivity", "xs": "0 1", "ys": "0 1"}
    return drawing(layers, label, size=SQUARE, readout=readout)


def precision_recall(
    curves: dict[str, pd.DataFrame],
    points: dict[str, tuple[float, float]],
    prevalence: float,
    label: str,
) -> Markup:
    """Precision against sensitivity; a flat line marks what guessing would reach.

    Args:
        curves: part → columns `recall`, `precision`.
        points: part → (sensitivity, precision) at the operating point.
        prevalence: share of images with the finding in the part that comes first.
        label: what a screen reader says.
    """
    chance = rows(x=[0, 1], y=[prevalence, prevalence])
    layers = [alt.Chart(chance).mark_line(**_reference()).encode(x="x:Q", y="y:Q")]
    axes = {
        "x": alt.X("x:Q", scale=UNIT, axis=horizontal("Sensitivity", values=FIFTHS)),
        "y": alt.Y("y:Q", scale=UNIT, axis=vertical("Precision", values=FIFTHS)),
    }
    # Between two thresholds no precision in between is reached: steps, as average precision adds.
    for part, curve in curves.items():
        recall, precision = steps(curve)
        layers.append(_line(part, recall, precision, axes, interpolate="step-before"))
    layers += [_point(part, *at, axes) for part, at in points.items()]
    readout = {"x": "sensitivity", "y": "precision", "xs": "0 1", "ys": "0 1"}
    return drawing(layers, label, size=SQUARE, readout=readout)


def steps(curve: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Recall and the precision first reached with it: the steps whose area average precision is."""
    first = curve[curve["recall"] > 0].groupby("recall")["precision"].max()
    recall, precision = [float(x) for x in first.index], [float(x) for x in first]
    return [0.0, *recall], [*precision[:1], *precision]


def history(curves: dict[str, list[float | None]], best: int, title: str, label: str) -> Markup:
    """A metric over the epochs, with the epoch whose weights were kept.

    Args:
        curves: train, val or lr → value of each epoch, None where undefined.
        best: number of the kept epoch, counted from 1.
        title: name of the metric.
        label: what a screen reader says.
    """
    epochs = max(map(len, curves.values()))
    known = [v for values in curves.values() for v in values if v is not None] or [0.0, 1.0]
    low, high = _padded(min(known), max(known))
    step = max(1, -(-epochs // 6))
    ticks = list(range(step, epochs + 1, step))
    across = alt.Scale(domain=[1, max(epochs, 2)], nice=False, zero=False)
    left = 52
    axes = {
        "x": alt.X(
            "x:Q", scale=across, axis=horizontal("Epoch", values=ticks, grid=False, format="d")
        ),
        "y": alt.Y(
            "y:Q",
            scale=alt.Scale(domain=[low, high], nice=False, zero=False),
            axis=vertical("", left, tickCount=4, format="~g"),
        ),
    }
    rule = alt.Chart(rows(x=[best])).mark_rule(stroke="currentColor", strokeOpacity=0.55)
    layers = [rule.encode(x=axes["x"])]
    for part, values in curves.items():
        layers.append(_line(part, range(1, len(values) + 1), values, axes))
        if len(values) >= best and values[best - 1] is not None:
            layers.append(_point(part, best, values[best - 1], axes))
    shown = f"{max(epochs, 2)}"
    readout = {"x": "epoch", "y": title, "xs": f"1 {shown}", "ys": f"{low:.6g} {high:.6g}"}
    return drawing(layers, label, size=WIDE, left=left, top=8, readout=readout)


def _reference() -> dict[str, Any]:
    return {"stroke": "var(--grid-strong)", "strokeDash": [2, 4], "strokeWidth": 1.25}


def _line(part: str, xs: Any, ys: Any, axes: dict[str, Any], **options: Any) -> alt.Chart:
    stroke, dash = STROKES[part]
    data = rows(x=list(xs), y=list(ys), i=list(range(len(xs))))
    line = alt.Chart(data).mark_line(stroke=stroke, strokeDash=dash, strokeWidth=2, **options)
    chart: alt.Chart = line.encode(**axes, order="i:Q")
    return chart


def _point(part: str, x: Any, y: Any, axes: dict[str, Any]) -> alt.Chart:
    mark: dict[str, Any] = {"size": 70, "stroke": "var(--paper)", "strokeWidth": 1.5, "opacity": 1}
    data = alt.Chart(rows(x=[float(x)], y=[float(y)]))
    chart: alt.Chart = data.mark_circle(fill=STROKES[part][0], **mark).encode(**axes)
    return chart


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range with a little room, so that no curve touches the frame and none is flat."""
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return max(low - room, 0.0) if low >= 0 else low - room, high + room
