"""Where findings lie, as radiologists boxed them or as a phantom knows it, in original pixels.

A region is one or several rings of corners, written `x y x y …;x y …`; a box has four corners, and
a ring inside of a ring is a hole. Whole numbers are edges of pixels, not centres.
"""

import csv
import io

import pandas as pd

from thorax.archives import Survey, path_in_data

BOXES, OUTLINES = "bbox_list_2017.csv", "outlines.csv"
COLUMNS = ["image_id", "finding", "rings"]
_OTHER_NAMES = {"Infiltrate": "Infiltration"}  # NIH's table of boxes abbreviates this one label


def regions(survey: Survey) -> pd.DataFrame:
    """One row a region: image, finding, rings; boxes only where nothing was outlined exactly."""
    outlines, boxes = _rows(survey, OUTLINES), _rows(survey, BOXES)
    drawn = pd.DataFrame([line for line in outlines if len(line) == 3 and line[2]], columns=COLUMNS)
    boxed = pd.DataFrame([_boxed(line) for line in boxes if len(line) >= 6], columns=COLUMNS)
    exact = pd.MultiIndex.from_frame(drawn[COLUMNS[:2]])
    rest = boxed[~pd.MultiIndex.from_frame(boxed[COLUMNS[:2]]).isin(exact)]
    return pd.concat([drawn, rest], ignore_index=True)


def _rows(survey: Survey, name: str) -> list[list[str]]:
    return [
        line
        for place, content in sorted(survey.tables.items())
        if path_in_data(place).rpartition("/")[2].lower() == name
        for line in list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:]
    ]


def _boxed(line: list[str]) -> list[str]:
    """NIH's header does not fit its rows (`Bbox [x,y,w,h]` is four columns): read by position."""
    image, finding, *numbers = line[:6]
    x, y, width, height = map(float, numbers)
    right, low = x + width, y + height
    ring = f"{x:g} {y:g} {right:g} {y:g} {right:g} {low:g} {x:g} {low:g}"
    return [image, _OTHER_NAMES.get(finding, finding), ring]
