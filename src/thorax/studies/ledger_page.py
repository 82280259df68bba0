"""The ledger as text for a terminal and as a page."""

from pathlib import Path

from thorax.config import load_paths
from thorax.io import write_text
from thorax.report.components import Row, Section, Table, environment, render, source
from thorax.report.wording import in_sentence, metric_name, part_name
from thorax.studies.claims import Claim, interval, verdict
from thorax.studies.ledger import Line, lines
from thorax.studies.recipes import PublishedClaim

PAGE = "ledger.html"
COLUMNS = ["Run", "Protocol", "Figure", "Claimed", "Ours (95% interval)", "The claim lies"]


def main() -> str:
    """Write the page beside the report; the ledger as text."""
    found = lines()
    path = Path(load_paths().report).with_name(PAGE)
    write_text(path, page(found))
    return f"{text(found)}\n\nPage: {path.absolute()}"


def text(found: list[Line]) -> str:
    """A block per claim, a line per figure and run."""
    out: list[str] = []
    for claim, group in grouped(found):
        first = group[0].recipe
        out += ["", f"{first.name}: {first.file.study}", f"  arithmetic: {arithmetic(claim)}"]
        out += [
            f"  {figure(line)} {claimed(line)} claimed; ours {ours(line)}"
            f" [{line.entry.experiment if line.entry else 'none'}: {protocol(line)}]:"
            f" {line.verdict}"
            for line in group
        ]
    return "\n".join(out[1:])


def page(found: list[Line]) -> str:
    """The same as HTML, in the report's style."""
    sections = []
    for number, (claim, group) in enumerate(grouped(found)):
        recipe = group[0].recipe
        body = render(
            "ledger.html", recipe=recipe, arithmetic=arithmetic(claim), table=table(group)
        )
        title = f"{recipe.name}, {part_name(claim.part).lower()}"
        sections.append(Section(f"claim-{number}", title, body))
    return (
        environment()
        .get_template("page.html")
        .render(
            title="Published claims and our runs",
            eyebrow="thorax ledger",
            meta=[("Claims", str(len(sections))), ("Figures", str(len(found)))],
            sections=sections,
            leaky_sections=(),
            footer=["A claim inside our interval is not confirmed, only compatible."],
            style=source("page.css"),
            script="",
        )
    )


def table(group: list[Line]) -> Table:
    """The runs beside one claim, and the machines they were seen on."""
    rows = []
    for line in group:
        name = line.entry.experiment if line.entry else "no run yet"
        cells = [protocol(line), figure(line), claimed(line), ours(line), line.verdict]
        rows.append(Row(name, cells))
    seen = sorted({line.entry.machine for line in group if line.entry})
    return Table("Runs beside the claim", COLUMNS, rows, [f"Seen on {each}." for each in seen])


def grouped(found: list[Line]) -> list[tuple[PublishedClaim, list[Line]]]:
    """Lines of the same claim together, in their order."""
    groups: dict[int, list[Line]] = {}
    for line in found:
        groups.setdefault(id(line.claim), []).append(line)
    return [(group[0].claim, group) for group in groups.values()]


def arithmetic(claim: PublishedClaim) -> str:
    """What counting says of a claim, and how uncertain it is for its number of images."""
    counted = Claim(claim.part, claim.figures, claim.images, claim.positives)
    bounds = interval(counted)
    between = f" (95% interval {100 * bounds[0]:.1f}–{100 * bounds[1]:.1f} %)" if bounds else ""
    return verdict(counted) + between


def protocol(line: Line) -> str:
    """How the run was divided, and what else differs from the recipe."""
    if line.entry is None:
        return "–"
    changes = [f"{key.rpartition('.')[2]} {value}" for key, value in line.entry.changed.items()]
    leaky = " (leaky)" if line.entry.leaky else ""
    return ", ".join([f"{line.entry.split} split{leaky}", *changes])


def figure(line: Line) -> str:
    """Part and name of the figure."""
    return f"{part_name(line.claim.part).lower()} {in_sentence(metric_name(line.metric))}"


def claimed(line: Line) -> str:
    """The figure as printed by the study."""
    printed = line.claim.figures[line.metric]
    return printed if line.metric == "loss" else f"{printed} %"


def ours(line: Line) -> str:
    """Our figure and its interval, in the unit of the claim."""
    value, low, high = line.ours
    if value is None:
        return "–"
    scale, digits, unit = (1, 4, "") if line.metric == "loss" else (100, 2, " %")
    shown = f"{scale * value:.{digits}f}{unit}"
    if low is None or high is None:
        return shown
    return f"{shown} ({scale * low:.{digits}f}–{scale * high:.{digits}f})"
