import pandas as pd

from thorax.download.sources.messages import listed, listed_images, unknown_labels


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
