"""Boxes that radiologists (or a phantom's truth) drew around findings, in original pixels."""

import csv
import io

import pandas as pd

from thorax.archives import Survey
from thorax.sources.places import path_in_data

NAME = "bbox_list_2017.csv"
COLUMNS = ["image_id", "finding", "x", "y", "width", "height"]
_OTHER_NAMES = {"Infiltrate": "Infiltration"}  # NIH's table of boxes abbreviates this one label


def boxes(survey: Survey) -> pd.DataFrame:
    """One row a box: image, finding, left, top, width and height; empty where there are none.

    NIH's table has a header that its rows do not fit (`Bbox [x,y,w,h]` is four columns), so it is
    read by position.
    """
    rows: list[list[object]] = []
    for place, content in sorted(survey.tables.items()):
        if path_in_data(place).rpartition("/")[2].lower() != NAME:
            continue
        _, *lines = csv.reader(io.StringIO(content.decode("utf-8-sig")))
        for line in lines:
            if len(line) >= len(COLUMNS):
                image, finding, *numbers = line[: len(COLUMNS)]
                rows.append([image, _OTHER_NAMES.get(finding, finding), *map(float, numbers)])
    return pd.DataFrame(rows, columns=COLUMNS)
