"""Which counts can print as published figures, against brute force in decimal arithmetic."""

import itertools
from decimal import ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from sklearn.metrics import log_loss, precision_recall_fscore_support

from small_run import ROOT
from thorax.metrics.intervals import wilson
from thorax.studies.claims import (
    Claim,
    Confusion,
    batch_means,
    hits,
    interval,
    matrices,
    verdict,
)
from thorax.studies.constant import constant
from thorax.studies.recipes import load_recipes

PNEUMONIA = {"accuracy": "91.03", "precision": "89.76", "sensitivity": "96.67", "f1": "93.09"}


def prints(numerator, denominator, percent, rounding):
    value = Decimal(100 * numerator) / denominator if denominator else Decimal(0)
    return value.quantize(Decimal(percent), rounding) == Decimal(percent)


def prints_somehow(numerator, denominator, percent):
    return any(
        prints(numerator, denominator, percent, rounding)
        for rounding in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_HALF_DOWN)
    )


@pytest.mark.parametrize("images", [1, 2, 3, 7, 8, 16, 40, 51])
def test_hits_equal_brute_force_for_every_figure_of_up_to_two_decimals(images):
    count = 0
    for decimals in (0, 1, 2):
        for units in range(100 * 10**decimals + 1):
            percent = f"{Decimal(units).scaleb(-decimals):f}"
            expected = [k for k in range(images + 1) if prints_somehow(k, images, percent)]
            assert hits(percent, images) == expected
            count += len(expected)
    assert count >= 3 * (images + 1)  # each count prints as something


@pytest.mark.parametrize(
    ("percent", "images", "expected"),
    [
        ("91.03", 624, [568]),
        ("87.77", 624, []),
        ("97.8", 878, [859]),
        ("98.04", 51, [50]),
        ("98.0", 51, [50]),
        ("98.00", 51, []),
        ("0.00", 7, [0]),
        ("0", 1000, [0, 1, 2, 3, 4, 5]),
        ("100", 3, [3]),
        ("100.00", 30000, [29999, 30000]),
    ],
)
def test_hits_of_known_figures(percent, images, expected):
    assert hits(percent, images) == expected


def test_ties_print_as_both_neighbours_but_truncation_does_not_count():
    assert hits("6.3", 16) == [1]  # 6.25, half up
    assert hits("6.2", 16) == [1]  # half even
    assert f"{100 * 1003 / 2000:.1f}" == "50.1"  # 50.15, as the nearest binary float
    assert 1003 in hits("50.1", 2000)
    assert 1003 in hits("50.2", 2000)
    assert hits("66.6", 3) == []  # 66.67, truncated


def test_four_figures_fix_one_confusion_matrix():
    assert matrices(PNEUMONIA, 390, 234) == [Confusion(tp=377, fn=13, tn=191, fp=43)]
    assert matrices({**PNEUMONIA, "specificity": "81.62"}, 390, 234) == [
        Confusion(tp=377, fn=13, tn=191, fp=43)
    ]
    assert matrices({**PNEUMONIA, "specificity": "81.63"}, 390, 234) == []
    assert matrices({"accuracy": "87.77"}, 390, 234) == []


def ratios(tp, fn, tn, fp):
    return {
        "accuracy": (tp + tn, tp + fn + tn + fp),
        "precision": (tp, tp + fp),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "f1": (2 * tp, 2 * tp + fp + fn),
    }


def brute_force(claimed, positives, negatives):
    grid = itertools.product(range(positives + 1), range(negatives + 1))
    candidates = [Confusion(tp, positives - tp, negatives - fp, fp) for tp, fp in grid]
    return [
        m
        for m in candidates
        if all(
            prints_somehow(*ratios(m.tp, m.fn, m.tn, m.fp)[name], percent)
            for name, percent in claimed.items()
        )
    ]


METRICS = ["accuracy", "precision", "sensitivity", "specificity", "f1"]
SUBSETS = [c for size in range(1, 6) for c in itertools.combinations(METRICS, size)]


