"""Leakage audit: what the sides of the split share, with the pairs to look at."""

from typing import Any

from thorax.report import wording
from thorax.report.components import Row, Section, Table, render
from thorax.report.inputs import Inputs
from thorax.report.thumbnails import Picture, data_uri

PAIRS = 12  # shown at most
SIDE = 160  # pixels
KINDS = {
    "shared_patients": "Same patient",
    "identical": "Identical bytes",
    "near_identical": "Near-identical",
    "same_name": "Same file name",
}


def section(inputs: Inputs) -> Section:
    """The audit."""
    sides = inputs.leakage["sides"]
    body = render(
        "leakage.html",
        table=counts(sides),
        rules=rules(sides),
        pairs=pairs(inputs, sides),
        clean=not any(each[kind]["images"] for each in sides for kind in KINDS),
    )
    return Section("leakage", "Leakage audit", body)


def counts(sides: list[dict[str, Any]]) -> Table:
    """Images of the second side concerned, a row for each two sides."""
    rows = [
        Row(named(each), [wording.count(each[kind]["images"]) for kind in KINDS]) for each in sides
    ]
    return Table("Images that also stand on another side", ["Sides", *KINDS.values()], rows)


def rules(sides: list[dict[str, Any]]) -> Table | None:
    """The same by every rule that tells patients, where there are several."""
    names = list(dict.fromkeys(rule for e in sides for rule in e["shared_patients"]["by_rule"]))
    if len(names) < 2:
        return None
    rows = []
    for each in sides:
        found = each["shared_patients"]["by_rule"]
        rows.append(Row(named(each), [wording.count(found.get(name, 0)) for name in names]))
    return Table("Images of shared patients, by id rule", ["Sides", *names], rows)


def named(sides: dict[str, Any]) -> str:
    """Both sides for a reader, such as `train / test`."""
    return f"{sides['a']} / {sides['b']}"


def pairs(inputs: Inputs, sides: list[dict[str, Any]]) -> list[tuple[str, list[Picture]]]:
    """Pictures of pairs that look or read the same, the kinds that weigh most first."""
    rows = {name: row for row, name in enumerate(inputs.cohort["image_id"])}
    found = []
    for kind, title in KINDS.items():
        for each in sides:
            for ids in each[kind]["examples"]:
                pictures = [
                    Picture(data_uri(inputs.images[rows[i]], SIDE), f"Radiograph {i}", i)
                    for i in ids
                ]
                found.append((f"{title}, {named(each)}", pictures))
    weighed = sorted(found, key=lambda item: item[0].startswith(KINDS["shared_patients"]))
    return weighed[:PAIRS]
