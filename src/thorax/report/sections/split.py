"""Split: who is in which subset, as a clinical paper's first table, and what subsets share."""

from collections.abc import Callable
from operator import attrgetter

import pandas as pd

from thorax.artifacts.data import Overlap, Shared
from thorax.report import wording
from thorax.report.components import Cell, Row, Section, Table, render
from thorax.report.inputs import Run, has_label
from thorax.report.sections.data import age_range
from thorax.report.thumbnails import Picture, data_uri

METHODS = {
    "patient": ("by patient", "Whole patients were assigned to subsets, stratified by class."),
    "official": ("official", "The test set is the publisher's; the rest was assigned by patient."),
    "random": (
        "by image, leaky",
        "Single images were assigned to subsets, regardless of the patient.",
    ),
    "official-random": (
        "official, validation by image, leaky",
        "The test set is the publisher's; single images of the rest were assigned, regardless of"
        " the patient.",
    ),
    "official-folders": ("official folders", "Every subset is a folder of the publisher's."),
}
_UNKNOWN = {  # of the methods that go by patient
    "patient": (
        "by image, patients unknown",
        "Images were assigned to subsets, stratified by class, without knowing the patients.",
    ),
    "official": (
        "official, patients unknown",
        "The test set is the publisher's; the rest was assigned without knowing the patients.",
    ),
}
# What two subsets may share, and where the audit has it.
KINDS: dict[str, Callable[[Overlap], Shared]] = {
    "Identical bytes": attrgetter("identical"),
    "Near-identical": attrgetter("near_identical"),
    "Same file name": attrgetter("same_name"),
    "Same patient": attrgetter("shared_patients"),
}
PAIRS = 12  # shown at most
SIDE = 160  # pixels


def section(inputs: Run) -> Section:
    split, overlaps = inputs.split, inputs.leakage.overlaps
    body = render(
        "split.html",
        inputs=inputs,
        patients=patients(inputs),
        method=method(inputs)[1],
        checks={
            "Groups in two subsets": split.split_groups,
            "Byte-identical images": split.identical_images,
            "Near-identical pairs": split.near_identical_pairs,
        },
        subsets=subset_table(inputs),
        audit=audit_table(inputs),
        rules=rule_table(overlaps),
        pairs=pairs(inputs),
        clean=not any(kind(overlap).images for overlap in overlaps for kind in KINDS.values()),
    )
    return Section("split", "Split", body)


def method(inputs: Run) -> tuple[str, str]:
    """How subsets were drawn, in short and as a sentence."""
    methods = METHODS | (_UNKNOWN if inputs.dataset.patients_unknown else {})
    return methods[inputs.split.settings.method]


def patients(inputs: Run) -> str:
    """Who says who a patient is, as a sentence."""
    rule = inputs.dataset.patient_rule
    known = {
        "listed": "The data set names the patients.",
        "headers": "The DICOM headers name the patients; keyed pseudonyms stand for them.",
        "none": "Patients are unknown: every image counts as one of its own.",
        "pattern": "Patients are inferred from file names by data.patient_pattern.",
    }
    return known.get(rule, f"Patients are inferred from file names by the rule {rule}.")


def subset_table(inputs: Run) -> Table:
    """Patients, views and classes of each subset."""
    table, names = inputs.table, list(inputs.split.subsets)
    subsets = [table[table["split"] == name] for name in names]
    rows = [
        Row("Images", [wording.count(len(subset)) for subset in subsets]),
        Row("Patients", [inputs.patients(subset["patient_id"].nunique()) for subset in subsets]),
    ]
    if table["age"].notna().any():
        rows.append(Row("Age, median (quartiles)", [age_range(s["age"]) for s in subsets]))
    for column, value, title in (("sex", "F", "Female"), ("view", "AP", "AP view")):
        if (table[column] != "").any():
            rows.append(Row(f"{title}, images", [_counted(s[column] == value) for s in subsets]))
    for name in inputs.dataset.classes:
        cells = [_counted(pd.Series(has_label(subset, name))) for subset in subsets]
        rows.append(Row(name, [*cells], name if name in inputs.model.outputs else None))
    columns = ["", *(wording.subset_name(name) for name in names)]
    return Table("Images, patients and classes of each subset", columns, rows)


def _counted(mask: "pd.Series[bool]") -> str:
    return wording.with_percent(mask.sum(), len(mask))


def audit_table(inputs: Run) -> Table:
    """Images of the second subset concerned, a row for each two subsets."""

    def cells(overlap: Overlap) -> list[Cell]:
        counts: list[Cell] = [wording.count(kind(overlap).images) for kind in KINDS.values()]
        if not overlap.shared_patients.images:
            counts[list(KINDS).index("Same patient")] = inputs.patients(0)
        return counts

    rows = [Row(_named(overlap), cells(overlap)) for overlap in inputs.leakage.overlaps]
    return Table("Images with a counterpart in another subset", ["Subsets", *KINDS], rows)


def rule_table(overlaps: list[Overlap]) -> Table | None:
    """The same by patient-ID rule, where there are several."""
    rules = list(dict.fromkeys(rule for o in overlaps for rule in o.shared_patients.by_rule))
    if len(rules) < 2:
        return None
    rows = [
        Row(_named(o), [wording.count(o.shared_patients.by_rule.get(rule, 0)) for rule in rules])
        for o in overlaps
    ]
    return Table("Images of shared patients by patient-ID rule", ["Subsets", *rules], rows)


def _named(overlap: Overlap) -> str:
    return f"{overlap.a} / {overlap.b}"


def pairs(inputs: Run) -> list[tuple[str, list[Picture]]]:
    """Pictures of pairs that look or read the same, and of shared patients last."""
    rows = {image_id: row for row, image_id in enumerate(inputs.table["image_id"])}
    shown = [
        (f"{title}, {_named(overlap)}", ids)
        for title, kind in KINDS.items()
        for overlap in inputs.leakage.overlaps
        for ids in kind(overlap).examples
    ]
    return [
        (title, [Picture(data_uri(inputs.images[rows[i]], SIDE), f"Radiograph {i}", i)
                 for i in ids])
        for title, ids in shown[:PAIRS]
    ]  # fmt: skip
