import numpy as np
import pandas as pd
import pytest

from thorax.download.sources.base import LabelTable
from thorax.download.validate import validate
from thorax.errors import DataError
from thorax.io import MANIFEST_COLUMNS


def _labeled(task="multi-label", rows=4, **columns):
    table = pd.DataFrame(
        {
            "image_id": [f"{i}.png" for i in range(rows)],
            "location": [f"x/{i}.png" for i in range(rows)],
            "patient_id": [str(i) for i in range(rows)],
            "sha256": [f"{i:064x}" for i in range(rows)],
            "label_a": [1.0, 0.0] * (rows // 2),
            "label_b": [0.0, 1.0] * (rows // 2),
        },
        index=[f"row {i + 2}" for i in range(rows)],
    ).assign(**columns)
    return LabelTable(task, "b" if task == "binary" else None, table, [])


def _problem(labeled):
    with pytest.raises(DataError) as caught:
        validate(labeled, "here")
    return str(caught.value)


def test_columns_and_order():
    labeled = _labeled(image_id=["d", "B", "a", "c"])
    table = validate(labeled, "here").table
    assert table.columns.tolist() == [*MANIFEST_COLUMNS, "label_a", "label_b"]
    assert table["image_id"].tolist() == ["B", "a", "c", "d"]
    assert table["view"].tolist() == [""] * 4


def test_sex():
    labeled = validate(_labeled(sex=["M", "female", "Unknown", " f "]), "here")
    assert labeled.table["sex"].tolist() == ["M", "F", "", "F"]
    assert labeled.notes == []
    notes = validate(_labeled(sex=["M", "X", "2", "2"]), "here").notes
    assert notes == ["3 rows have an unknown sex ('2', 'X'); left empty."]


def test_view():
    labeled = validate(_labeled(view=["pa", "AP Supine", "LL", "CT"]), "here")
    assert labeled.table["view"].tolist() == ["PA", "AP", "LATERAL", ""]
    assert labeled.notes == ["1 rows have an unknown view ('CT'); left empty."]


@pytest.mark.parametrize(
    ("text", "years"),
    [("58", "58"), ("058Y", "58"), ("0", "0"), ("120", "120"), ("58.0", "58"), ("6M", "0.5"),
     ("026W", "0.5"), ("030D", "0.08"), ("", ""), (" 7 ", "7")],
)  # fmt: skip
def test_ages(text, years):
    labeled = validate(_labeled(age=["1", "2", "3", text]), "here")
    assert labeled.table["age"].tolist()[3] == years
    assert labeled.notes == []


@pytest.mark.parametrize("text", ["121", "414Y", "-1", "old", "1e1"])
def test_impossible_ages_become_missing_and_are_counted(text):
    labeled = validate(_labeled(age=["1", text, "3", text]), "here")
    assert labeled.table["age"].tolist() == ["1", "", "3", ""]
    assert labeled.notes == [f"2 ages outside 0-120 years ({text!r}) became missing."]


def test_identical_rows_merge_whatever_their_place():
    labeled = _labeled(image_id=["a", "b", "a", "d"], patient_id=["1", "2", "1", "3"],
                       sha256=["a", "b", "a", "d"])  # fmt: skip
    result = validate(labeled, "here")
    assert result.table["image_id"].tolist() == ["a", "b", "d"]
    assert result.notes == ["1 rows repeat an image that is listed already; merged."]


def test_contradicting_rows_are_all_listed():
    text = _problem(_labeled(image_id=["a", "a", "b", "b"], sha256=["a", "a", "b", "b"],
                             patient_id=["1", "1", "2", "3"]))  # fmt: skip
    assert "2 images are listed more than once with different content" in text
    assert "a (row 2 and row 3 differ in label_a, label_b)" in text
    assert "b (row 4 and row 5 differ in patient_id, label_a, label_b)" in text


def test_two_unknown_labels_do_not_differ():
    same = {"image_id": ["a", "a", "b", "c"], "sha256": list("aabc"), "patient_id": list("1123")}
    labels = {"label_a": [np.nan, np.nan, 0, 1], "label_b": [1.0, 1, 0, 1]}
    assert len(validate(_labeled(**same, **labels), "here").table) == 3


def test_missing_patients():
    text = _problem(_labeled(patient_id=["1", "", "2", " "]))
    assert "2 images have no patient" in text
    assert "1.png (row 3), 3.png (row 5)" in text


def test_one_patient():
    assert "4 images of 1 patient; at least 2" in _problem(_labeled(patient_id=["1"] * 4))


def test_one_class():
    text = _problem(_labeled("binary", label_a=[1.0] * 4, label_b=[0.0] * 4))
    assert "Only one class occurs (a of a, b)" in text
    text = _problem(_labeled(label_a=[0.0] * 4, label_b=[0.0] * 4))
    assert "Only one class occurs (none of a, b)" in text


def test_a_class_without_positives_beside_others_is_noted():
    notes = validate(_labeled(label_b=[0.0] * 4), "here").notes
    assert notes == ["b: no image with a known label has it; nothing to learn."]


@pytest.mark.parametrize("task", ["binary", "multi-class"])
def test_exclusive_classes(task):
    text = _problem(_labeled(task, label_a=[1.0, 0, 1, 1], label_b=[0.0, 1, 1, 0]))
    assert f"1 images have no class or several, but the task is {task}" in text
    assert "2.png (row 4)" in text
    labels = {"label_a": [1.0, 0, np.nan, np.nan], "label_b": [0.0, 1, np.nan, 0]}
    labeled = validate(_labeled(task, **labels), "here")
    assert labeled.table["image_id"].tolist() == ["0.png", "1.png"]
    assert labeled.notes == ["2 images left out, because none of their labels is known."]


def test_images_without_any_known_label_are_left_out():
    labels = {"label_a": [1.0, 0, np.nan, np.nan], "label_b": [0.0, 1, 1, np.nan]}
    labeled = validate(_labeled(**labels), "here")
    assert labeled.table["image_id"].tolist() == ["0.png", "1.png", "2.png"]
    assert np.isnan(labeled.table["label_a"][2])


def test_byte_identical_images_stay_and_are_counted():
    notes = validate(_labeled(sha256=["x", "x", "y", "z"]), "here").notes
    assert notes == [
        "2 images are byte-identical to another one, in 1 groups, 1 of which have different labels."
    ]


def test_byte_identical_images_of_one_label_do_not_disagree():
    labels = {"label_a": [1.0, 1, 0, 0], "label_b": [0.0, 0, 1, 1]}
    notes = validate(_labeled(sha256=["x", "x", "y", "z"], **labels), "here").notes
    assert notes[0].endswith("in 1 groups, 0 of which have different labels.")


def test_problems_of_the_source_and_of_validation_come_together():
    labeled = _labeled(patient_id=["1", "", "2", "3"], image_id=["", "b", "c", "d"])
    labeled.problems.append("first of all")
    text = _problem(labeled)
    assert text.startswith("3 problems in here:\n- first of all\n")
    assert "1 rows name no image: row 2" in text


def test_nothing_left():
    labeled = _labeled(label_a=[np.nan] * 4, label_b=[np.nan] * 4)
    assert "No image is left" in _problem(labeled)
