"""Kermany et al. 2018: paediatric pneumonia, from Mendeley (v2, v3) or Kaggle.

Labels and the official split are folder names; who is one patient is told by file names alone and
disputed, so it is a parameter (`data.patient_id`, see docs/sources.md).
"""

import pandas as pd

from thorax.archives import Survey, path_in_data
from thorax.config import Data
from thorax.download.sources.base import Dataset
from thorax.download.sources.columns import listed
from thorax.download.sources.match import SPLITS
from thorax.errors import DataError
from thorax.patient_ids import kermany_patient

CLASSES = ("NORMAL", "PNEUMONIA")


def read(survey: Survey, data: Data) -> Dataset:
    """List the images in folders NORMAL and PNEUMONIA, under train, val and test where they exist.

    Copies of one file in nested folders (as in Kaggle's archive) have the same `image_id`, so that
    validation merges them. Other folders, such as version 3's retinal OCT, are left out.

    Raises:
        DataError: no image stands in a class folder.
    """
    rows, left_out, nameless = [], [], []
    for location, sha256 in survey.images.items():
        *above, folder, name = ["", "", *path_in_data(location).split("/")]
        if folder.upper() not in CLASSES or "OCT" in above:
            left_out.append(location)
            continue
        split = above[-1] if above[-1].lower() in SPLITS else ""
        part = SPLITS.get(split.lower(), "")
        image_id = "/".join(filter(None, (split.lower(), folder.upper(), name)))
        patient_id = kermany_patient(name, part, data.patient_id)
        nameless += [] if patient_id else [location]
        rows.append((image_id, location, patient_id or image_id, part, sha256, folder.upper()))
    if not rows:
        raise DataError(
            f"{survey.root} holds no image in a folder NORMAL or PNEUMONIA ({len(left_out):,} "
            "elsewhere). Point data.path at the unpacked or packed data set, or set data.source: "
            "folder for class folders of your own."
        )
    columns = ["image_id", "location", "patient_id", "official_split", "sha256", "label"]
    table = pd.DataFrame(rows, columns=columns, index=[row[1] for row in rows])
    for name in CLASSES:
        table[f"label_{name}"] = (table["label"] == name).astype(float)
    notes = [f"Patients told from file names by the rule `{data.patient_id}`."]
    if left_out:
        elsewhere = f"{len(left_out):,} images outside NORMAL and PNEUMONIA left out: "
        notes.append(elsewhere + listed(left_out[:2]))
    problems = []
    if nameless:
        problems.append(
            f"{len(nameless):,} file names tell no patient, as person1_virus_2.jpeg and "
            f"IM-0001-0001.jpeg do: {listed(nameless)}. Remove or rename them, or set data.source: "
            "folder, which takes every image for a patient of its own."
        )
    return Dataset("binary", "PNEUMONIA", table.drop(columns="label"), notes, problems)
