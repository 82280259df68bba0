"""A draft of an unknown table must be a card that reads, or say why it does not yet."""

import csv
import io

import cv2
import numpy as np
import pytest

from made_up import NIH_HEADER, nih_row, write_zip
from thorax.config import TableCard, check, parse_yaml
from thorax.draft import draft
from thorax.errors import DataError

PIXELS = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()


def hospital(folder, header, rows, names, *, encoding="utf-8", delimiter=","):
    """A table `t.csv` beside a folder of images."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    (folder / "t.csv").write_bytes(text.getvalue().encode(encoding))
    (folder / "images").mkdir()
    for name in names:
        (folder / "images" / name).write_bytes(PIXELS)
    return folder / "t.csv", folder / "images"


def drafted(table, images):
    """The text of a draft, and the keys that it gives."""
    text = draft(table, images)
    return text, parse_yaml(text)


def test_nih_is_recognized(tmp_path):
    labels = ["No Finding", "Effusion|Mass", "Mass", "No Finding", "Effusion", "Hernia|Mass"]
    ids = [f"{1 + number // 2:08d}_{number % 2:03d}.png" for number in range(6)]
    views = ["PA", "AP", "PA", "PA", "AP", "AP"]
    rows = [
        nih_row(name, label, view=view, sex="FM"[view == "AP"], age=str(30 + len(label)))
        for name, label, view in zip(ids, labels, views, strict=True)
    ]
    (tmp_path / "Data_Entry.csv").write_text("\n".join([NIH_HEADER, *rows]) + "\n")
    write_zip(tmp_path / "images.zip", dict.fromkeys(ids, PIXELS))
    text, card = drafted(tmp_path / "Data_Entry.csv", tmp_path)
    assert card == {
        "file": "Data_Entry.csv", "image": "Image Index", "patient": "Patient ID",
        "view": "View Position", "sex": "Patient Sex", "age": "Patient Age",
        "label": "Finding Labels", "separator": "|",
        "labels": {"Mass": "Mass", "No Finding": None, "Effusion": "Effusion", "Hernia": "Hernia"},
    }  # fmt: skip
    assert "6 images of 3 patients. multi-label: Mass 3, Effusion 2, Hernia 1." in text
    assert "Hernia: Hernia                         # 1 rows" in text
    assert "byte-identical" not in text  # no image was read


def test_columns_of_0_and_1_in_a_latin_1_table_with_semicolons(tmp_path):
    header = ["Datei", "PatientenNr", "Geschlecht", "Station", "Pneumonie", "Erguß"]
    rows = [
        [f"r{n}", f"{n // 2:03d}", "MF"[n % 2], "Süd", "01"[n % 2], ["1", "", "0"][n % 3]]
        for n in range(12)
    ]  # fmt: skip
    names = [f"r{n}.png" for n in range(12)]
    table, images = hospital(tmp_path, header, rows, names, encoding="latin-1", delimiter=";")
    text, card = drafted(table, images)
    assert card == {
        "file": "t.csv", "encoding": "cp1252", "image": "Datei", "suffix": ".png",
        "patient": "PatientenNr", "sex": "Geschlecht",
        "labels": {"Pneumonie": "Pneumonie", "Erguß": "Erguß"},
        "present": ["1"], "absent": ["0"], "blank": "unknown",
    }  # fmt: skip
    assert "12 images of 6 patients. multi-label: Pneumonie 6, Erguß 4." in text
    assert "4 cells of labels are blank, taken for unknown" in text
    assert "Station: Süd 12" in text


def test_words_joined_by_a_separator_views_and_blanks(tmp_path):
    findings = ["effusion; mass", "mass", "normal", "effusion", "", "uncertain"] * 2
    views = ["PA", "AP", "LATERAL"] * 4
    rows = [
        [f"img\\{n}.png", f"P{n // 3}", finding, view]
        for n, (finding, view) in enumerate(zip(findings, views, strict=True))
    ]
    header = ["filename", "subject_id", "findings", "projection"]
    names = [f"{n}.png" for n in range(12)]
    text, card = drafted(*hospital(tmp_path, header, rows, names))
    assert (card["label"], card["separator"]) == ("findings", ";")
    assert card["labels"] == {"effusion": "effusion", "mass": "mass", "normal": None}
    assert (card["unknown"], card["blank"]) == (["uncertain"], "unknown")
    assert (card["patient"], card["view"]) == ("subject_id", "projection")
    assert "keep: {projection: [PA, AP]}" in text
    assert "2 cells of labels are blank" in text


@pytest.mark.parametrize(
    ("words", "labels", "positive"),
    [
        (["0", "1"], {"0": "no tb", "1": "tb"}, "tb"),
        (["normal", "covid"], {"normal": "normal", "covid": "covid"}, "covid"),
    ],
)
def test_two_words_make_a_binary_task(tmp_path, words, labels, positive):
    rows = [[f"patient{n // 2}_{n}.png", words[n % 2]] for n in range(8)]
    text, card = drafted(*hospital(tmp_path, ["path", "tb"], rows, [row[0] for row in rows]))
    assert (card["task"], card["positive"], card["labels"]) == ("binary", positive, labels)
    assert "8 images of 4 patients" in text  # by the number in the names


def test_marks_that_never_say_absent_take_blank_for_it(tmp_path):
    rows = [[f"{n}.png", "x" * (n % 2), "x" * (n % 3 == 0)] for n in range(6)]
    names = [row[0] for row in rows]
    text, card = drafted(*hospital(tmp_path, ["file", "mass", "edema"], rows, names))
    assert (card["present"], card["blank"]) == (["x"], "absent")
    assert "nothing names patients" in text


def test_a_row_per_reader_is_merged(tmp_path):
    rows = [[f"{n // 2}.png", f"who{n // 4}", ["mass", "edema", "none"][n % 3]] for n in range(12)]
    names = [f"{n}.png" for n in range(6)]
    text, card = drafted(*hospital(tmp_path, ["image", "patient", "class"], rows, names))
    assert card["merge_rows"] is True
    assert card["labels"] == {"mass": "mass", "edema": "edema", "none": None}
    assert "12 rows merged into 6 images" in text


def test_a_column_named_after_findings_goes_before_yes_and_no(tmp_path):
    rows = [
        [f"{n}.png", n // 2, "YN"[n % 2], "NY"[n % 2], ["a", "b", "c"][n % 3]] for n in range(9)
    ]
    header = ["image", "patient", "died", "intubated", "finding"]
    text, card = drafted(*hospital(tmp_path, header, rows, [row[0] for row in rows]))
    assert (card["label"], card["task"]) == ("finding", "multi-class")
    assert "died: Y 5, N 4" in text


def test_a_draft_says_why_a_run_would_stop(tmp_path):
    rows = [[f"{n}.png", n, "01"[n % 2]] for n in range(6)]
    text, _ = drafted(*hospital(tmp_path, ["image", "patient", "mass"], rows, ["0.png", "1.png"]))
    assert "A run would stop with it" in text
    assert "4 of 6 images that t.csv names are not under" in text
    (tmp_path / "else").mkdir()
    rows = [[f"text {n}", f"free {n}"] for n in range(100)]
    text, card = drafted(*hospital(tmp_path / "else", ["note", "remark"], rows, ["a.png"]))
    assert "which column names the images" in text
    assert card["labels"] == {}
    assert "where are the labels?" in text


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "t.xlsx").touch()
    with pytest.raises(DataError, match="Export it as CSV"):
        draft(tmp_path / "t.xlsx", tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        draft(tmp_path / "none.csv", tmp_path)


def test_strange_names_survive_as_yaml(tmp_path):
    words = ["yes: sure", "# 1", "null", "'q' \"p\"", "0x1F", "- a", "ä b"]
    rows = [[f"{n}.png", n, words[n % len(words)]] for n in range(14)]
    header = ["image: file", "patient #", "label {x}"]
    _, card = drafted(*hospital(tmp_path, header, rows, [row[0] for row in rows]))
    assert set(card["labels"]) == set(words)
    assert check(card, TableCard, "draft").image == "image: file"
