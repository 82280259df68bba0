"""Annotations: boxes and outlines become polygons, and a broken table says where."""

from pathlib import Path

import pytest

from thorax.download.annotations import read_annotations
from thorax.errors import DataError
from thorax.survey import Survey, survey
from thorax_phantom import write_archive

NIH = b"""Image Index,Finding Label,Bbox [x,y,w,h],,,
a.png,Infiltrate,10.5,20,30,40,,,
b.png,Mass,1,2,3,4,,,
"""
OUTLINES = b"""Image Index,Finding Label,Outline
b.png,Mass,1 1 4 1 4 4;2 2 3 2 3 3
b.png,Edema,
"""
BOX = "10.5 20 40.5 20 40.5 60 10.5 60"


def _read(**tables):
    names = {"boxes": "x.zip!BBox_List_2017.csv", "outlines": "outlines.csv", "other": "other.csv"}
    return read_annotations(Survey(Path(), {}, {names[key]: text for key, text in tables.items()}))


def test_boxes_are_read_by_position_and_infiltrate_is_infiltration():
    table = _read(boxes=NIH, other=b"a,b\n")
    assert table.to_dict("records")[0] == {
        "image_id": "a.png", "finding": "Infiltration", "polygons": BOX,
    }  # fmt: skip
    assert len(table) == 2
    assert _read().empty


def test_an_exact_outline_replaces_the_box_of_the_same_finding_only():
    polygons = _read(boxes=NIH, outlines=OUTLINES).set_index("image_id")["polygons"]
    assert polygons.to_dict() == {"b.png": "1 1 4 1 4 4;2 2 3 2 3 3", "a.png": BOX}


def test_rows_may_differ_from_the_header_as_the_nih_publishes_them():
    header, *rows = NIH.splitlines()
    bare = [row.removesuffix(b",,,") for row in rows]
    for head in (header, header.replace(b"Bbox [x,y,w,h],,,", b'"Bbox [x,y,w,h]"')):
        assert _read(boxes=b"\n".join([head, *bare])).equals(_read(boxes=NIH))


def test_tables_without_a_row_are_no_mistake():
    assert _read(boxes=NIH.splitlines()[0] + b"\n", outlines=b"").empty


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("boxes", NIH.replace(b"Mass", b"M\xe4ss"), r"BBox_List_2017\.csv is not UTF-8.*line 3"),
        ("boxes", NIH.replace(b"Mass", b'"Mass'), r"BBox_List_2017\.csv, line 3: unexpected end"),
        ("boxes", NIH.replace(b"1,2,3,4", b"1,2,wide,4"), r"row 3 of .*BBox_.*\.csv \(.*'wide'"),
        ("boxes", NIH.replace(b"1,2,3,4", b"1,,3,4"), r"1 rows are no annotation: row 3 of .*BBox"),
        ("boxes", NIH.replace(b"1,2,3,4", b"1,2,nan,4"), r"row 3 .* \(no finite number"),
        ("boxes", NIH.replace(b",1,2,3,4,,,", b",1,2"), r"row 3 .* \(4 cells instead of 6\)"),
        ("boxes", b"image,finding,x\na.png,Mass,1\n", r"row 2 .* \(3 cells instead of 6\)"),
        ("outlines", OUTLINES + b"c.png,Mass,1 1 x 1 4 4\n", r"row 4 of outlines\.csv \(.*'x'"),
        ("outlines", OUTLINES + b"c.png,Mass,1 1 2 2\n", r"row 4 .* \(a polygon of 4 numbers"),
        ("outlines", OUTLINES + b"c.png,Mass,1 1 2 2 3 3 4\n", r"\(a polygon of 7 numbers"),
        ("outlines", OUTLINES + b"c.png,Mass\n", r"row 4 .* \(2 cells instead of 3\)"),
        ("outlines", OUTLINES + b"c.png,Mass,1 1,2 2\n", r"row 4 .* \(4 cells instead of 3\)"),
    ],
)  # fmt: skip
def test_a_broken_table_names_file_and_row(table, content, message):
    with pytest.raises(DataError, match=message):
        _read(**{table: content})


def test_a_phantoms_outlines_are_read(tmp_path):
    write_archive(
        tmp_path / "p.zip", patients=30, pixels=64, seed=1, marker_correlation=0.0,
        marker_label="Nodule",
    )  # fmt: skip
    table = read_annotations(survey(tmp_path / "p.zip", "read"))
    assert len(table) > 20
    assert not table.duplicated(["image_id", "finding"]).any()  # an outline holds all polygons
    assert table["polygons"].str.contains(";").any()
