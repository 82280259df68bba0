"""Losses against torch's own, unknown labels, weights, ensembles and decisions."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from thorax.tasks import TASKS, label_weights

ONES = torch.ones(2, 3)


def mean_loss(name, z, y, weights=ONES, smoothing=0.0):
    return TASKS[name].loss(z, y, weights, smoothing) / TASKS[name].divisor(y, weights)


def logits_and_labels():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 3, generator=generator)
    return logits, torch.randint(0, 2, (8, 3), generator=generator).float()


def test_multi_label_loss_is_the_mean_binary_cross_entropy():
    logits, y = logits_and_labels()
    expected = functional.binary_cross_entropy_with_logits(logits, y)
    torch.testing.assert_close(mean_loss("multi-label", logits, y), expected)


def test_unknown_labels_have_no_gradient_and_no_part_in_the_mean():
    logits, y = logits_and_labels()
    y[0, 1] = y[5, 2] = float("nan")
    logits.requires_grad_()
    loss = mean_loss("multi-label", logits, y)
    loss.backward()
    assert logits.grad[0, 1] == 0
    assert logits.grad[5, 2] == 0
    known = ~y.isnan()
    expected = functional.binary_cross_entropy_with_logits(logits[known], y[known])
    torch.testing.assert_close(loss, expected)


def test_a_batch_of_unknown_labels_has_no_loss():
    logits, y = logits_and_labels()
    assert mean_loss("multi-label", logits, y * float("nan")) == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_multi_class_loss_is_torchs_cross_entropy(smoothing):
    logits, _ = logits_and_labels()
    target = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    one_hot = functional.one_hot(target, 3).float()
    weights = torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.0, 0.5]])
    expected = functional.cross_entropy(logits, target, weights[1], label_smoothing=smoothing)
    torch.testing.assert_close(
        mean_loss("multi-class", logits, one_hot, weights, smoothing), expected
    )


def test_balanced_weights_give_present_and_absent_labels_equal_sums():
    y = np.array([[1, 0], [0, 0], [0, 1], [0, np.nan]], float)
    absent, present = label_weights("balanced", y, ["a", "b"])
    for i in range(2):
        known = y[~np.isnan(y[:, i]), i]
        assert (known * present[i]).sum() == pytest.approx(((1 - known) * absent[i]).sum())


def test_given_weights_count_for_present_labels():
    weights = label_weights({"b": 3.0}, np.zeros((1, 2)), ["a", "b"])
    assert weights.tolist() == [[1, 1], [1, 3]]


def test_a_binary_task_has_the_positive_class_as_its_only_output():
    assert TASKS["binary"].outputs(["NORMAL", "PNEUMONIA"], "PNEUMONIA") == ["PNEUMONIA"]
    assert TASKS["multi-class"].outputs(["a", "b"], None) == ["a", "b"]


def test_decisions():
    p = np.array([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]])
    t = np.array([0.5, 0.15, 0.9])
    assert TASKS["multi-label"].decide(p, t).tolist() == [[1, 1, 0], [0, 0, 0]]
    assert TASKS["multi-class"].decide(p, t).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_activations_are_probabilities():
    z = logits_and_labels()[0].double().numpy()
    np.testing.assert_allclose(TASKS["multi-class"].activation(z).sum(axis=1), 1)
    p = TASKS["binary"].activation(np.array([[0.0, -1e3, 1e3]]))
    np.testing.assert_allclose(p, [[0.5, 0, 1]])


@pytest.mark.parametrize("task", TASKS)
def test_an_ensemble_has_the_mean_probability(task):
    z = np.random.default_rng(0).normal(0, 3, (4, 10, 3))
    activation = TASKS[task].activation
    mean = np.mean([activation(member) for member in z], axis=0)
    np.testing.assert_allclose(activation(TASKS[task].ensemble(z)), mean)


@pytest.mark.parametrize("task", TASKS)
def test_an_ensemble_of_confident_models_keeps_its_confidence(task):
    """Where a probability is 1 in floating point, the logits still order images."""
    z = np.array([[[800.0, 0.0]], [[850.0, 0.0]]])
    higher = z + np.array([100.0, 0.0])
    first, surer = (TASKS[task].ensemble(logits)[0] for logits in (z, higher))
    assert np.isfinite(first).all()
    assert (surer - first)[0] - (surer - first)[1] == pytest.approx(100)


def test_log_loss_is_that_of_training_label_by_label_and_nan_where_unknown():
    z, y = logits_and_labels()
    y[0, 1] = float("nan")
    losses = TASKS["multi-label"].log_loss(z.double().numpy(), y.double().numpy())
    assert np.isnan(losses[0, 1])
    trained = mean_loss("multi-label", z, y)
    assert np.nanmean(losses) == pytest.approx(float(trained), rel=1e-5)
    one_hot = functional.one_hot(torch.arange(8) % 3, 3)
    losses = TASKS["multi-class"].log_loss(z.double().numpy(), one_hot.double().numpy())
    trained = mean_loss("multi-class", z, one_hot.float())
    assert losses.shape == (8, 1)
    assert losses.mean() == pytest.approx(float(trained), rel=1e-5)