@pytest.mark.parametrize("names", SUBSETS, ids="+".join)
def test_matrices_equal_brute_force(names):
    rng = np.random.default_rng(len(names))
    for decimals, positives, negatives in [(0, 9, 6), (1, 8, 8), (2, 5, 11), (0, 0, 4), (1, 4, 0)]:
        tp, fp = int(rng.integers(positives + 1)), int(rng.integers(negatives + 1))
        exact = ratios(tp, positives - tp, negatives - fp, fp)
        claimed = {
            name: f"{Decimal(100 * exact[name][0]) / max(exact[name][1], 1):.{decimals}f}"
            for name in names
        }
        fitting = matrices(claimed, positives, negatives)
        assert Confusion(tp, positives - tp, negatives - fp, fp) in fitting
        assert fitting == brute_force(claimed, positives, negatives)
        moved = {**claimed, names[0]: f"{Decimal(rng.integers(101).item()):.{decimals}f}"}
        assert matrices(moved, positives, negatives) == brute_force(moved, positives, negatives)


def test_undefined_precision_and_f1_print_as_nought():
    assert matrices({"precision": "0.0", "sensitivity": "0.0", "specificity": "100.0"}, 3, 4) == [
        Confusion(tp=0, fn=3, tn=4, fp=0)
    ]
    assert matrices({"sensitivity": "50.0"}, 0, 4) == []


def claim(figures, images=None, positives=None, **more):
    return Claim(subset="test", figures=figures, images=images, positives=positives, **more)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (claim(PNEUMONIA), "not checkable: the number of images is not given"),
        (claim({"loss": "0.31"}, 624, 390), "not checkable: no accuracy is given"),
        (claim({"sensitivity": "96.67"}, 624), "not checkable: no accuracy is given"),
        (claim({"accuracy": "91.03", "loss": "not a percentage"}, 624), "568 of 624 images"),
        (claim({"accuracy": "91.03"}, 624, 390), "568 of 624 images"),
        (claim({"accuracy": "97.8"}, 878), "859 of 878 images"),
        (claim({"accuracy": "100.00"}, 30000), "one of 2 counts, 29999–30000 of 30000"),
        (claim({"accuracy": "98"}, 878), "one of 8 counts, 857–864 of 878"),
        (
            claim({"accuracy": "87.77"}, 624),
            "no count of 624 images gives 87.77%; 87.66 or 87.82% are the nearest possible",
        ),
        (claim(PNEUMONIA, 624, 390), "TP 377, FN 13, TN 191, FP 43"),
        (claim({"sensitivity": "96.67"}, 624, 390), "235 confusion matrices fit"),
        (claim({**PNEUMONIA, "f1": "93.08"}, 624, 390), "no confusion matrix fits"),
        (claim({"precision": "0", "sensitivity": "50"}, 20, 10), "no confusion matrix fits"),
        (
            claim({**PNEUMONIA, "accuracy": "87.77"}, 624, 390),
            "no confusion matrix fits: no count of 624 images gives 87.77%; "
            "87.66 or 87.82% are the nearest possible",
        ),
        (
            claim({"accuracy": "97.8", "precision": "97.9", "sensitivity": "97.8"}, 878),
            "859 of 878 images; "
            "sensitivity equal to accuracy is consistent with weighted averaging",
        ),
        (
            claim({"accuracy": "97.8", "sensitivity": "97.7"}, 878),
            "859 of 878 images; "
            "the other figures cannot be checked without the number of positives",
        ),
        (
            claim({"accuracy": "87.77"}, 624, batch_size=80),
            "no count of 624 images gives 87.77%; 87.66 or 87.82% are the nearest possible; as a"
            " mean over batches of 80 it is 546 or 547 of 624, if the last 64 images go no worse"
            " than the others",
        ),
        (
            claim({"accuracy": "93.03"}, 17305, average="images"),
            "not checkable: means over images do not come from counts of images",
        ),
        (
            claim({"accuracy": "0.1"}, 3),
            "no count of 3 images gives 0.1%; 0.0 or 33.3% are the nearest possible",
        ),
    ],
)
def test_verdict(made, expected):
    assert verdict(made) == expected


def test_the_nearest_possible_figures_are_possible():
    impossible = 0
    for units in range(1001):
        percent = f"{Decimal(units) / 10:.1f}"
        text = verdict(claim({"accuracy": percent}, 51))
        if not hits(percent, 51):
            impossible += 1
            low, high = text.partition("; ")[2].partition("%")[0].split(" or ")
            (below,), (above,) = hits(low, 51), hits(high, 51)
            assert above == below + 1
            assert Decimal(low) < Decimal(percent) < Decimal(high)
    assert impossible == 1001 - 52


