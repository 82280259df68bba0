"""Altair charts as SVG inside the page: no script, no font, no colour that ignores dark mode.

Charts hold no text that comes from data: names stand in the HTML around them. Colours are the style
sheet's variables. The frame is fixed, so that the drawing does not depend on the fonts of the
machine that made it.
"""

import re
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

TEXT = 12  # pixels; charts are shown at about their own size, on a phone too
TOP, RIGHT, BOTTOM = 26, 12, 38  # room around the plot, pixels
LEFT = 36
_VEGALITE = alt.SCHEMA_VERSION.rpartition(".")[0]  # the converter knows minor versions only


def drawing(
    layers: list[alt.Chart],
    label: str,
    *,
    size: tuple[int, int],
    left: int = LEFT,
    top: int = TOP,
    readout: dict[str, str] | None = None,
) -> Markup:
    """An SVG element.

    Args:
        layers: charts to lie over each other, without a size.
        label: what a screen reader says.
        size: width and height of the plot itself, pixels.
        left: room for the labels of the vertical axis, pixels.
        top: room for its title, pixels.
        readout: names and ranges of the axes, with which the script tells the values of curves.
    """
    width, height = size
    padding = {"left": left, "top": top, "right": RIGHT, "bottom": BOTTOM}
    framed = alt.layer(*layers).properties(
        width=width,
        height=height,
        padding=padding,
        autosize={"type": "none"},
        background="transparent",
    )
    text = vl_convert.vegalite_to_svg(_styled(framed).to_dict(validate=False), vl_version=_VEGALITE)
    values = {"plot": f"{width} {height}", **readout} if readout else {}
    data = Markup("").join(Markup(' data-{}="{}"').format(*pair) for pair in values.items())
    box = f"0 0 {left + width + RIGHT} {top + height + BOTTOM}"
    head = Markup('<svg class="chart" viewBox="{}" role="img" aria-label="{}"{}>')
    body = Markup(tidy(text.partition(">")[2]))
    return head.format(box, label, data) + body


def tidy(text: str) -> str:
    """Shorter SVG: the page's own font, coordinates to a tenth of a pixel, no empty frames."""
    text = re.sub(r' (?:font-family|role|aria-(?!label)[a-z]+|pointer-events)="[^"]*"', "", text)
    text = re.sub(r'<path class="(?:background|foreground)"[^>]*/>|^<rect[^>]*/>', "", text)
    return re.sub(r' (?:d|transform)="[^"]*"', _to_tenths, text)


def _to_tenths(match: re.Match[str]) -> str:
    return re.sub(r"\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), match[0])


def horizontal(title: str, **options: Any) -> alt.Axis:
    """The axis below, its title under it."""
    return alt.Axis(title=title, titleY=24, titleBaseline="top", **options)


def vertical(title: str, left: int = LEFT, **options: Any) -> alt.Axis:
    """The axis at the left; its title stands above, where it can be read without turning."""
    upright: dict[str, Any] = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "start"}
    return alt.Axis(title=title, titleX=-left, titleY=-12, **upright, **options)


def rows(**columns: Any) -> alt.InlineData:
    """Inline data from columns of equal length."""
    names = list(columns)
    records = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return alt.InlineData(values=records)


def _styled(chart: Any) -> Any:
    axis = alt.AxisConfig(
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
    )
    view = alt.ViewConfig(stroke=None)
    return chart.configure(axis=axis, view=view, aria=False, font="sans-serif")
