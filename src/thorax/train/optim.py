"""Optimizers and learning-rate schedules by name."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

from torch import nn, optim
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from thorax.config import Optimizer, Train


def make_optimizer(params: Optimizer, weights: Iterable[nn.Parameter]) -> optim.Optimizer:
    """The named optimizer over the trainable weights.

    AdamW leaves biases and the scales of normalization undecayed, as is common practice (He et al.
    2019, Bag of Tricks, section 3.1); the L2 of the others is of all weights, as in torch.
    """
    trainable = [weight for weight in weights if weight.requires_grad]
    common: dict[str, Any] = {"lr": params.lr, "weight_decay": params.weight_decay}
    match params.name:
        case "sgd":
            return optim.SGD(trainable, momentum=params.momentum, **common)
        case "rmsprop":
            common |= {"momentum": params.momentum, "alpha": params.alpha, "eps": params.eps}
            return optim.RMSprop(trainable, **common)
        case "adam":
            return optim.Adam(trainable, amsgrad=params.amsgrad, eps=params.eps, **common)
        case "adamw":
            groups: list[dict[str, Any]] = [
                {"params": [weight for weight in trainable if weight.ndim > 1]},
                {"params": [weight for weight in trainable if weight.ndim < 2], "weight_decay": 0},
            ]
            return optim.AdamW(groups, amsgrad=params.amsgrad, eps=params.eps, **common)


LAID_OUT = ("cosine", "one_cycle")  # over `epochs`: stopping early would cut off their end


class Schedule:
    """Learning rate over time: `after_step` follows every step, `after_epoch` every epoch.

    Warm-up, cosine and one-cycle move by the step; plateau by the epoch, on the monitored metric.
    """

    def __init__(self, optimizer: optim.Optimizer, params: Train, steps_per_epoch: int) -> None:
        total = params.epochs * steps_per_epoch
        warmup = round(params.schedule.warmup_epochs * steps_per_epoch)
        # Steps after which it stands still.
        self._moves = total if params.schedule.name in LAID_OUT else warmup
        self._by_step: LRScheduler = (
            _one_cycle(optimizer, params, total)
            if params.schedule.name == "one_cycle"
            else LambdaLR(optimizer, partial(_warm_cosine, params, warmup, total))
        )
        self._by_epoch = ReduceLROnPlateau(
            optimizer,
            mode="min" if params.monitor == "loss" else "max",
            factor=params.schedule.factor,
            patience=params.schedule.patience,
            min_lr=params.schedule.min_lr,
        )
        self._plateau = params.schedule.name == "plateau"

    def after_step(self) -> None:
        """Move on by one optimizer step."""
        if self._by_step.last_epoch < self._moves:
            self._by_step.step()

    def after_epoch(self, monitored: float | None) -> None:
        """Tell the plateau schedule how the epoch went; an undefined metric changes nothing."""
        if self._plateau and monitored is not None:
            self._by_epoch.step(monitored)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on after an interruption."""
        return {"step": self._by_step.state_dict(), "epoch": self._by_epoch.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._by_step.load_state_dict(state["step"])
        self._by_epoch.load_state_dict(state["epoch"])


def _one_cycle(optimizer: optim.Optimizer, params: Train, total: int) -> OneCycleLR:
    """Smith and Topin 2018, with momentum moving against the learning rate where there is one."""
    has_momentum = params.optimizer.name != "rmsprop"
    top = params.optimizer.momentum if params.optimizer.name == "sgd" else 0.95
    return OneCycleLR(
        optimizer,
        max_lr=params.optimizer.lr,
        total_steps=total + 1,
        cycle_momentum=has_momentum and top > 0,
        max_momentum=top,
        base_momentum=0.85 / 0.95 * top,
    )


def _warm_cosine(params: Train, warmup: int, total: int, step: int) -> float:
    """Factor on the learning rate: a linear warm-up, then constant or a half cosine."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if params.schedule.name != "cosine":
        return 1.0
    floor = min(1.0, params.schedule.min_lr / params.optimizer.lr)
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2
