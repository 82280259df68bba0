"""Where findings lie, as radiologists boxed them or as a phantom knows it, in original pixels.

An annotation is one polygon or several, written `x y x y …;x y …`; a box has four corners, and a
polygon inside of another is a hole. Whole numbers are edges of pixels, not centers.
"""

import math
from collections.abc import Callable

import pandas as pd

from thorax.archives import file_name
from thorax.download.sources.tables import decode, listed, read_rows
from thorax.errors import DataError
from thorax.survey import Survey

BOXES, OUTLINES = "bbox_list_2017.csv", "outlines.csv"
COLUMNS = ["image_id", "finding", "polygons"]
_OTHER_NAMES = {"Infiltrate": "Infiltration"}  # NIH's table of boxes abbreviates this one label


def read_annotations(survey: Survey) -> pd.DataFrame:
    """One row per annotation: `COLUMNS`; boxes only of findings without an exact outline.

    Raises:
        DataError: a table is broken, with its name and its rows.
    """
    outlines, boxes = _read(survey, OUTLINES, 3, _outline), _read(survey, BOXES, 6, _box)
    exact = pd.MultiIndex.from_frame(outlines[COLUMNS[:2]])
    rest = boxes[~pd.MultiIndex.from_frame(boxes[COLUMNS[:2]]).isin(exact)]
    return pd.concat([outlines, rest], ignore_index=True)


def _read(
    survey: Survey, name: str, columns: int, polygons: Callable[[list[str]], str]
) -> pd.DataFrame:
    """Read every table of a name by position: image, finding, and cells that `polygons` reads.

    Names of columns are of no use: NIH's `Bbox [x,y,w,h]` is four of them, and its header is longer
    than its rows.
    """
    annotations, wrong = [], []
    for place, content in sorted(survey.tables.items()):
        if file_name(place).lower() != name:
            continue
        rows = read_rows(decode(content, place), place, ",")
        width = max(columns, len(rows.pop(min(rows, default=0), [])))
        for number, row in rows.items():
            try:
                image, finding, *cells = _cut(row, columns, width)
                image = survey.alias(image)
                annotations.append((image, _OTHER_NAMES.get(finding, finding), polygons(cells)))
            except ValueError as error:
                wrong.append(f"row {number} of {place} ({error})")
    if wrong:
        raise DataError(
            f"{len(wrong):,} rows are no annotation: {listed(wrong)}. Correct them or fetch the "
            "table again; rename it if it is something else."
        )
    return pd.DataFrame([row for row in annotations if row[2]], columns=COLUMNS, dtype=str)


def _cut(row: list[str], columns: int, width: int) -> list[str]:
    if not columns <= len(row) <= width:
        raise ValueError(f"{len(row)} cells instead of {columns}")
    return row[:columns]


def _box(cells: list[str]) -> str:
    x, y, width, height = _numbers(cells)
    right, low = x + width, y + height
    return f"{x:g} {y:g} {right:g} {y:g} {right:g} {low:g} {x:g} {low:g}"


def _outline(cells: list[str]) -> str:
    (text,) = cells
    for polygon in text.split(";") if text else ():
        numbers = len(_numbers(polygon.split()))
        if numbers < 6 or numbers % 2:
            raise ValueError(f"a polygon of {numbers} numbers; x and y of 3 corners are the least")
    return text


def _numbers(texts: list[str]) -> list[float]:
    numbers = [float(text) for text in texts]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"no finite number: {' '.join(texts)!r}")
    return numbers
