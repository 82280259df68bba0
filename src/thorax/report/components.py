"""What a page is put together from, and how it becomes HTML; data is always escaped."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from thorax.artifacts import Estimate
from thorax.report import wording

Cell = str | Estimate  # text is escaped unless it is `Markup`


@dataclass(frozen=True)
class Caveat:
    """One limitation; its level is `stop` (do not believe the numbers), `care` or `note`."""

    level: str
    title: str
    text: str
    items: list[str] = field(default_factory=list)

    def in_sentences(self) -> "Caveat":
        """The same without a list of a single item, which becomes a sentence."""
        if len(self.items) != 1:
            return self
        return replace(self, text=f"{self.text} {self.items[0].rstrip('.')}.", items=[])


@dataclass(frozen=True)
class Section:
    """One section of the page; links point at its anchor."""

    anchor: str
    title: str
    body: Markup


@dataclass(frozen=True)
class Row:
    """One row of a table: its heading, its cells, and the class it belongs to, for the picker."""

    head: str
    cells: list[Cell]
    of_class: str | None = None


@dataclass(frozen=True)
class Table:
    """A table with a heading for every column and row.

    Attributes:
        caption: what it shows; also its name for a screen reader.
        columns: headings, the one above the row headings first.
        notes: lines under it.
        n_bootstrap: replicates behind its intervals; 0 where they have none.
        of_class: the class that the whole table belongs to, for the picker.
    """

    caption: str
    columns: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    n_bootstrap: int = 0
    of_class: str | None = None

    @property
    def footnotes(self) -> list[str]:
        """Notes, the replicates behind the intervals, and what speaks against single values."""
        notes = [*self.notes, *([wording.replicates(self.n_bootstrap)] if self.n_bootstrap else [])]
        for row in self.rows:
            named = zip(self.columns[1:], row.cells, strict=True)
            notes += [f"{row.head}: {text}" for text in limits(named, self.n_bootstrap)]
        return notes


@dataclass(frozen=True)
class Panel:
    """One chart of a grid: title, drawing, a line under the title, the class it belongs to."""

    title: str
    drawing: Markup
    note: str
    of_class: str | None = None


def class_table(
    caption: str, columns: list[str], classes: Mapping[str, list[Cell]], n_bootstrap: int = 0
) -> Table:
    """A table with a row of cells per class."""
    rows = [Row(name, cells, name) for name, cells in classes.items()]
    return Table(caption, ["Class", *columns], rows, n_bootstrap=n_bootstrap)


def limits(named: Iterable[tuple[str, Cell]], n_bootstrap: int = 0) -> Iterator[str]:
    """Why estimates are undefined, rest on fewer replicates or mislead: `a and b: reason`."""
    reasons: dict[str, list[str]] = {}
    for name, cell in named:
        if not isinstance(cell, Estimate):
            continue
        reason = cell.reason if cell.value is None else cell.caution
        if cell.value is not None and cell.undefined_replicates:
            left_out = f"{cell.undefined_replicates:,} of {n_bootstrap:,}"
            reason = f"undefined in {left_out} replicates, which are left out"
        if reason:
            reasons.setdefault(reason, []).append(wording.in_sentence(name))
    yield from (f"{wording.listed(names, 9)}: {reason}" for reason, names in reasons.items())


def show(cell: Cell) -> str:
    """A cell as HTML; an estimate as value and interval, or the word `undefined`."""
    if not isinstance(cell, Estimate):
        return cell
    if cell.value is None:
        return Markup('<span class="undefined" title="{}">undefined</span>').format(cell.reason)
    bounds = wording.interval(cell.low, cell.high)
    shown = Markup(' <span class="interval">({})</span>').format(bounds) if bounds else ""
    return Markup("{}{}").format(wording.decimal(cell.value), shown)


def bar(estimate: Estimate, subset: str = "test", start: float = 0.0) -> Markup:
    """An estimate and its interval as marks on a scale from `start` to 1; empty if undefined."""
    if estimate.value is None:
        return Markup()
    ends = [estimate.value if x is None else x for x in (estimate.low, estimate.high)]
    low, at, high = (
        round(100 * (min(max(x, start), 1) - start) / (1 - start), 1)
        for x in (ends[0], estimate.value, ends[1])
    )
    return Markup(
        '<div class="{}"><i class="span" style="left:{}%;width:{}%"></i>'
        '<i class="at" style="left:{}%"></i></div>'
    ).format(subset, low, round(high - low, 1), at)


@cache
def environment() -> Environment:
    """Templates of this package, escaping everything that is not `Markup`."""
    created = Environment(
        loader=PackageLoader("thorax.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    created.filters |= {"count": wording.count, "decimal": wording.decimal, "show": show}
    return created


def render(template: str, /, **values: Any) -> Markup:
    """A template filled in."""
    return Markup(environment().get_template(template).render(**values))


def embedded(data: Any) -> Markup:
    """Data for a script of the page, as JSON that no name in it can break out of."""
    text = json.dumps(data, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))


def source(name: str) -> Markup:
    """A style sheet or script of this package, to stand in the page as it is."""
    loader = environment().loader
    assert loader is not None
    return Markup(loader.get_source(environment(), name)[0])
