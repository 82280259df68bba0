"""Examples: the most confident predictions, right and wrong."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.report import wording
from thorax.report.components import Section, render
from thorax.report.inputs import Inputs, has_label
from thorax.report.thumbnails import data_uri, layer, side_for

PIXELS = 12_000_000  # of all pictures together: about 3 MB
OTHERS = 3  # probabilities under an image, beside that of the class itself


@dataclass(frozen=True)
class Kind:
    """One way to be right or wrong about a class."""

    title: str
    present: bool
    predicted: bool
    meaning: str

    @property
    def right(self) -> bool:
        """Whether prediction and truth agree."""
        return self.present == self.predicted


TP = Kind("True positives", True, True, "highest probability first")
FN = Kind("False negatives", True, False, "lowest probability first")
FP = Kind("False positives", False, True, "highest probability first")
TN = Kind("True negatives", False, False, "lowest probability first")


@dataclass(frozen=True)
class Probability:
    """Probability of a class for one image, and whether the class is there."""

    name: str
    value: float
    true: bool | None


@dataclass(frozen=True)
class Example:
    """One image with its truth, its probabilities and, where there is one, its Grad-CAM."""

    image_id: str
    uri: str
    truth: str
    probabilities: list[Probability]
    evidence: str | None


@dataclass(frozen=True)
class Strip:
    """The most confident images of one kind, and how many there are of it."""

    kind: Kind
    total: int
    examples: list[Example]


def section(inputs: Inputs) -> Section:
    body = render(
        "examples.html",
        inputs=inputs,
        subset=wording.in_sentence(wording.subset_name(inputs.headline)),
        classes={name: strips(inputs, name) for name in inputs.model.outputs},
    )
    return Section("examples", "Examples", body)


def strips(inputs: Inputs, name: str) -> list[Strip]:
    """The most confident images of each kind for one class.

    Of many classes the true negatives are most of the data; they are shown of a single one.
    """
    kinds = [TP, *([TN] if len(inputs.model.outputs) == 1 else []), FP, FN]
    table, number = inputs.predictions[inputs.headline], inputs.options.examples
    pictures = number * len(kinds) * len(inputs.model.outputs)
    side = side_for(pictures, PIXELS, max(inputs.images.shape[1:]))
    shown = []
    for kind in kinds:
        rows = of_kind(table, name, kind)
        chosen = one_per_patient(table, rows)[:number]
        shown.append(Strip(kind, len(rows), [_example(inputs, row, name, side) for row in chosen]))
    return shown


def of_kind(table: pd.DataFrame, name: str, kind: Kind) -> list[int]:
    """Row numbers of one kind, the most confident first; ties in the order of the table."""
    actual = (table[f"y_{name}"] == (1 if kind.present else 0)).to_numpy()
    chosen = np.flatnonzero(actual & (predicted(table, name) == kind.predicted))
    p = table[f"p_{name}"].to_numpy()[chosen]
    order = np.argsort(-p if kind.predicted else p, kind="stable")
    return [int(row) for row in chosen[order]]


def predicted(table: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Whether a class is predicted of each image."""
    return np.array([f"|{name}|" in f"|{text}|" for text in table["predicted"]], dtype=bool)


def one_per_patient(table: pd.DataFrame, rows: list[int]) -> list[int]:
    """The first row of each patient: five pictures of one chest say little more than one."""
    patients = pd.Series(table["patient_id"].to_numpy()[rows], index=rows)
    return [int(row) for row in patients.drop_duplicates().index]


def _example(inputs: Inputs, row: int, name: str, side: int) -> Example:
    table = inputs.predictions[inputs.headline]
    image_id = str(table["image_id"].iloc[row])
    cached = inputs.table[inputs.table["image_id"] == image_id]
    image = inputs.images[cached.index[0]]
    (text,) = truths(inputs, cached)
    shown = probabilities(table.iloc[row], inputs.model.outputs, name)
    cam = inputs.gradcam.map_of(image_id, name)
    evidence = None if cam is None else data_uri(layer(cam))
    return Example(image_id, data_uri(image, side), text, shown, evidence)


def truths(inputs: Inputs, cached: pd.DataFrame) -> list[str]:
    """What each of some cached images shows, in words."""
    classes = inputs.dataset.classes
    shown = np.array([has_label(cached, name) for name in classes]).T
    names = ([name for name, there in zip(classes, row, strict=True) if there] for row in shown)
    return [wording.listed(each) or "none of the classes" for each in names]


def probabilities(row: "pd.Series[float]", outputs: list[str], name: str) -> list[Probability]:
    """Probability of the class itself, then the highest of the others."""
    others = sorted((n for n in outputs if n != name), key=lambda n: -float(row[f"p_{n}"]))
    shown = []
    for output in [name, *others[:OTHERS]]:
        y = row[f"y_{output}"]
        true = None if pd.isna(y) else bool(y == 1)
        shown.append(Probability(output, float(row[f"p_{output}"]), true))
    return shown
