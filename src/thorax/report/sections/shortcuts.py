"""Shortcut probes: what is left of each class when corners or lungs are covered or exchanged."""

from markupsafe import Markup

from thorax.report import wording
from thorax.report.components import Cell, Row, Table, render, undefined, value, with_interval
from thorax.report.inputs import Inputs
from thorax.report.thumbnails import LARGEST, Picture, data_uri

COVERS = {
    "corners": "corners covered",
    "lungs": "lungs covered",
    "all_but_lungs": "all but the lungs covered",
}


def block(inputs: Inputs) -> Markup:
    """Both tables and an image as the probes saw it; empty where nothing was probed."""
    if inputs.probes is None:
        return Markup()
    return render(
        "shortcuts.html",
        images=inputs.probes["images"],
        patients=inputs.probes["patients"],
        folds=len(inputs.models),
        part=wording.part_name(inputs.headline).lower(),
        pictures=[
            Picture(data_uri(image, LARGEST), f"A radiograph, {words}", words)
            for name, image in inputs.covered.items()
            for words in [COVERS.get(name, name)]
        ],
        covered=covered_table(inputs),
        exchanged=exchanged_table(inputs),
    )


def covered_table(inputs: Inputs) -> Table:
    """AUROC as it is, and under each cover with its fall."""
    assert inputs.probes is not None
    rows = []
    for name, found in inputs.probes["per_class"].items():
        cells: list[Cell] = [undefined(found["reason"])] * 7
        if found["covered"]:
            cells = [wording.decimal(found["covered"]["corners"]["before"])]
            for cover in COVERS:
                fell = found["covered"][cover]
                cells += [wording.decimal(fell["after"]), with_interval(fell, "fall", "")]
        rows.append(Row(name, cells, name))
    columns = [text for cover in COVERS.values() for text in (cover.capitalize(), "fall")]
    return Table("AUROC with a part of the image covered", ["Class", "As it is", *columns], rows)


def exchanged_table(inputs: Inputs) -> Table:
    """AUROC with the corners of like and of unlike images, and the verdict."""
    assert inputs.probes is not None
    rows = []
    for name, found in inputs.probes["per_class"].items():
        fell, reason = found["exchanged"], found["reason"]
        cells: list[Cell] = [undefined(reason)] * 5
        if fell:
            cells = [value(fell[key], reason) for key in ("before", "after")]
            cells += [with_interval(fell, "fall", ""), wording.decimal(fell["change"])]
            cells.append("shortcut" if name in inputs.probes["shortcuts"] else "none seen")
        rows.append(Row(name, cells, name))
    columns = ["Class", "Same label", "Other label", "Fall", "Mean change of score", "Verdict"]
    return Table("AUROC with the corners of other images", columns, rows)
