import gzip
import io

import pandas as pd
import pytest

from thorax.download.sources.tables import (
    decode,
    listed,
    listed_images,
    read_table,
    unknown_labels,
)
from thorax.errors import DataError


def _cells(content, name="t.csv"):
    table = read_table(content, name)
    return [list(table.columns), *table.to_numpy().tolist()]


def test_text_that_looks_like_a_number_or_nothing_stays_text():
    cells = _cells(b"id,label,age\n00001,None,058Y\n00002,NA,\n1e5,nan,null\n")
    assert cells == [
        ["id", "label", "age"], ["00001", "None", "058Y"], ["00002", "NA", ""],
        ["1e5", "nan", "null"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\xef\xbb\xbfid,label\r\n1,a\r\n", "t.csv"),
        (b"id\tlabel\n1\ta\n", "t.tsv"),
        (b"id;label\n1;a\n", "t.csv"),
        (b"id , label\n1,a\n\n\n", "t.csv"),
        (b"id,label,\n1,a,\n", "t.csv"),
        (gzip.compress(b"id,label\n1,a\n"), "t.csv.gz"),
    ],
    ids=["byte order mark, CRLF", "tab", "semicolon", "blanks", "trailing comma", "gzip"],
)
def test_the_same_table_in_many_dresses(content, name):
    assert _cells(content, name) == [["id", "label"], ["1", "a"]]


def test_a_comma_inside_a_quoted_name_is_no_separator():
    assert _cells(b'"size, mm",b\n1,2\n') == [["size, mm", "b"], ["1", "2"]]


def test_parquet_numbers_become_text_and_nulls_empty():
    file = io.BytesIO()
    pd.DataFrame({"id": ["00001", None], "n": [1, 2], "x": [0.5, None]}).to_parquet(file)
    assert _cells(file.getvalue(), "t.parquet") == [
        ["id", "n", "x"], ["00001", "1", "0.5"], ["", "2", ""],
    ]  # fmt: skip


def test_rows_are_numbered_as_a_spreadsheet_shows_them():
    assert list(read_table(b"a,b\n1,2\n\n3,4\n", "t.csv").index) == ["row 2", "row 4"]


def test_another_encoding_is_an_error_with_place_and_remedy():
    content = "id,label\n1,a\n2,Größe\n".encode("latin1")
    with pytest.raises(DataError, match=r"t\.csv.*0xf6 at offset 17 \(line 3\).*iconv -f LATIN1"):
        decode(content, "t.csv")
    with pytest.raises(DataError, match="iconv -f UTF-16"):
        decode("id\n1\n".encode("utf-16"), "t.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv is empty"),
        (b"a,b\n", "no row under its header"),
        (b"a,b\n1,2\n3,4,5\n", "2 columns, but 1 rows have more or fewer: row 3 has 3"),
        (b"a,b\n1\n2,3\n", "row 2 has 1"),
        (b"a,b,a\n1,2,3\n", "header: a appears there more than once"),
        (b"a,b\n1,2,3\n", "row 2 has 3"),
        (b'a,b\n"1,2\n', "line 2: unexpected end of data"),
    ],
)
def test_a_broken_table_says_where(content, message):
    with pytest.raises(DataError, match=message):
        read_table(content, "t.csv")


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet"])
def test_a_damaged_binary_table_is_no_traceback(name):
    with pytest.raises(DataError, match=name):
        read_table(gzip.compress(b"a,b\n" * 50)[:20], name)


def test_long_lists_are_cut_and_counted():
    assert listed(str(i) for i in range(25)).endswith("18, 19 … and 5 more")
    assert listed(["a", "b"]) == "a, b"
    assert listed(str(i) for i in range(20)).endswith("18, 19")


def test_unknown_labels_name_the_nearest_known_one():
    message = unknown_labels({"Efusion": 3, "???": 1}, ["Effusion", "Mass"], "t.csv")
    assert message.startswith("2 unknown in t.csv: 'Efusion' (3 rows; did you mean 'Effusion'?)")
    assert "'???' (1 row)" in message
    assert "Known are 'Effusion', 'Mass'" in message


def test_images_are_listed_with_their_rows():
    rows = pd.DataFrame({"image_id": ["a.png", "b.png"]}, index=["row 2", "row 5"])
    assert listed_images(rows) == "a.png (row 2), b.png (row 5)"
