"""Weighted metrics against scikit-learn, which gets repeated images in place of weights."""

import numpy as np
import pytest
from sklearn import metrics as sk

from thorax.config import METRICS
from thorax.metrics.classification import (
    auroc_and_ap,
    beats,
    counts,
    headline,
    loss_and_accuracy,
    macro,
    ones,
    per_class,
    rates,
)
from thorax.tasks import TASKS

MULTI_LABEL, MULTI_CLASS = TASKS["multi-label"], TASKS["multi-class"]
EXACT = {"abs": 1e-12, "rel": 0}


def sample(n=200, classes=3, unknown=0.0, decimals=8, seed=1):
    """Labels, logits and decisions [N, L]; few decimals make ties."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (n, classes)).astype(float)
    z = np.round(rng.normal(0, 1.5, (n, classes)) + 1.5 * y, decimals)
    y[rng.random((n, classes)) < unknown] = np.nan
    return y, z, (z >= 0).astype(float)


def exclusive_sample(n=150):
    rng = np.random.default_rng(0)
    z, label = rng.normal(0, 2, (n, 3)), rng.integers(0, 3, n)
    return label, np.eye(3)[label], z, np.eye(3)[z.argmax(axis=1)]


def oracle(y, score, d):
    """All of `PER_CLASS` of one class by scikit-learn."""
    known = ~np.isnan(y)
    y, score, d = y[known], score[known], d[known]
    (tn, fp), (fn, _) = sk.confusion_matrix(y, d, labels=[0, 1])
    return {
        "auroc": sk.roc_auc_score(y, score),
        "average_precision": sk.average_precision_score(y, score),
        "sensitivity": sk.recall_score(y, d),
        "specificity": tn / (tn + fp),
        "precision": sk.precision_score(y, d),
        "npv": tn / (tn + fn),
        "accuracy": sk.accuracy_score(y, d),
        "f1": sk.f1_score(y, d),
    }


@pytest.mark.parametrize("decimals", [0, 1, 8], ids=["many ties", "some ties", "no ties"])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_every_metric_of_a_class_equals_scikit_learn(unknown, decimals):
    y, z, d = sample(unknown=unknown, decimals=decimals)
    metrics = per_class(y, z, d, ones(len(y)))
    for i in range(3):
        expected = oracle(y[:, i], z[:, i], d[:, i])
        assert {name: metrics[name][0, i] for name in metrics} == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("decimals", [0, 8], ids=["many ties", "no ties"])
def test_a_weight_is_as_good_as_repeated_images(decimals):
    y, z, d = sample(n=120, unknown=0.2, decimals=decimals)
    w = np.random.default_rng(2).integers(0, 4, (20, 120))
    metrics = per_class(y, z, d, w.astype(float))
    for r, times in enumerate(w):
        rows = np.repeat(np.arange(120), times)
        for i in range(3):
            expected = oracle(y[rows, i], z[rows, i], d[rows, i])
            found = {name: metrics[name][r, i] for name in metrics}
            assert found == pytest.approx(expected, **EXACT)


def test_counts_equal_scikit_learns_confusion_matrix():
    y, _, d = sample(unknown=0.3)
    tp, fp, fn, tn = counts(y, d, ones(len(y)))
    for i in range(3):
        known = ~np.isnan(y[:, i])
        expected = sk.confusion_matrix(y[known, i], d[known, i]).ravel().tolist()
        assert [tn[0, i], fp[0, i], fn[0, i], tp[0, i]] == expected


def test_counts_added_over_classes_give_micro_averages():
    y, _, d = sample()
    micro = rates(*(count.sum(axis=1) for count in counts(y, d, ones(len(y)))))
    for name, score in (("f1", sk.f1_score), ("precision", sk.precision_score)):
        assert micro[name][0] == pytest.approx(score(y, d, average="micro"), **EXACT)


def test_headline_metrics_equal_scikit_learn():
    y, z, d = sample()
    p = MULTI_LABEL.activation(z)
    expected = {
        "auroc": sk.roc_auc_score(y, p, average="macro"),
        "average_precision": sk.average_precision_score(y, p, average="macro"),
        "precision": sk.precision_score(y, d, average="macro"),
        "sensitivity": sk.recall_score(y, d, average="macro"),
        "f1": sk.f1_score(y, d, average="macro"),
        "accuracy": (y == d).mean(),
        "loss": np.mean([sk.log_loss(y[:, i], p[:, i]) for i in range(3)]),
    }
    found = headline(MULTI_LABEL, y, z, d)
    assert tuple(found) == METRICS
    assert found == pytest.approx(expected, **EXACT)


def test_exclusive_classes_are_ranked_by_probability_and_counted_by_image():
    """A logit alone does not order images: the probability depends on the other classes' too."""
    label, y, z, d = exclusive_sample()
    p = MULTI_CLASS.activation(z)
    found = headline(MULTI_CLASS, y, z, d)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(label, p, multi_class="ovr"), **EXACT)
    expected = sk.average_precision_score(y, p, average="macro")
    assert found["average_precision"] == pytest.approx(expected, **EXACT)
    assert found["accuracy"] == pytest.approx((label == z.argmax(axis=1)).mean(), **EXACT)
    assert found["loss"] == pytest.approx(sk.log_loss(label, p), **EXACT)


