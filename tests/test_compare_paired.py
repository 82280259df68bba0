"""Paired differences against a loop with scikit-learn, and the verdicts at their boundaries."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from made_up_predictions import predictions
from thorax.compare import paired
from thorax.compare.paired import METRICS, Difference, Verdict, require_same_images
from thorax.errors import DataError


def differences(current, baseline):
    """By metric."""
    return {each.metric: each for each in paired.differences(current, baseline)}


def difference(low, high, patients=100):
    return Difference("auroc", 0.9, 0.9 + (low + high) / 2, low, high, patients)


def test_differences_equal_scikit_learn_and_their_errors_the_jackknife():
    now, was = predictions(1, noise=1), predictions(1, noise=2, quality=1.2)
    found = differences(now, was.sample(frac=1, random_state=0))
    assert tuple(found) == METRICS
    scores = {
        "auroc": (sk.roc_auc_score, "p_"),
        "average_precision": (sk.average_precision_score, "p_"),
        "sensitivity": (sk.recall_score, "d_"),
        "precision": (sk.precision_score, "d_"),
        "f1": (sk.f1_score, "d_"),
        "accuracy": (sk.accuracy_score, "d_"),
    }
    for table in (now, was):
        for name in "AB":
            table[f"d_{name}"] = table["predicted"].str.contains(name).astype(int)
    for metric, (score, column) in scores.items():

        def macro(table, score=score, column=column):
            return np.mean([score(table[f"y_{c}"], table[column + c]) for c in "AB"])

        assert found[metric].current == pytest.approx(macro(now))
        assert found[metric].value == pytest.approx(macro(now) - macro(was))
        assert found[metric].patients == 80
        without = np.array(
            [
                macro(now[now["patient_id"] != patient]) - macro(was[was["patient_id"] != patient])
                for patient in now["patient_id"].unique()
            ]
        )
        jackknife = np.sqrt(79 / 80 * ((without - without.mean()) ** 2).sum())
        half = (found[metric].high - found[metric].low) / 2
        assert half / jackknife == pytest.approx(2, rel=0.08)  # Student's t, 1.99 and a little more


def test_scores_that_rank_alike_do_not_differ():
    now = predictions(3)
    auroc = differences(now, now.assign(p_A=now["p_A"] ** 2))["auroc"]
    assert (auroc.value, auroc.low, auroc.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.019, 0.05, Verdict.PASS), (-0.019, 0.0, Verdict.PASS),
        (-0.019, -0.001, Verdict.WITHIN),
        (-0.02, -0.001, Verdict.INCONCLUSIVE), (-0.05, -0.001, Verdict.INCONCLUSIVE),
        (-0.05, 0.03, Verdict.INCONCLUSIVE), (-0.05, -0.02, Verdict.INCONCLUSIVE),
        (-0.05, -0.021, Verdict.FAIL),
    ],
)  # fmt: skip
def test_verdicts(low, high, verdict):
    assert difference(low, high).verdict(0.02) is verdict


@pytest.mark.parametrize(("low", "high"), [(-0.05, 0.03), (-0.06, 0.002), (-0.03, 0.04)])
def test_so_many_patients_decide(low, high):
    open_one = difference(low, high)
    needed = open_one.patients_needed(0.02)
    shrink = np.sqrt(open_one.patients / needed)
    half = (high - low) / 2 * shrink * (1 - 1e-9)
    decided = difference(open_one.value - half, open_one.value + half)
    assert decided.verdict(0.02) is not Verdict.INCONCLUSIVE
    one_less = (high - low) / 2 * np.sqrt(open_one.patients / (needed - 1))
    open_still = difference(open_one.value - one_less, open_one.value + one_less)
    assert open_still.verdict(0.02) is Verdict.INCONCLUSIVE


def test_a_difference_that_is_the_margin_is_never_decided():
    assert difference(-0.03, -0.01).patients_needed(0.02) is None


def test_other_images_labels_or_classes_are_refused_with_names():
    table = predictions()
    with pytest.raises(DataError, match=r"1 images are only in the current(.|\n)*00000\.png"):
        differences(table, table.iloc[1:])
    with pytest.raises(DataError, match="other bytes, labels"):
        differences(table, table.assign(y_A=1 - table["y_A"]))
    with pytest.raises(DataError, match="different classes"):
        differences(table, predictions(classes=("A", "C")))


def test_images_are_the_same_by_patient_and_labels_whatever_the_scores_and_their_order():
    table = predictions()
    require_same_images(table, predictions(noise=5))
    assert differences(table, predictions(noise=5).sample(frac=1, random_state=1))
    with pytest.raises(DataError, match="patients"):
        require_same_images(table, table.assign(patient_id="x"))


def test_a_class_that_is_absent_is_left_out_of_the_mean():
    table = predictions().assign(y_B=0)
    auroc = differences(table, table)["auroc"]
    assert auroc.current == pytest.approx(sk.roc_auc_score(table["y_A"], table["p_A"]))


def test_accuracy_of_exclusive_classes_is_of_images():
    rng = np.random.default_rng(0)
    p, truth = rng.dirichlet(np.ones(3), 60), rng.integers(0, 3, 60)
    columns = {
        "image_id": np.arange(60).astype(str),
        "patient_id": (np.arange(60) // 2).astype(str),
    }
    for c, name in enumerate("ABC"):
        columns |= {f"y_{name}": (truth == c).astype(int), f"p_{name}": p[:, c]}
    table = pd.DataFrame(columns).assign(predicted=np.array(list("ABC"))[p.argmax(axis=1)])
    accuracy = differences(table, table)["accuracy"]
    assert accuracy.current == pytest.approx((truth == p.argmax(axis=1)).mean())


def test_other_pictures_under_the_same_names_are_refused():
    table = predictions(1)
    now, was = (table.assign(sha256=table["image_id"] + end) for end in ("", "x"))
    with pytest.raises(DataError, match="other bytes, labels or patients"):
        differences(now, was)
    assert differences(now, was.drop(columns="sha256"))  # old tables do not tell


def test_without_a_test_image_there_is_nothing_to_compare():
    """It was a NumPy error about shapes."""
    nobody = predictions(1).iloc[:0]
    with pytest.raises(DataError, match=r"no such image"):
        differences(nobody, nobody)
