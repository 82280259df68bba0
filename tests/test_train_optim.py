"""Optimizers and schedules by name, and their continuation."""

import copy

import pytest
import torch
from torch import nn

from small_run import params
from thorax.train.optim import Schedule, make_optimizer

STEPS = 10


def rates(epochs=4, monitored=None, **schedule):
    """Learning rate before each step, and after the last."""
    settings = params(
        train={"epochs": epochs, "schedule": schedule, "optimizer": {"lr": 0.1}}
    ).train
    optimizer = make_optimizer(settings.optimizer, nn.Linear(2, 2).parameters())
    moving = Schedule(optimizer, settings, STEPS)
    seen = []
    for epoch in range(epochs):
        for _ in range(STEPS):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            moving.after_step()
        moving.after_epoch((monitored or [1.0] * epochs)[epoch])
    return [*seen, optimizer.param_groups[0]["lr"]]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW),
     ("rmsprop", torch.optim.RMSprop)],
)  # fmt: skip
def test_optimizers_by_name(name, kind):
    settings = params(train={"optimizer": {"name": name, "weight_decay": 0.1, "amsgrad": True}})
    optimizer = make_optimizer(settings.train.optimizer, nn.Linear(2, 2).parameters())
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
    assert optimizer.param_groups[0].get("amsgrad", True)


def test_adamw_decays_no_bias_and_no_scale_of_normalization():
    settings = params(train={"optimizer": {"name": "adamw", "lr": 0.1, "weight_decay": 0.5}})
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = [p.detach().clone() for p in network.parameters()]
    optimizer = make_optimizer(settings.train.optimizer, network.parameters())
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    after = [p.detach() for p in network.parameters()]
    torch.testing.assert_close(after[0], before[0] * (1 - 0.1 * 0.5))
    assert all(torch.equal(x, y) for x, y in zip(after[1:], before[1:], strict=True))


@pytest.mark.parametrize(("alpha", "eps"), [(0.9, 1e-7), (0.99, 1e-8)])
def test_rmsprop_has_the_constants_of_keras_or_of_torch(alpha, eps):
    """The first step of Keras: lr * g / (sqrt((1 - rho) * g²) + epsilon)."""
    about = {"name": "rmsprop", "lr": 0.1, "weight_decay": 0.0, "momentum": 0.0,
             "alpha": alpha, "eps": eps}  # fmt: skip
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = make_optimizer(params(train={"optimizer": about}).train.optimizer, [weight])
    weight.grad = torch.full_like(weight, 1e-6)
    optimizer.step()
    expected = -0.1 * 1e-6 / (((1 - alpha) * 1e-12) ** 0.5 + eps)
    assert weight.item() == pytest.approx(expected, rel=1e-9)


def test_frozen_weights_are_left_out():
    network = nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    optimizer = make_optimizer(params().train.optimizer, network.parameters())
    assert [p.shape for p in optimizer.param_groups[0]["params"]] == [(2, 2)]


def test_no_schedule_stands_still():
    assert set(rates(name="none")) == {0.1}


def test_warm_up_rises_to_the_rate_and_stays():
    seen = rates(name="none", warmup_epochs=1.0)
    assert seen[0] == pytest.approx(0.1 / 11)
    assert seen[: STEPS + 1] == sorted(set(seen[: STEPS + 1]))
    assert set(seen[STEPS:]) == {0.1}


def test_cosine_ends_at_the_floor():
    seen = rates(name="cosine", min_lr=0.001)
    assert seen[0] == 0.1
    assert seen[20] == pytest.approx((0.1 + 0.001) / 2)
    assert seen[-1] == pytest.approx(0.001)


def test_one_cycle_peaks_at_the_rate():
    seen = rates(name="one_cycle")
    assert max(seen) == pytest.approx(0.1, rel=0.01)
    assert 0 < seen.index(max(seen)) < 20
    assert seen[-1] < 0.001


def test_plateau_falls_after_its_patience_and_not_below_the_floor():
    losses = [1.0, *[0.9] * 7]
    seen = rates(8, losses, name="plateau", factor=0.1, patience=1, min_lr=0.005)
    by_epoch = seen[::STEPS]
    assert by_epoch[:4] == [0.1] * 4
    assert by_epoch[4] == pytest.approx(0.01)
    assert by_epoch[-1] == pytest.approx(0.005)


@pytest.mark.parametrize("name", ["none", "plateau", "cosine", "one_cycle"])
def test_a_saved_schedule_goes_on_where_it_was(name):
    settings = params(train={"epochs": 4, "schedule": {"name": name, "warmup_epochs": 0.5}}).train
    network = nn.Linear(2, 2)
    twins = []
    for _ in range(2):
        optimizer = make_optimizer(settings.optimizer, network.parameters())
        twins.append((optimizer, Schedule(optimizer, settings, STEPS)))
    first, second = twins
    for _ in range(13):
        first[0].step()
        first[1].after_step()
    first[1].after_epoch(1.0)
    second[0].load_state_dict(copy.deepcopy(first[0].state_dict()))
    second[1].load_state_dict(copy.deepcopy(first[1].state_dict()))
    for _ in range(20):
        for optimizer, schedule in twins:
            optimizer.step()
            schedule.after_step()
        assert first[0].param_groups[0]["lr"] == second[0].param_groups[0]["lr"]