@pytest.mark.parametrize("task", [MULTI_LABEL, MULTI_CLASS], ids=["multi-label", "multi-class"])
def test_loss_and_accuracy_of_weighted_images_are_those_of_repeated_ones(task):
    if task.exclusive:
        _, y, z, d = exclusive_sample(60)
    else:
        y, z, d = sample(n=60, unknown=0.2)
    times = np.random.default_rng(3).integers(0, 3, 60)
    weighted = loss_and_accuracy(task, y, z, d, times[None].astype(float))
    y, z, d = (np.repeat(table, times, axis=0) for table in (y, z, d))
    repeated = loss_and_accuracy(task, y, z, d, ones(len(y)))
    for name in ("loss", "accuracy"):
        assert weighted[name][0] == pytest.approx(repeated[name][0], **EXACT)


def test_what_is_undefined_is_nan_and_left_out_of_the_mean():
    y, z, d = sample()
    y[:, 0] = d[:, 0] = 0
    metrics = per_class(y, z, d, ones(len(y)))
    undefined = {name for name, values in metrics.items() if np.isnan(values[0, 0])}
    assert undefined == {"auroc", "average_precision", "sensitivity", "precision", "f1"}
    found = headline(MULTI_LABEL, y, z, d)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(y[:, 1:], z[:, 1:]), **EXACT)


def test_a_replicate_without_a_class_has_no_mean_over_the_others():
    """Else its mean would be of fewer classes than the sample's, and that of easier ones."""
    y, z, d = sample()
    w = np.stack([np.ones(len(y)), y[:, 0] == 0])
    metrics = per_class(y, z, d, w)
    means = macro(metrics, per_class(y, z, d, ones(len(y))))
    assert np.isfinite(means["auroc"][0])
    assert np.isnan(means["auroc"][1])


def test_a_single_class_present_is_undefined():
    auroc, precision = auroc_and_ap(np.ones(5), np.arange(5.0), np.ones((2, 5)))
    assert np.isnan(auroc).all()
    assert np.isnan(precision).all()


def test_nothing_at_all_is_undefined():
    nothing = np.zeros((0, 2))
    assert set(headline(MULTI_LABEL, nothing, nothing, nothing).values()) == {None}


@pytest.mark.parametrize(
    ("name", "value", "other", "better"),
    [("loss", 0.1, 0.2, True), ("auroc", 0.1, 0.2, False), ("f1", 0.3, 0.2, True),
     ("f1", None, 0.2, False), ("f1", 0.2, None, True), ("loss", 0.2, 0.2, False)],
)  # fmt: skip
def test_beats(name, value, other, better):
    assert beats(name, value, other) is better