def test_interval_is_of_the_images_that_a_figure_is_of():
    whole = claim({**PNEUMONIA, "loss": "0.2"}, 624, 390)  # TP 377, FN 13, TN 191, FP 43
    assert interval(whole, "accuracy") == wilson(568, 624)
    assert interval(whole, "sensitivity") == wilson(377, 390)
    assert interval(whole, "precision") == wilson(377, 420)
    low, high = wilson(377, 433)
    assert interval(whole, "f1") == (2 * low / (1 + low), 2 * high / (1 + high))
    assert interval(whole, "loss") is None
    assert interval(claim({"accuracy": "98"}, 878), "accuracy") == wilson(860, 878)
    assert interval(claim({"f1": "58.27"}, 17305, average="images"), "f1") == wilson(10084, 17305)


@pytest.mark.parametrize(
    "unknown",
    [
        claim({"accuracy": "91.03", "sensitivity": "91.03"}),
        claim({"sensitivity": "91.03"}, 624),
        claim({"precision": "91.03", "f1": "90.00"}, 624, 390),  # several matrices fit
    ],
)
def test_no_interval_without_the_images(unknown):
    assert {interval(unknown, metric) for metric in unknown.figures} == {None}


def test_batch_means_equal_brute_force():
    for images, size in [(23, 5), (17, 8), (20, 5)]:
        full, last = divmod(images, size)
        for percent in ("50.0", "62.5", "87.77", "90.0", "100"):
            expected = {
                (others + right, right)
                for others in range(full * size + 1)
                for right in range(last + 1)
                if last and prints_somehow(others * last + right * size, size * last * (full + 1),
                                           percent)
            }  # fmt: skip
            assert set(batch_means(percent, images, size)) == expected


def test_a_constant_prediction_beats_what_the_nih_study_prints():
    """Official train_val: python benchmarks/constant_predictor.py gives the same from the table."""
    (val,) = (c for c in load_recipes(ROOT / "recipes")["nih-efficientnet-b6"].claims()
              if c.subset == "val")  # fmt: skip
    figures = {name: round(value, 4) for name, value in constant(val).items()}
    assert figures == {"accuracy": 0.9307, "precision": 0.5837, "f1": 0.5837, "loss": 0.1978}


def test_a_constant_prediction_of_two_classes_and_of_three():
    two = claim({"accuracy": "1", "precision": "1", "sensitivity": "1", "f1": "1"}, 624, 390)
    y = np.r_[np.ones(390), np.zeros(234)]
    expected = precision_recall_fscore_support(y, np.ones(624), average="binary")
    assert constant(two) == pytest.approx(
        dict(zip(("precision", "sensitivity", "f1"), expected, strict=False)) | {"accuracy": 0.625}
    )
    rare = claim({"sensitivity": "1", "f1": "1", "specificity": "1"}, 624, 90)
    assert constant(rare) == {"sensitivity": 0, "f1": 0, "specificity": 1}
    labels = {"images": 51, "present": {"1": 14, "2": 14, "3": 23}}
    three = claim(two.figures | {"loss": "1"}, 51, average="weighted", labels=labels)
    y = np.repeat([1, 2, 3], [14, 14, 23])
    p, r, f, _ = precision_recall_fscore_support(
        y, np.full(51, 3), average="weighted", zero_division=0
    )
    shares = np.array([14, 14, 23]) / 51
    loss = log_loss(y, np.tile(shares, (51, 1)))
    assert constant(three) == pytest.approx(
        {"accuracy": 23 / 51, "precision": p, "sensitivity": r, "f1": f, "loss": loss}
    )
    assert constant(claim({"accuracy": "90"}, 51)) == {}


@pytest.mark.parametrize(
    "percent",
    ["", "abc", "-1", "100.01", "101", "nan", "1e1", "91.03%", " 91", "91.", "٩١", "9.1234567"],
)
def test_a_text_that_is_no_percentage_is_an_error(percent):
    with pytest.raises(ValueError, match="not a number between 0 and 100"):
        hits(percent, 624)
    with pytest.raises(ValueError, match="not a number between 0 and 100"):
        matrices({"f1": percent}, 390, 234)
    with pytest.raises(ValueError, match="not a number between 0 and 100"):
        claim({"precision": percent})


@pytest.mark.parametrize(("images", "positives"), [(0, None), (-1, None), (10, 11), (10, -1)])
def test_impossible_numbers_of_images_are_an_error(images, positives):
    with pytest.raises(ValueError, match=f"of {images} images"):
        claim({"accuracy": "50"}, images, positives)
