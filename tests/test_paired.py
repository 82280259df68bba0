"""Paired differences against a loop with scikit-learn, and the verdicts at their boundaries."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from made_up_predictions import predictions
from thorax.errors import DataError
from thorax.compare import paired
from thorax.metrics.bootstrap import draw
from thorax.compare.paired import Difference, differences, digest


def difference(low, high, patients=100):
    return Difference("auroc", 0.9, 0.9 + (low + high) / 2, low, high, patients)


def test_difference_and_interval_equal_a_loop_with_scikit_learn(monkeypatch):
    monkeypatch.setattr(paired, "DRAWS", 60)
    now, was = predictions(1, noise=1), predictions(1, noise=2, quality=1.2)
    found = {each.metric: each for each in differences(now, was.sample(frac=1, random_state=0))}
    weights = draw(now["patient_id"], 60, paired.SEED).weights
    people = now["patient_id"].astype(int)
    for metric, score in (("auroc", roc_auc_score), ("average_precision", average_precision_score)):

        def macro(table, w, score=score):
            return np.mean([score(table[f"y_{c}"], table[f"p_{c}"], sample_weight=w) for c in "AB"])

        gaps = [macro(now, w[people]) - macro(was, w[people]) for w in weights]
        assert found[metric].low == pytest.approx(np.quantile(gaps, 0.025), abs=1e-9)
        assert found[metric].high == pytest.approx(np.quantile(gaps, 0.975), abs=1e-9)
        whole = np.ones(len(now))
        assert found[metric].current == pytest.approx(macro(now, whole))
        assert found[metric].value == pytest.approx(macro(now, whole) - macro(was, whole))


def test_pairing_makes_the_interval_narrower_than_two_separate_ones():
    now = predictions(3)
    auroc = differences(now, now.assign(p_A=now["p_A"] ** 2))[0]
    assert (auroc.value, auroc.low, auroc.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.019, 0.05, "PASS"), (-0.019, -0.001, "PASS"), (-0.02, -0.001, "FAIL"),
        (-0.05, -0.001, "FAIL"), (-0.05, 0.0, "INCONCLUSIVE"), (-0.02, 0.03, "INCONCLUSIVE"),
    ],
)  # fmt: skip
def test_verdicts(low, high, verdict):
    assert difference(low, high).verdict(0.02) == verdict


@pytest.mark.parametrize(("low", "high"), [(-0.05, 0.03), (-0.06, 0.002), (-0.03, 0.04)])
def test_so_many_patients_decide(low, high):
    open_one = difference(low, high)
    needed = open_one.patients_needed(0.02)
    shrink = np.sqrt(open_one.patients / needed)
    half = (high - low) / 2 * shrink * (1 - 1e-9)
    decided = difference(open_one.value - half, open_one.value + half)
    assert decided.verdict(0.02) in ("PASS", "FAIL")
    one_less = (high - low) / 2 * np.sqrt(open_one.patients / (needed - 1))
    open_still = difference(open_one.value - one_less, open_one.value + one_less)
    assert open_still.verdict(0.02) == "INCONCLUSIVE"


def test_other_images_labels_or_classes_are_refused_with_names():
    table = predictions()
    with pytest.raises(DataError, match=r"1 test images are only in the current(.|\n)*00000\.png"):
        differences(table, table.iloc[1:])
    with pytest.raises(DataError, match="other bytes, labels"):
        differences(table, table.assign(y_A=1 - table["y_A"]))
    with pytest.raises(DataError, match="different classes"):
        differences(table, predictions(classes=("A", "C")))


def test_the_digest_is_of_images_patients_and_labels_not_of_scores_or_order():
    table = predictions()
    assert digest(table.sample(frac=1, random_state=1)) == digest(predictions(noise=5))
    assert digest(table) != digest(table.assign(patient_id="x"))


def test_a_class_that_is_absent_is_left_out_of_the_mean():
    table = predictions().assign(y_B=0)
    auroc = differences(table, table)[0]
    assert auroc.current == pytest.approx(roc_auc_score(table["y_A"], table["p_A"]))


def test_accuracy_of_exclusive_classes_is_of_images():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 60)
    truth, called = rng.integers(0, 3, 60), p.argmax(axis=1)
    table = pd.DataFrame({"image_id": np.arange(60).astype(str), "patient_id": "p"})
    for c, name in enumerate("ABC"):
        table[f"y_{name}"], table[f"p_{name}"] = (truth == c).astype(int), p[:, c]
    table["predicted"] = ["ABC"[c] for c in called]
    table["patient_id"] = (np.arange(60) // 2).astype(str)
    found = {each.metric: each for each in differences(table, table)}
    assert found["accuracy"].current == pytest.approx((truth == called).mean())


def test_other_pictures_under_the_same_names_are_refused():
    table = predictions(1)
    now, was = (table.assign(sha256=table["image_id"] + end) for end in ("", "x"))
    assert digest(now) != digest(was)
    with pytest.raises(DataError, match="other bytes, labels or patients"):
        differences(now, was)
    assert differences(now, was.drop(columns="sha256"))  # tables of old do not tell
