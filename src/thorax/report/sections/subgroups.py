"""Who it fails: groups of patients, the worst first, and what the metadata alone would give."""

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from thorax.report import wording
from thorax.report.components import Cell, Row, Section, Table, render, value, with_interval
from thorax.report.inputs import Inputs

COLUMNS = ["Group", "Images", "Patients", "AUROC", "", "Sensitivity", "Specificity",
           "Sick called healthy"]  # fmt: skip
TITLES = {"sex": "Sex", "age": "Age", "view": "View", "vendor": "Vendor", "site": "Site",
          "visit": "Visit"}  # fmt: skip


def section(inputs: Inputs) -> Section:
    """The groups."""
    found = inputs.subgroups
    body = render(
        "subgroups.html",
        part=wording.part_name(inputs.headline, len(inputs.models)).lower(),
        found=found,
        gaps=gaps(found),
        single=[table(name, each) for name, each in found["attributes"].items()],
        pairs=[table(name, each) for name, each in found["pairs"].items()],
        metadata=metadata(inputs),
        columns=wording.listed(found["metadata"]["columns"]),
    )
    return Section("subgroups", "Who it fails", body)


def titled(name: str) -> str:
    """An attribute or a pair of them for a reader."""
    return " × ".join(TITLES.get(each, each) for each in name.split(" × "))


def worst_first(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Attributes with a gap, the largest first."""
    gaps = {name: each["gap"] for name, each in found["attributes"].items() if each["gap"]}
    yield from sorted(gaps.items(), key=lambda item: -item[1]["auroc"])


def gaps(found: dict[str, Any]) -> list[str]:
    """A sentence for each attribute, the largest gap first."""
    sentences = []
    for name, gap in worst_first(found):
        chance = gap["chance"]
        sure = "" if chance is None else f"; chance alone gives as much in {100 * chance:.1f}%"
        sentences.append(
            f"{titled(name)}: worst in {gap['worst']}, {wording.decimal(gap['auroc'])} AUROC under"
            f" {gap['best']}{sure}."
        )
    return sentences


def table(name: str, found: dict[str, Any]) -> Table:
    """Groups of one attribute, the lowest AUROC first, those that are too small last."""
    judged = [group for group in found["groups"] if group.get("auroc") is not None]
    others = [group for group in found["groups"] if group.get("auroc") is None]
    rows = [Row(g["name"], _cells(g)) for g in sorted(judged, key=lambda g: g["auroc"])]
    rows += [
        Row(g["name"], [wording.count(g["images"]), *["–"] * 2, _reason(g), *["–"] * 3])
        for g in others
    ]
    classes = wording.listed(found["classes"])
    notes = [f"Mean over {classes}, of which every group has enough."] if found["classes"] else []
    return Table(titled(name), COLUMNS, rows, notes)


def _reason(group: dict[str, Any]) -> Cell:
    return Markup('<span class="undefined">{}</span>').format(group["reason"] or "undefined")


def _cells(group: dict[str, Any]) -> list[Cell]:
    keys = ("recall", "specificity", "underdiagnosis")
    return [
        wording.count(group["images"]),
        wording.count(group["patients"]),
        with_interval(group, "auroc", ""),
        _bar(group),
        *(with_interval(group, key, "no class means healthy") for key in keys),
    ]


def _bar(group: dict[str, Any]) -> Markup:
    """Value and interval of the AUROC on a scale from 0.5 to 1."""
    low = group["auroc"] if group["auroc_low"] is None else group["auroc_low"]
    high = group["auroc"] if group["auroc_high"] is None else group["auroc_high"]
    at, start, end = (200 * (min(max(v, 0.5), 1) - 0.5) for v in (group["auroc"], low, high))
    return render(
        "interval.html", at=round(at, 1), low=round(start, 1), width=round(end - start, 1)
    )


def metadata(inputs: Inputs) -> Table:
    """AUROC of the metadata-only baseline beside the model's, a row a class and their mean."""
    found = inputs.subgroups["metadata"]
    rows = [Row(name, _beside(each), name) for name, each in found["per_class"].items()]
    if len(rows) > 1:
        rows.append(Row("Mean", _beside(found)))
    columns = ["Class", "Metadata only", "Model", "Model ahead by"]
    return Table("AUROC without the image and with it", columns, rows)


def _beside(found: dict[str, Any]) -> list[Cell]:
    why = "no metadata, or one outcome only"
    return [
        with_interval(found, "auroc", why),
        value(found["model"], why),  # its interval stands in the performance section
        with_interval(found, "ahead", why),
    ]
