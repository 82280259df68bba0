"""Split: who was trained on, validated on and tested on, as a clinical paper's first table."""

import pandas as pd

from thorax.report import wording
from thorax.report.components import Row, Section, Table, render
from thorax.report.inputs import Inputs
from thorax.report.rows import has_label
from thorax.report.sections.data import ages

_METHODS = {
    "patient": "Whole patients were dealt out, so that every part gets its share of every class.",
    "official": "The test part is the publisher's own list; the rest was dealt out by patient.",
    "random": "Single images were dealt out, whoever's they are.",
}


def section(inputs: Inputs) -> Section:
    """The split."""
    body = render(
        "partition.html",
        inputs=inputs,
        method=_METHODS[inputs.split["method"]],
        checks=checks(inputs),
        parts=part_table(inputs),
    )
    return Section("split", "Split", body)


def checks(inputs: Inputs) -> list[tuple[str, str]]:
    """What was looked for across the parts: (what, how many)."""
    split = inputs.split
    return [
        ("Groups on two sides", wording.count(split["groups_on_two_sides"])),
        ("Byte-identical images", wording.count(split["identical_images"])),
        ("Near-identical pairs", wording.count(split["near_identical_pairs"])),
    ]


def part_table(inputs: Inputs) -> Table:
    """People, views and classes of each part."""
    names = list(inputs.split["parts"])
    parts = [inputs.cohort[inputs.cohort["part"] == name] for name in names]
    rows = [
        Row("Images", [wording.count(len(part)) for part in parts]),
        Row("Patients", [wording.count(part["patient_id"].nunique()) for part in parts]),
        *_people(inputs.cohort, parts),
    ]
    for name in inputs.classes:
        cells = [wording.share(has_label(part, name).sum(), len(part)) for part in parts]
        rows.append(Row(name, cells, name if name in inputs.outputs else None))
    columns = ["", *(wording.part_name(name) for name in names)]
    return Table("Images, people and classes in each part", columns, rows)


def _people(cohort: pd.DataFrame, parts: list[pd.DataFrame]) -> list[Row]:
    """Rows for age, sex and view, where the data set knows any."""
    rows = []
    if cohort["age"].notna().any():
        rows.append(Row("Age, median (quartiles)", [ages(part["age"]) for part in parts]))
    for column, value, title in (("sex", "F", "Female"), ("view", "AP", "AP view")):
        if (cohort[column] != "").any():
            cells = [wording.share((part[column] == value).sum(), len(part)) for part in parts]
            rows.append(Row(f"{title}, images", cells))
    return rows
