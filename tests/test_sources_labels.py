import numpy as np
import pandas as pd
import pytest

from thorax.download.sources.labels import split_labels

CLASSES = {"Mass": "Mass", "Tumor": "Mass", "Nodule": "Nodule", "none": None}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Mass", [1, 0]),
        (" Nodule | Tumor ", [1, 1]),
        ("none", [0, 0]),
        ("Mass|", [1, 0]),
        ("Mass|?", [np.nan, np.nan]),
    ],
)
def test_words_of_a_cell_become_labels(text, labels):
    table, problems = split_labels(pd.Series([text], ["row 2"]), CLASSES, "|", "t.csv", ["?"])
    assert problems == []
    np.testing.assert_array_equal(table.loc["row 2", ["label_Mass", "label_Nodule"]], labels)


def test_a_cell_is_one_word_without_a_separator():
    _, problems = split_labels(pd.Series(["Mass|Nodule"]), CLASSES, None, "t.csv")
    assert "'Mass|Nodule' (1 row" in problems[0]


def test_an_empty_cell_has_a_meaning_only_if_it_is_given_one():
    texts = pd.Series(["Mass", " ", ""])
    _, problems = split_labels(texts, CLASSES, "|", "t.csv")
    assert problems[0].startswith("1 unknown in t.csv: '' (2 rows")
    absent, problems = split_labels(texts, CLASSES | {"": None}, "|", "t.csv")
    assert (absent["label_Mass"].tolist(), problems) == ([1, 0, 0], [])
    unknown, problems = split_labels(texts, CLASSES, "|", "t.csv", [""])
    assert (unknown["label_Mass"].isna().tolist(), problems) == ([False, True, True], [])
