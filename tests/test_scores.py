"""Plain metrics against scikit-learn; what is undefined is None."""

import numpy as np
import pytest
from sklearn import metrics as sk

from thorax.metrics import classification


def sample(n=200, classes=3, unknown=0.0):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, (n, classes)).astype(float)
    p = np.clip(rng.random((n, classes)) * 0.7 + 0.3 * y, 0, 1)
    y[rng.random((n, classes)) < unknown] = np.nan
    return y, p, (p >= 0.5).astype(float)


def test_headline_metrics_equal_scikit_learn():
    y, p, d = sample()
    own = classification.overall(y, p, d, exclusive=False)
    expected = {
        "auroc": sk.roc_auc_score(y, p, average="macro"),
        "average_precision": sk.average_precision_score(y, p, average="macro"),
        "precision": sk.precision_score(y, d, average="macro"),
        "recall": sk.recall_score(y, d, average="macro"),
        "f1": sk.f1_score(y, d, average="macro"),
        "accuracy": (y == d).mean(),
        "loss": np.mean([sk.log_loss(y[:, i], p[:, i]) for i in range(3)]),
    }
    assert own == pytest.approx(expected, abs=1e-12)


def test_exclusive_classes_count_by_image():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 100)
    label = rng.integers(0, 3, 100)
    y, d = np.eye(3)[label], np.eye(3)[p.argmax(axis=1)]
    own = classification.overall(y, p, d, exclusive=True)
    assert own["accuracy"] == pytest.approx((label == p.argmax(axis=1)).mean())
    assert own["loss"] == pytest.approx(sk.log_loss(label, p))
    assert own["auroc"] == pytest.approx(sk.roc_auc_score(label, p, multi_class="ovr"))


def test_unknown_labels_are_left_out():
    y, p, d = sample(unknown=0.3)
    known = ~np.isnan(y[:, 0])
    own = classification.per_class(y[:, 0], p[:, 0], d[:, 0])
    assert own["auroc"] == pytest.approx(sk.roc_auc_score(y[known, 0], p[known, 0]))
    assert sum(classification.confusion(y[:, 0], d[:, 0]).values()) == known.sum()


def test_what_is_undefined_is_none_and_left_out_of_the_mean():
    y, p, d = sample()
    y[:, 0] = 0
    d[:, 0] = 0
    empty = classification.per_class(y[:, 0], p[:, 0], d[:, 0])
    assert [empty[k] for k in ("auroc", "average_precision", "precision", "recall", "f1")] == [
        None
    ] * 5
    assert empty["accuracy"] == 1
    own = classification.overall(y, p, d, exclusive=False)
    assert own["auroc"] == pytest.approx(sk.roc_auc_score(y[:, 1:], p[:, 1:], average="macro"))


def test_nothing_at_all_is_undefined():
    nothing = np.zeros((0, 2))
    own = classification.overall(nothing, nothing, nothing, exclusive=False)
    assert set(own.values()) == {None}


def test_micro_adds_the_counts_of_all_classes():
    y, _, d = sample()
    assert classification.micro(y, d)["f1"] == pytest.approx(sk.f1_score(y, d, average="micro"))


@pytest.mark.parametrize(
    ("name", "value", "other", "better"),
    [("loss", 0.1, 0.2, True), ("auroc", 0.1, 0.2, False), ("f1", 0.3, 0.2, True),
     ("f1", None, 0.2, False), ("f1", 0.2, None, True), ("loss", 0.2, 0.2, False)],
)  # fmt: skip
def test_beats(name, value, other, better):
    assert classification.beats(name, value, other) is better
