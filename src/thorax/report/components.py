"""The parts a page is put together from, and how they become HTML; data is always escaped."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from thorax.report import wording

Cell = str  # text, which is escaped, or `Markup`


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        anchor: its id, what links in the page point at.
        title: its heading.
        body: its HTML.
    """

    anchor: str
    title: str
    body: Markup


@dataclass(frozen=True)
class Row:
    """One row of a table: its heading, its cells, and the class it belongs to, for the picker."""

    head: Cell
    cells: list[Cell]
    of_class: str | None = None


@dataclass(frozen=True)
class Table:
    """A table with a heading for every column and row.

    Attributes:
        caption: what it shows; also its name for a screen reader.
        columns: heading of each column, the one above the row headings first.
        rows: the rows.
        notes: lines under it, such as why values are undefined.
    """

    caption: str
    columns: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Panel:
    """A chart among its like: what it shows, the drawing, a line under it, the class it is of."""

    title: str
    drawing: Markup
    note: str
    of_class: str | None = None


@dataclass(frozen=True)
class Caution:
    """One worry.

    Attributes:
        level: `stop` (do not believe the numbers), `care` or `note`.
        title: it in a few words.
        text: it in a sentence or two.
        items: what it is about, one by one.
    """

    level: str
    title: str
    text: str
    items: list[str] = field(default_factory=list)


@cache
def environment() -> Environment:
    """Templates of this package, escaping everything that is not `Markup`."""
    found = Environment(
        loader=PackageLoader("thorax.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    found.filters |= {
        "count": wording.count,
        "decimal": wording.decimal,
        "metric": wording.metric_name,
    }
    return found


def render(template: str, /, **values: Any) -> Markup:
    """A template filled in."""
    return Markup(environment().get_template(template).render(**values))


def source(name: str) -> Markup:
    """A style sheet or script of this package, to stand in the page as it is."""
    loader = environment().loader
    assert loader is not None
    return Markup(loader.get_source(environment(), name)[0])


def undefined(reason: str) -> Markup:
    """The word for a value that does not exist, with the reason at hand."""
    return Markup('<span class="undefined" title="{}">undefined</span>').format(reason)


def value(number: float | None, reason: str) -> Cell:
    """A metric with three decimals, or the word `undefined`."""
    return wording.decimal(number) if number is not None else undefined(reason)


def with_interval(metrics: dict[str, Any], key: str, reason: str) -> Cell:
    """A metric of a part and its 95% interval."""
    bounds = wording.interval(metrics[f"{key}_low"], metrics[f"{key}_high"])
    return bounded(metrics[key], bounds, reason)


def bounded(number: float | None, bounds: str, reason: str) -> Cell:
    """A metric and its interval as text, which may be empty."""
    if number is None:
        return undefined(reason)
    shown = Markup('<span class="interval">({})</span>').format(bounds) if bounds else ""
    return Markup("{} {}").format(wording.decimal(number), shown)
