"""One Altair chart as SVG inside the page: no script, no font, no color that ignores dark mode.

It holds no text that comes from data: names stand in the HTML around them. Colors are the style
sheet's variables. The frame is fixed, so that the drawing does not depend on the fonts of the
machine that made it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

TEXT = 12  # pixels; charts are shown at about their own size, on a phone too
TOP, RIGHT, BOTTOM, LEFT = 26, 12, 38, 36  # room around the plot, pixels
_VEGALITE = alt.SCHEMA_VERSION.rpartition(".")[0]  # the converter knows minor versions only
# Series → color, dashes: distinguished without color too. The read-out takes the subset from it.
STYLES = {
    "train": ("var(--train)", [2, 3]),
    "val": ("var(--val)", [6, 3]),
    "test": ("var(--test)", [1, 0]),
    "lr": ("var(--lr)", [1, 0]),
    "scaled": ("var(--lr)", [6, 3]),
    "all": ("var(--grid-strong)", [1, 0]),
}
CONFIG: dict[str, Any] = {
    "axis": alt.AxisConfig(
        labelColor="currentColor",
        titleColor="currentColor",
        gridColor="var(--grid)",
        domain=False,
        ticks=False,
        labelFontSize=TEXT,
        titleFontSize=TEXT,
        titleFontWeight="normal",
        labelPadding=6,
        labelOverlap=False,  # this and the next would ask the machine's fonts
        labelBound=False,
        labelFlush=False,
    ),
    "view": alt.ViewConfig(stroke=None),
    "aria": False,
    "font": "sans-serif",
}

Box = tuple[float, float, float, float, str]  # x, x2, y, y2 and what it stands for


@dataclass(frozen=True)
class Axis:
    """Title and range of one axis; further options are those of `alt.Axis`."""

    title: str
    low: float = 0.0
    high: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> alt.Scale:
        """Exactly the range."""
        return alt.Scale(domain=[self.low, self.high], nice=False, zero=False)


class Plot:
    """One chart being put together: all marks share its two axes."""

    def __init__(self, x: Axis, y: Axis, size: tuple[int, int], left: int = LEFT, top: int = TOP):
        self.x, self.y, self.size, self.left, self.top = x, y, size, left, top
        # The title of the vertical axis is above it, where it can be read without turning.
        upright: dict[str, Any] = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "start"}
        below = alt.Axis(title=x.title, titleY=24, titleBaseline="top", **x.options)
        beside = alt.Axis(title=y.title, titleX=-left, titleY=-12, **upright, **y.options)
        self.axes: dict[str, Any] = {
            "x": alt.X("x:Q", scale=x.scale, axis=below),
            "y": alt.Y("y:Q", scale=y.scale, axis=beside),
        }
        self.layers: list[alt.Chart] = []

    def line(self, series: str, xs: Sequence[Any], ys: Sequence[Any], **mark: Any) -> None:
        """A curve; None leaves a gap."""
        stroke, dash = STYLES[series]
        chart = _chart(x=xs, y=ys, i=range(len(xs)))
        style = {"stroke": stroke, "strokeDash": dash, "strokeWidth": 2, **mark}
        self.layers.append(chart.mark_line(**style).encode(**self.axes, order="i:Q"))

    def band(self, series: str, xs: Sequence[Any], bounds: Sequence[Any], **mark: Any) -> None:
        """The area between two curves, bounds being pairs (low, high); NaN leaves a gap."""
        low, high = zip(*bounds, strict=True)
        chart = _chart(x=xs, y=[_known(y) for y in low], y2=[_known(y) for y in high])
        style = {"fill": STYLES[series][0], "opacity": 0.18, **mark}
        self.layers.append(chart.mark_area(**style).encode(**self.axes, y2="y2:Q"))

    def reference(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """A dotted line to compare with."""
        style: dict[str, Any] = {"stroke": "var(--grid-strong)", "strokeDash": [2, 4]}
        line = _chart(x=xs, y=ys).mark_line(strokeWidth=1.25, **style)
        self.layers.append(line.encode(**self.axes))

    def upright(self, x: float) -> None:
        """A vertical line through the whole plot."""
        rule = _chart(x=[x]).mark_rule(stroke="currentColor", strokeOpacity=0.7)
        self.layers.append(rule.encode(x=self.axes["x"]))

    def dot(self, series: str, x: float, y: float) -> None:
        """The point in use on a curve."""
        mark: dict[str, Any] = {"stroke": "var(--paper)", "strokeWidth": 1.5, "opacity": 1}
        circle = _chart(x=[x], y=[y]).mark_circle(size=70, fill=STYLES[series][0], **mark)
        self.layers.append(circle.encode(**self.axes))

    def points(self, xs: Any, ys: Any, words: Sequence[str], sizes: Any, **mark: Any) -> None:
        """Marks that say what they are."""
        chart = _chart(x=xs, y=ys, words=words, area=sizes).mark_point(aria=True, **mark)
        size = alt.Size("area:Q", scale=None, legend=None)
        self.layers.append(chart.encode(**self.axes, size=size, description="words:N"))

    def boxes(self, boxes: Iterable[Box], fill: str) -> None:
        """Filled rectangles that say what they are."""
        names, columns = ("x", "x2", "y", "y2", "words"), zip(*boxes, strict=True)
        style: dict[str, Any] = {"fill": fill, "stroke": "var(--paper)", "strokeWidth": 1}
        rects = _chart(**dict(zip(names, columns, strict=False))).mark_rect(aria=True, **style)
        self.layers.append(rects.encode(**self.axes, x2="x2:Q", y2="y2:Q", description="words:N"))

    def svg(self, label: str, readout: tuple[str, str] | None = None) -> Markup:
        """An SVG element; a screen reader says `label`, the script values by names of x and y."""
        width, height = self.size
        framed = alt.layer(*self.layers).properties(
            width=width,
            height=height,
            padding={"left": self.left, "top": self.top, "right": RIGHT, "bottom": BOTTOM},
            autosize={"type": "none"},
            background="transparent",
        )
        chart = framed.configure(**CONFIG).to_dict(validate=False)
        text = vl_convert.vegalite_to_svg(chart, vl_version=_VEGALITE)
        box = f"0 0 {self.left + width + RIGHT} {self.top + height + BOTTOM}"
        head = Markup('<svg class="chart" viewBox="{}" role="img" aria-label="{}"')
        values = [box, label]
        if readout:
            head += Markup(' data-plot="{} {}" data-x="{}" data-y="{}" data-xs="{}" data-ys="{}"')
            ranges = (f"{axis.low:.6g} {axis.high:.6g}" for axis in (self.x, self.y))
            values += [str(width), str(height), *readout, *ranges]
        return head.format(*values) + Markup(">" + tidy(text.partition(">")[2]))


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def _chart(**columns: Any) -> alt.Chart:
    """A chart of inline data from columns of equal length."""
    rows = zip(*columns.values(), strict=True)
    return alt.Chart(alt.InlineData(values=[dict(zip(columns, row, strict=True)) for row in rows]))


def tidy(text: str) -> str:
    """Shorter SVG: the page's own font, coordinates to a tenth of a pixel, no empty frames."""
    text = re.sub(r' (?:font-family|role|aria-(?!label)[a-z]+|pointer-events)="[^"]*"', "", text)
    text = re.sub(r'<path class="(?:background|foreground)"[^>]*/>|^<rect[^>]*/>', "", text)
    return re.sub(r' (?:d|transform)="[^"]*"', _to_tenths, text)


def _to_tenths(match: re.Match[str]) -> str:
    return re.sub(r"\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), match[0])
