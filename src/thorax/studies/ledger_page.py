"""The results registry as text for a terminal and as a page."""

from pathlib import Path

from thorax.config import load_paths
from thorax.io import write_text
from thorax.metrics.classification import beats
from thorax.report.components import Cell, Row, Section, Table, environment, render, source
from thorax.report.wording import in_sentence, metric_name, subset_name
from thorax.studies.claims import Claim, interval, verdict
from thorax.studies.constant import constant
from thorax.studies.ledger import Comparison, Line, Registry, registry

PAGE = "ledger.html"
COLUMNS = ["Run", "Protocol", "Figure", "Claimed", "Ours (95% interval)",
           "Ours minus claimed", "The claim is"]  # fmt: skip


def ledger() -> str:
    """Write the page beside the report; the results registry as text."""
    content = registry()
    path = Path(load_paths().report).with_name(PAGE)
    write_text(path, page(content))
    return f"{text(content)}\n\nPage: {path.absolute()}"


def text(content: Registry) -> str:
    """A block per claim, a line per figure and run; then the experiments that cannot be read."""
    blocks = [
        "\n".join(
            [
                f"{comparison.recipe.name}: {comparison.recipe.file.study}",
                f"  arithmetic: {arithmetic(comparison.claim)}",
                *map(_text_line, comparison.lines),
            ]
        )
        for comparison in content.comparisons
    ]
    if content.unread:
        lines = [f"  {name}: {why}" for name, why in content.unread.items()]
        blocks.append("\n".join(["Not shown, because it cannot be read:", *lines]))
    return "\n\n".join(blocks)


def _text_line(line: Line) -> str:
    run = line.entry.experiment if line.entry else "none"
    return (
        f"  {figure(line)} {claimed(line)} claimed; ours {ours(line)} [{run}: {protocol(line)}];"
        f" difference {difference(line)}: {line.verdict}"
    )


def page(content: Registry) -> str:
    """The same as HTML, in the report's style."""
    sections = [_section(*numbered) for numbered in enumerate(content.comparisons)]
    figures = sum(len(comparison.claim.figures) for comparison in content.comparisons)
    footer = [
        "A claim that is compatible with ours is not confirmed. The interval of a difference takes"
        " each image of a study for a patient, because their patients are not known."
    ]
    footer += [f"Not shown: {name}. {why}" for name, why in content.unread.items()]
    return (
        environment()
        .get_template("page.html")
        .render(
            title="Published claims and our runs",
            eyebrow="thorax ledger",
            meta=[("Claims", str(len(sections))), ("Figures", str(figures))],
            sections=sections,
            leaky_sections=(),
            footer=footer,
            style=source("page.css"),
            scripts=[],
        )
    )


def _section(number: int, comparison: Comparison) -> Section:
    recipe, claim = comparison.recipe, comparison.claim
    title = f"{recipe.name}, {subset_name(claim.subset).lower()}"
    body = render(
        "ledger.html", recipe=recipe, arithmetic=arithmetic(claim), table=table(comparison)
    )
    return Section(f"claim-{number}", title, body)


def table(comparison: Comparison) -> Table:
    """The runs beside one claim, and the machines they were trained on."""
    rows = []
    for line in comparison.lines:
        name = line.entry.experiment if line.entry else "no run yet"
        cells: list[Cell] = [protocol(line), figure(line), claimed(line), ours(line)]
        rows.append(Row(name, [*cells, difference(line), line.verdict]))
    machines = sorted({line.entry.machine for line in comparison.lines if line.entry})
    return Table(
        "Runs beside the claim", COLUMNS, rows, [f"Trained on {machine}." for machine in machines]
    )


def arithmetic(claim: Claim) -> str:
    """What counting says of a claim, how uncertain it is, and what needs no network at all."""
    bounds = interval(claim, "accuracy") if "accuracy" in claim.figures else None
    between = f" (95% interval {100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}%)" if bounds else ""
    return f"{verdict(claim)}{between}. {without_looking(claim)}"


def without_looking(claim: Claim) -> str:
    """What predicting the most frequent class of every image gives."""
    figures = constant(claim)
    if not figures:
        return "What a constant prediction gives is not known"
    shown = ", ".join(f"{_name(metric)} {_figure(metric, v)}" for metric, v in figures.items())
    beaten = any(
        beats(metric, float(claim.figures[metric]) / (1 if metric == "loss" else 100), value)
        for metric, value in figures.items()
    )
    return f"A constant prediction gives {shown}" + (
        "" if beaten else ": the claim beats none of it"
    )


def _name(metric: str) -> str:
    return in_sentence(metric_name(metric))


def _figure(metric: str, value: float, sign: str = "") -> str:
    return f"{value:{sign}.4f}" if metric == "loss" else f"{100 * value:{sign}.2f}%"


def protocol(line: Line) -> str:
    """The split of the run, and what else differs from the recipe."""
    if line.entry is None:
        return "–"
    changes = [f"{key.rpartition('.')[2]} {value}" for key, value in line.entry.changed.items()]
    leaky = " (leaky)" if line.entry.leaky else ""
    return ", ".join([f"{line.entry.split} split{leaky}", *changes])


def figure(line: Line) -> str:
    """Subset and name of the figure, and the mean it is where there are several."""
    name = f"{subset_name(line.claim.subset).lower()} {_name(line.metric)}"
    kinds = {"weighted": ", weighted by class", "images": ", mean over images"}
    return name + ("" if line.metric == "loss" else kinds.get(line.claim.average or "", ""))


def claimed(line: Line) -> str:
    """The figure as printed by the study."""
    printed = line.claim.figures[line.metric]
    return printed if line.metric == "loss" else f"{printed}%"


def ours(line: Line) -> str:
    """Our figure and its interval, in the unit of the claim."""
    value, low, high = line.ours
    if value is None:
        return "–"
    shown = _figure(line.metric, value)
    if low is None or high is None:
        return shown
    return f"{shown} ({_figure(line.metric, low)}–{_figure(line.metric, high)})".replace("%–", "–")


def difference(line: Line) -> str:
    """Ours minus the claim and its interval, in the unit of the claim."""
    if line.difference is None or line.claim.subset == "train":
        return "–"
    gap, low, high = (_figure(line.metric, value, "+") for value in line.difference)
    return f"{gap} ({low} to {high})"
