"""What two sets of images share, by patient, bytes, similarity and name."""

import pandas as pd
import pytest

from thorax.split.leakage import KINDS, LEAKS, Images, audit_split, compare, overlaps, summary


def images(*rows):
    """Images given as (path, sha256, patient)."""
    paths, shas, patients = (list(column) for column in zip(*rows, strict=True))
    return Images(paths, paths, shas, {"as listed": patients})


A = images(
    ("x/0.png", "s0", "anna"), ("x/1.png", "s1", "ben"), ("x/2.png", "s2", "ben"),
    ("x/3.png", "s3", ""),
)  # fmt: skip


def counts(overlap):
    return {kind: getattr(overlap, kind).images for kind in KINDS}


@pytest.mark.parametrize(
    ("row", "near", "kind"),
    [
        (("y/9.png", "s9", "ben"), [], "shared_patients"),
        (("y/9.png", "s2", "cleo"), [], "identical"),
        (("y/9.png", "s9", "cleo"), [(2, 0)], "near_identical"),
        (("y/2.png", "s9", "cleo"), [], "same_name"),
        (("a.zip!y/2.png", "s9", "cleo"), [], "same_name"),
        (("y/9.png", "s9", ""), [], None),  # two images of unknown patients share none
    ],
)
def test_each_kind_is_counted_alone(row, near, kind):
    overlap = compare(("a", "b"), A, images(row), near)
    assert counts(overlap) == dict.fromkeys(KINDS, 0) | ({kind: 1} if kind else {})
    assert overlaps(overlap) == (kind is not None)
    assert overlaps(overlap, LEAKS) == (kind in LEAKS)


def test_identical_images_are_not_near_identical_as_well():
    overlap = compare(("a", "b"), A, images(("y/9.png", "s2", "cleo")), [(2, 0), (3, 0)])
    assert overlap.identical.examples == [("x/2.png", "y/9.png")]
    assert overlap.near_identical.examples == [("x/3.png", "y/9.png")]


def test_images_of_the_second_set_count_once_each():
    b = images(("y/7.png", "s7", "ben"), ("y/8.png", "s8", "ben"), ("y/9.png", "s9", "cleo"))
    overlap = compare(("a", "b"), A, b, [(0, 2), (1, 2), (3, 2)])
    assert (overlap.images, overlap.near_identical.images) == ((4, 3), 1)
    assert (overlap.shared_patients.images, overlap.shared_patients.patients) == (2, 1)


def test_patients_are_counted_under_every_rule_that_both_sets_have():
    a, b = images(("0", "0", "p")), images(("1", "1", "p"))
    a.patients["NIH"], b.patients["conservative"] = ["p"], ["p"]
    a.patients["namespaced"], b.patients["namespaced"] = ["p"], ["q"]
    shared = compare(("a", "b"), a, b, []).shared_patients
    assert shared.by_rule == {"as listed": 1, "namespaced": 0}


def test_where_nobody_is_listed_any_rule_that_fits_the_names_finds_a_leak():
    a, b = images(("0", "0", "")), images(("1", "1", ""), ("2", "2", ""))
    a.patients.clear(), b.patients.clear()
    a.patients.update({"namespaced": ["p"], "conservative": ["q"]})
    b.patients.update({"namespaced": ["r", ""], "conservative": ["", "q"]})
    overlap = compare(("a", "b"), a, b, [])
    assert overlap.shared_patients.by_rule == {"namespaced": 0, "conservative": 1}
    assert (overlap.shared_patients.images, overlap.shared_patients.patients) == (1, 1)
    assert overlap.shared_patients.examples == [("0", "2")]
    assert overlaps(overlap, LEAKS)


def test_a_hold_out_compares_every_two_subsets_and_folds_each_with_the_others():
    four = images(*((f"{i}.png", f"s{i}", "same") for i in range(4)))
    hold_out = audit_split(four, pd.Series(["train", "val", "test", "train"]), [(0, 3), (1, 2)])
    assert [(pair.a, pair.b, pair.images, pair.near_identical.images) for pair in hold_out] == [
        ("train", "val", (2, 1), 0), ("train", "test", (2, 1), 0), ("val", "test", (1, 1), 1),
    ]  # fmt: skip
    folds = audit_split(four, pd.Series(["fold_1", "fold_0", "test", "fold_0"]), [(0, 3), (0, 2)])
    assert [(pair.a, pair.b, pair.images, pair.near_identical.images) for pair in folds] == [
        ("other folds", "fold_0", (1, 2), 1), ("other folds", "fold_1", (2, 1), 1),
        ("trainval", "test", (3, 1), 1),
    ]  # fmt: skip
    assert folds[0].near_identical.examples == [("0.png", "3.png")]
    assert "other folds / fold_0: shared_patients 2" in summary(folds, patients_unknown=False)


def test_a_split_without_a_test_set_is_compared_as_far_as_it_goes():
    two = images(("0.png", "s0", "a"), ("1.png", "s1", "b"))
    assert [pair.b for pair in audit_split(two, pd.Series(["train", "val"]), [])] == ["val"]
    assert audit_split(two, pd.Series(["fold_0", "fold_0"]), []) == []
