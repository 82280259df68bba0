"""Examples: the images the model was surest about, right and wrong."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from thorax.report import wording
from thorax.report.components import Section, render
from thorax.report.inputs import Inputs
from thorax.report.thumbnails import data_uri, side_for

PIXELS = 12_000_000  # of all pictures together: about 3 MB
OPEN = 6  # classes whose examples are unfolded at first; more would bury the rest of the page
SHOWN = 3  # probabilities under an image, beside that of the class itself


@dataclass(frozen=True)
class Kind:
    """One way to be right or wrong about a class."""

    title: str
    plural: str
    right: bool
    present: bool
    decided: bool
    meaning: str


FOUND = Kind(
    "Found", "found", True, True, True, "present and called present, highest probability first"
)
MISSED = Kind(
    "Missed", "missed", False, True, False, "present but not called, lowest probability first"
)
ALARM = Kind(
    "False alarm",
    "false alarms",
    False,
    False,
    True,
    "absent but called, highest probability first",
)
CLEARED = Kind(
    "Cleared", "cleared", True, False, False, "absent and not called, lowest probability first"
)


@dataclass(frozen=True)
class Probability:
    """Probability of a class for one image, and whether the class is there."""

    name: str
    text: str
    percent: float
    true: bool | None
    own: bool


@dataclass(frozen=True)
class Example:
    """One image with its truth and its probabilities."""

    image_id: str
    uri: str
    alt: str
    truth: str
    probabilities: list[Probability]


@dataclass(frozen=True)
class Strip:
    """The surest images of one kind, and how many there are of it."""

    kind: Kind
    total: int
    examples: list[Example]


def section(inputs: Inputs) -> Section:
    """The examples."""
    part = inputs.headline
    body = render(
        "examples.html",
        inputs=inputs,
        part=wording.part_name(part, len(inputs.models)).lower(),
        open=OPEN,
        classes=[(name, strips(inputs, name)) for name in inputs.outputs],
    )
    return Section("examples", "Examples", body)


def kinds(inputs: Inputs) -> list[Kind]:
    """The kinds shown; with several outputs, an absent class is another one's present."""
    return [FOUND, *([CLEARED] if len(inputs.outputs) == 1 else []), ALARM, MISSED]


def strips(inputs: Inputs, name: str) -> list[Strip]:
    """The surest images of each kind for one class, from the part that comes first."""
    table = inputs.predictions[inputs.headline]
    shown = kinds(inputs)
    number = inputs.options.examples
    side = side_for(number * len(shown) * len(inputs.outputs), PIXELS)
    found = []
    for kind in shown:
        rows = of_kind(table, name, kind)
        examples = [
            _example(inputs, row, name, side) for row in one_a_patient(table, rows)[:number]
        ]
        found.append(Strip(kind, len(rows), examples))
    return found


def of_kind(table: pd.DataFrame, name: str, kind: Kind) -> list[int]:
    """Row numbers of the predictions of one kind, the surest first; equals in the table's order."""
    present = table[f"y_{name}"] == (1 if kind.present else 0)
    decided = np.array([_names(text, name) for text in table["predicted"]], dtype=bool)
    chosen = np.flatnonzero(present.to_numpy() & (decided == kind.decided))
    p = table[f"p_{name}"].to_numpy()[chosen]
    order = np.argsort(-p if kind.decided else p, kind="stable")
    return [int(row) for row in chosen[order]]


def one_a_patient(table: pd.DataFrame, rows: list[int]) -> list[int]:
    """The first row of each patient: five pictures of one chest say little more than one."""
    return [
        int(row) for row in table.iloc[rows].reset_index().drop_duplicates("patient_id")["index"]
    ]


def _names(text: str, name: str) -> bool:
    return f"|{name}|" in f"|{text}|"


def _example(inputs: Inputs, row: int, name: str, side: int) -> Example:
    table = inputs.predictions[inputs.headline]
    image_id = str(table["image_id"].iloc[row])
    cache_row = inputs.cohort.index[inputs.cohort["image_id"] == image_id][0]
    truth = [n for n in inputs.classes if inputs.cohort[f"label_{n}"].iloc[cache_row] == 1]
    text = wording.listed(truth) or "none of the classes"
    return Example(
        image_id,
        data_uri(inputs.images[cache_row], side),
        f"Radiograph {image_id}. Truth: {text}",
        text,
        probabilities(table.iloc[row], inputs.outputs, name),
    )


def probabilities(row: "pd.Series[float]", outputs: list[str], name: str) -> list[Probability]:
    """Probability of the class itself, then the highest of the others."""
    others = sorted((n for n in outputs if n != name), key=lambda n: -float(row[f"p_{n}"]))
    found = []
    for output in [name, *others[:SHOWN]]:
        p, y = float(row[f"p_{output}"]), row[f"y_{output}"]
        true = None if pd.isna(y) else bool(y == 1)
        found.append(
            Probability(output, wording.decimal(p), round(100 * p, 1), true, output == name)
        )
    return found
