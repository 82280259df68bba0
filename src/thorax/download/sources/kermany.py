"""Kermany et al. 2018: pediatric pneumonia, from Mendeley (v2, v3) or Kaggle.

Labels and the official split are folder names; patients can be inferred from file names alone, by
a disputed rule, so it is a parameter (`data.patient_id`, see docs/sources.md).
"""

import pandas as pd

from thorax.archives import path_in_data
from thorax.config import Data
from thorax.download.sources.base import Item, LabelTable
from thorax.download.sources.match import SPLITS
from thorax.download.sources.patients import infer_patients
from thorax.download.sources.tables import listed
from thorax.errors import DataError
from thorax.io import LABEL
from thorax.survey import Survey

CLASSES = ("NORMAL", "PNEUMONIA")

# Mendeley Data, version 2 of 2018, doi:10.17632/rscbjbr9sj.2:
# https://data.mendeley.com/datasets/rscbjbr9sj/2
ITEMS = (
    Item(
        "ChestXRay2017.zip",
        "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
        "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
        1_235_512_464,
        sha256="13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36",
    ),
)


def read(survey: Survey, data: Data) -> LabelTable:
    """List the images in folders NORMAL and PNEUMONIA, under train, val and test where they exist.

    Copies of one file in nested folders (as in Kaggle's archive) have the same `image_id`, so that
    validation merges them. Other folders, such as version 3's retinal OCT, are left out.

    Raises:
        DataError: no image stands in a class folder.
    """
    rows, left_out = [], []
    for location, sha256 in survey.images.items():
        *above, folder, name = ["", "", *path_in_data(location).split("/")]
        if folder.upper() not in CLASSES or "OCT" in above:
            left_out.append(location)
            continue
        split_folder = above[-1].lower() if above[-1].lower() in SPLITS else ""
        split = SPLITS.get(split_folder, "")
        image_id = "/".join(filter(None, (split_folder, folder.upper(), name)))
        labels = [float(folder.upper() == name) for name in CLASSES]
        rows.append((image_id, location, split, sha256, *labels))
    if not rows:
        raise DataError(
            f"{survey.root} holds no image in a folder NORMAL or PNEUMONIA ({len(left_out):,} "
            "elsewhere). Point data.path at the unpacked or packed data set, or set data.source: "
            "folder for class folders of your own."
        )
    columns = ["image_id", "location", "official_split", "sha256"]
    columns += [LABEL + name for name in CLASSES]
    table = pd.DataFrame(rows, columns=columns, index=[row[1] for row in rows])
    inferred = infer_patients(table["image_id"].tolist(), table["official_split"].tolist(), data)
    table["patient_id"] = inferred.patients
    notes = list(inferred.notes)
    if left_out:
        elsewhere = f"{len(left_out):,} images outside NORMAL and PNEUMONIA left out: "
        notes.append(elsewhere + listed(left_out[:2]))
    problems = []
    if inferred.unnamed:
        problems.append(
            f"{len(inferred.unnamed):,} file names identify no patient, as person1_virus_2.jpeg and"
            f" IM-0001-0001.jpeg do: {listed(inferred.unnamed)}. Remove or rename them, or set "
            "data.patient_id: none, which takes every image for a patient of its own."
        )
    return LabelTable("binary", "PNEUMONIA", table, notes, problems, inferred.rule)
