"""How far a training run has come, and what a checkpoint holds of it."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from thorax.artifacts.model import Epoch
from thorax.config import Train
from thorax.io import rounded
from thorax.metrics.classification import beats
from thorax.train.optim import LAID_OUT

Metrics = dict[str, float | None]


@dataclass
class Best:
    """The epoch with the best monitored value; none yet where `weights` is empty."""

    epoch: int = 0  # within its phase
    value: float | None = None
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass
class State:
    """How far a run has come."""

    phase: int = 0
    epoch: int = 0  # within the phase
    best: Best = field(default_factory=Best)  # of the phase: where the next one starts
    kept: Best = field(default_factory=Best)  # of the run: what it ends with
    history: list[Epoch] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """The same as dicts, lists and tensors."""
        history = [epoch.model_dump() for epoch in self.history]
        return vars(self) | {"best": vars(self.best), "kept": vars(self.kept), "history": history}

    @classmethod
    def of_plain(cls, plain: dict[str, Any]) -> "State":
        """Back from `plain`."""
        history = [Epoch.model_validate(epoch) for epoch in plain["history"]]
        best, kept = Best(**plain["best"]), Best(**plain["kept"])
        return cls(plain["phase"], plain["epoch"], best, kept, history)

    def goes_on(self, params: Train) -> bool:
        """Whether the phase has another epoch."""
        patient = params.schedule.name in LAID_OUT
        waited = self.epoch - self.best.epoch
        return self.epoch < params.epochs and (patient or waited < params.patience)


def remember(
    state: State, params: Train, network: nn.Module, train_metrics: Metrics, val_metrics: Metrics
) -> None:
    """Add an epoch to the history, and keep the weights if it is the best of its phase or run."""
    state.epoch += 1
    value = val_metrics[params.monitored]
    if beats(params.monitor, value, state.best.value):
        state.best = Best(state.epoch, value, on_cpu(network))
    best = beats(params.monitor, value, state.kept.value)
    if best:
        state.kept = state.best
    epoch = Epoch(
        phase=state.phase,
        best=best,
        train={name: rounded(value, 6) for name, value in train_metrics.items()},
        val={name: rounded(value, 6) for name, value in val_metrics.items()},
    )
    state.history.append(epoch)


def snapshot(parts: dict[str, Any], state: State) -> dict[str, Any]:
    """All that the next epoch depends on."""
    random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
    return {n: part.state_dict() for n, part in parts.items()} | {
        "state": state.plain(),
        "random": random,
    }


def restore(parts: dict[str, Any], saved: dict[str, Any]) -> None:
    """Put a snapshot back."""
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    torch.set_rng_state(saved["random"]["cpu"])
    torch.cuda.set_rng_state_all(saved["random"]["cuda"])


def on_cpu(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the weights."""
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
