"""Subgroups: whom the model fails."""

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from thorax.artifacts.evaluation import Attribute, Gap, Group
from thorax.report import wording
from thorax.report.components import Cell, Row, Section, Table, bar, render
from thorax.report.inputs import Inputs

METRICS = ("auroc", "sensitivity", "specificity", "underdiagnosis")
SCALE = 0.5  # where the bars of the AUROC start
AXIS = Markup('<span class="axis"><span>0.5</span> <span>0.75</span> <span>1</span></span>')
TITLES = {"sex": "Sex", "age": "Age", "view": "View", "vendor": "Vendor", "site": "Site",
          "visit": "Visit"}  # fmt: skip


def section(inputs: Inputs) -> Section:
    subgroups = inputs.subgroups
    body = render(
        "subgroups.html",
        subset=wording.in_sentence(inputs.subset_name(inputs.headline)),
        subgroups=subgroups,
        unit=inputs.unit,
        smallest=inputs.results.settings.min_subgroup_size,
        gaps=[gap_text(name, gap) for name, gap in largest_gaps(subgroups.attributes)],
        single=group_table(inputs, "Single attributes", subgroups.attributes),
        pairs=group_table(inputs, "Pairs of attributes", subgroups.pairs),
    )
    return Section("subgroups", "Subgroups", body)


def titled(name: str) -> str:
    """An attribute or a pair of them for a reader."""
    return " × ".join(TITLES.get(part, part) for part in name.split(" × "))


def largest_gaps(attributes: dict[str, Attribute]) -> Iterator[tuple[str, Gap]]:
    """Attributes with a gap, the largest first."""
    gaps = {name: attribute.gap for name, attribute in attributes.items() if attribute.gap}
    yield from sorted(gaps.items(), key=lambda item: -item[1].auroc)


def gap_text(name: str, gap: Gap) -> str:
    """The gap of an attribute in a sentence."""
    p = "" if gap.p_value is None else f" ({wording.p_value(gap.p_value)})"
    return (
        f"{titled(name)}: AUROC {wording.decimal(gap.auroc)} lower in {gap.worst} than in"
        f" {gap.best}{p}."
    )


def group_table(inputs: Inputs, caption: str, attributes: Mapping[str, Attribute]) -> Table:
    """Groups of each attribute, the lowest AUROC first, those without metrics last."""
    rows, notes = [], []
    for name, attribute in attributes.items():
        ranked = sorted(attribute.groups, key=lambda g: (not g.metrics, _auroc(g)))
        rows += [Row(f"{titled(name)}: {group.name}", _cells(inputs, group)) for group in ranked]
        if 0 < len(attribute.classes) < len(inputs.model.outputs):
            classes = wording.listed(attribute.classes)
            notes.append(f"{titled(name)}: means over {classes}, of which every group has enough.")
    columns = ["Group", "Images", "Patients", wording.metric_name("auroc"), AXIS,
               *map(wording.metric_name, METRICS[1:])]  # fmt: skip
    return Table(caption, columns, rows, notes)


def _auroc(group: Group) -> float:
    value = group.metrics["auroc"].value if group.metrics else None
    return 2.0 if value is None else value


def _cells(inputs: Inputs, group: Group) -> list[Cell]:
    counts = [wording.count(group.images), inputs.patients(group.patients)]
    if not group.metrics:
        reason = Markup('<span class="undefined">{}</span>').format(group.reason)
        return [*counts, reason, *["–"] * 4]
    auroc, *others = (group.metrics[key] for key in METRICS)
    scale = Markup('<div class="scale" aria-hidden="true">{}</div>').format(bar(auroc, start=SCALE))
    return [*counts, auroc, scale, *others]
