"""The charts of calibration: reliability diagram, decision curve, histogram of scores."""

from collections.abc import Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

from thorax.report.charts import drawing, horizontal, rows, vertical

SQUARE = (232, 232)
WIDE = (232, 150)
LEFT = 48
ENDS = (0.1, 0.2, 0.3, 0.5, 1.0)  # where an axis may end: rare findings fill a corner only
RAW, SCALED, ABSENT = "var(--test)", "var(--lr)", "var(--grid-strong)"

Bins = list[dict[str, Any]]


def reliability(raw: Bins, scaled: Bins, label: str) -> Markup:
    """Observed share against mean predicted probability, with Wilson intervals of the raw bins.

    Args:
        raw: bins with `predicted`, `observed`, `low`, `high` and `count`.
        scaled: the same at the fitted temperature; empty without one.
        label: what a screen reader says.
    """
    end = _end(max(max(b["predicted"], b["observed"]) for b in (*raw, *scaled)))
    scale = alt.Scale(domain=[0, end], nice=False)
    axes = {
        "x": alt.X("x:Q", scale=scale, axis=horizontal("Predicted", tickCount=5, format="~g")),
        "y": alt.Y(
            "y:Q", scale=scale, axis=vertical("Observed share", LEFT, tickCount=5, format="~g")
        ),
    }
    ideal = alt.Chart(rows(x=[0, end], y=[0, end])).mark_line(**_reference()).encode(**axes)
    at = [b["predicted"] for b in raw]
    spans = rows(x=at, y=[b["low"] for b in raw], top=[min(b["high"], end) for b in raw])
    spread = alt.Chart(spans).mark_rule(stroke=RAW, strokeWidth=1.5, strokeOpacity=0.5)
    layers = [ideal, spread.encode(**axes, y2="top:Q")]
    if scaled:
        layers.append(_bins(scaled, axes, shape="diamond", filled=False, stroke=SCALED, size=55))
    layers.append(_bins(raw, axes, filled=True, fill=RAW, stroke="var(--paper)", size=55))
    return drawing(layers, label, size=SQUARE, left=LEFT)


def _bins(bins: Bins, axes: dict[str, Any], **mark: Any) -> alt.Chart:
    words = [
        f"predicted {b['predicted']:.3f}, observed {b['observed']:.3f} of {b['count']:,} images"
        for b in bins
    ]
    x, y = ([b[key] for b in bins] for key in ("predicted", "observed"))
    points = alt.Chart(rows(x=x, y=y, words=words)).mark_point(aria=True, opacity=1, **mark)
    chart: alt.Chart = points.encode(**axes, description="words:N")
    return chart


def decision_curve(risks: Sequence[float], curves: dict[str, Any], label: str) -> Markup:
    """Net benefit against the threshold probability; calling none is worth 0.

    Args:
        risks: threshold probabilities [R].
        curves: net benefit [R] of the `raw` scores, the `scaled` ones (or None), calling `all`.
        label: what a screen reader says.
    """
    drawn = [curve for curve in curves.values() if curve is not None]
    top = max(0.001, *(max(curve) for curve in drawn))
    bottom = -0.25 * top
    visible = 0.02 * top
    useful = [r for curve in drawn for r, v in zip(risks, curve, strict=True) if v > visible]
    end = _end(max(useful, default=1.0))
    axes = {
        "x": alt.X(
            "x:Q",
            scale=alt.Scale(domain=[0, end], nice=False),
            axis=horizontal("Threshold probability", tickCount=5),
        ),
        "y": alt.Y(
            "y:Q",
            scale=alt.Scale(domain=[bottom, 1.06 * top], nice=False),
            axis=vertical("Net benefit", LEFT, tickCount=4, format="~g"),
        ),
    }
    layers = [alt.Chart(rows(x=[0, end], y=[0, 0])).mark_line(**_reference()).encode(**axes)]
    inside = [i for i, risk in enumerate(risks) if risk <= end]
    # What calling all is worth falls without end: it is cut where it leaves the frame.
    everyone = [i for i in inside if curves["all"][i] >= bottom]
    layers.append(_line(risks, curves["all"], everyone, axes, ABSENT, [1, 0]))
    if curves["scaled"] is not None:
        floored = [max(value, bottom) for value in curves["scaled"]]
        layers.append(_line(risks, floored, inside, axes, SCALED, [6, 3]))
    floored = [max(value, bottom) for value in curves["raw"]]
    layers.append(_line(risks, floored, inside, axes, RAW, [1, 0]))
    return drawing(layers, label, size=WIDE, left=LEFT)


def _line(
    risks: Sequence[float],
    values: Sequence[float],
    shown: list[int],
    axes: dict[str, Any],
    stroke: str,
    dash: list[int],
) -> alt.Chart:
    data = rows(x=[risks[i] for i in shown], y=[values[i] for i in shown], i=shown)
    line = alt.Chart(data).mark_line(stroke=stroke, strokeDash=dash, strokeWidth=2)
    chart: alt.Chart = line.encode(**axes, order="i:Q")
    return chart


def scores(
    present: Sequence[int], absent: Sequence[int], threshold: float | None, label: str
) -> Markup:
    """Raw scores of images with the finding upwards and without it downwards, as shares of each.

    Args:
        present: images with the finding in bins of equal width from 0 to 1.
        absent: images without it.
        threshold: marked by an upright line; None where the most likely class is decided for.
        label: what a screen reader says.
    """
    width = 1 / len(present)
    kinds = (("with the finding", present, 1, RAW), ("without it", absent, -1, ABSENT))
    tallest = max(max(counts) / max(sum(counts), 1) for counts in (present, absent))
    axes = {
        "x": alt.X(
            "x:Q",
            bin="binned",
            scale=alt.Scale(domain=[0, 1], nice=False),
            axis=horizontal("Probability", grid=False, values=[0, 0.2, 0.4, 0.6, 0.8, 1]),
        ),
        "y": alt.Y(
            "y:Q",
            scale=alt.Scale(domain=[-tallest, tallest], nice=False),
            axis=vertical(
                "Share of images", LEFT, tickCount=5, labelExpr="format(abs(datum.value), '.0%')"
            ),
        ),
    }
    layers = []
    for kind, counts, sign, fill in kinds:
        filled = [i for i, number in enumerate(counts) if number]
        data = rows(
            x=[round(i * width, 3) for i in filled],
            end=[round((i + 1) * width, 3) for i in filled],
            y=[sign * counts[i] / sum(counts) for i in filled],
            zero=[0] * len(filled),
            words=[
                f"{i * width:.2f}–{(i + 1) * width:.2f}: {counts[i]:,} images {kind}"
                for i in filled
            ],
        )
        bars = alt.Chart(data).mark_bar(aria=True, fill=fill, stroke="var(--paper)", strokeWidth=1)
        layers.append(bars.encode(**axes, x2="end:Q", y2="zero:Q", description="words:N"))
    if threshold is not None and threshold <= 1:
        rule = alt.Chart(rows(x=[threshold])).mark_rule(stroke="currentColor", strokeWidth=1.5)
        layers.append(rule.encode(x=axes["x"]))
    return drawing(layers, label, size=WIDE, left=LEFT)


def _end(largest: float) -> float:
    return next(end for end in ENDS if end >= min(largest, 1.0))


def _reference() -> dict[str, Any]:
    return {"stroke": "var(--grid-strong)", "strokeDash": [2, 4], "strokeWidth": 1.25}
