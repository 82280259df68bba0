"""The training loop, top to bottom, without a framework.

Read `fit` first. Order and augmentation are pure functions of (seed, epoch, image), so a run of one
process that was killed and resumed ends with the same weights as one that was not.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from thorax import provenance
from thorax.artifacts.model import Epoch
from thorax.config import Augment, Model, Paths, Train
from thorax.contamination import write_trained_on
from thorax.dataset.loader import epoch_order, split_batches
from thorax.errors import NumericsError
from thorax.io import rounded
from thorax.metrics.classification import beats, headline
from thorax.models.build import head_weights, keep_frozen_in_eval, set_trainable
from thorax.models.inference import predict_logits, save
from thorax.progress import bar
from thorax.tasks import TASKS, label_weights
from thorax.train.checkpoint import Checkpoint, checkpoint
from thorax.train.monitor import curves, epoch_line
from thorax.train.optim import Schedule, make_optimizer
from thorax.train.setup import Run, open_run

Metrics = dict[str, float | None]


@dataclass
class State:
    """How far a run has come; what a checkpoint holds."""

    phase: int = 0
    epoch: int = 0  # within the phase
    best_epoch: int = 0  # within the phase
    best_value: float | None = None
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    def next_phase(self) -> None:
        """Start the next phase with no memory of what was best."""
        self.phase, self.epoch, self.best_epoch = self.phase + 1, 0, 0
        self.best_value, self.best_weights = None, {}


def train(fold: int, model: Model, params: Train, augment: Augment, paths: Paths) -> None:
    """Train one fold; write its model to `models/<fold>` and its curves."""
    run = open_run(fold, model, params, augment, paths)
    with checkpoint(run.identity, run.fabric) as saved:
        history = fit(run, params, saved, Path(paths.curves) / str(fold))
    if run.fabric.is_global_zero:
        folder = Path(paths.models) / str(fold)
        save(run.model_file(params, history, paths), _on_cpu(run.network), folder)
        # Thresholds are chosen on `val` of several folds, so it counts as seen.
        rows = np.r_[run.train_rows, run.val_rows, run.dataset.held_out("val")]
        seen = run.dataset.table.take(rows)
        write_trained_on(folder, run.dataset.patient_namespace, seen)
        provenance.record_run(run.identity, run.clock.total(), run.clock.speed())
        print(run.clock.summary())


def fit(run: Run, params: Train, saved: Checkpoint, folder: Path) -> list[Epoch]:
    """All phases and epochs; the network ends with the best weights of the last phase."""
    resumed = saved.load()
    state = resumed["state"] if resumed else State()
    phases = params.phase_list()
    with curves(folder, state.history, writing=run.fabric.is_global_zero) as log:
        while state.phase < len(phases):
            phase = phases[state.phase]
            set_trainable(run.network, run.model, phase.trainable)
            steps = -(
                -len(split_batches(run.train_rows, phase.batch_size)) // phase.grad_accum_steps
            )
            optimizer = make_optimizer(phase.optimizer, run.network.parameters())
            schedule = Schedule(optimizer, phase, steps)
            parts = {"network": run.network, "optimizer": optimizer, "schedule": schedule}
            if resumed:
                restore(parts, resumed)
                resumed = None
            network: Any = torch.compile(run.network) if phase.compile else run.network
            module, stepper = run.fabric.setup(network, optimizer)
            while state.epoch < phase.epochs and state.epoch - state.best_epoch < phase.patience:
                epoch = len(state.history)
                train_metrics = train_epoch(run, phase, module, stepper, schedule, epoch)
                val_metrics = validate(run, phase, module)
                schedule.after_epoch(val_metrics[phase.monitor])
                remember(state, phase, run.network, train_metrics, val_metrics)
                log(state.history[-1])
                print(epoch_line(state.history, phase, run.clock), flush=True)
                with run.clock.measure("checkpoint"):
                    saved.save(snapshot(parts, state))
            if state.best_weights:
                run.network.load_state_dict(state.best_weights)
            state.next_phase()
    return state.history


def train_epoch(
    run: Run, params: Train, module: Any, optimizer: Any, schedule: Schedule, epoch: int
) -> Metrics:
    """One pass over the training images; metrics of the predictions made on the way.

    With several processes these are of the first one's images; the loss is of all.
    """
    task = TASKS[run.dataset.task]
    balance = label_weights(
        params.class_weights, run.dataset.targets[run.train_rows], run.dataset.outputs
    )
    weights = torch.tensor(balance, dtype=torch.float32, device=run.fabric.device)
    penalized = head_weights(run.network, run.model) if params.head_l2 else []
    order = epoch_order(run.train_rows, params.seed, epoch)
    rank, world = run.fabric.global_rank, run.fabric.world_size
    batches = [batch[rank::world] for batch in split_batches(order, params.batch_size)]
    module.train()
    keep_frozen_in_eval(run.network)
    losses, outputs = [], []
    with bar(f"epoch {epoch + 1}", total=len(order), keep=False) as progress:
        stream = run.batches.stream(batches, run.augment, params.seed, epoch)
        for i, batch in enumerate(run.clock.waits_for(stream)):
            group = min(params.grad_accum_steps, len(batches) - i + i % params.grad_accum_steps)
            last = (i + 1) % params.grad_accum_steps == 0 or i + 1 == len(batches)
            with run.clock.measure("training"):
                with run.fabric.no_backward_sync(module, enabled=not last):
                    logits = module(batch.x_BCHW)
                    y = run.targets[batch.rows]
                    loss = task.loss(logits, y, weights, params.label_smoothing)
                    penalty = params.head_l2 * sum(w.square().sum() for w in penalized)
                    run.fabric.backward((loss + penalty) / group)
                if last:
                    if params.max_grad_norm is not None:
                        run.fabric.clip_gradients(module, optimizer, max_norm=params.max_grad_norm)
                    optimizer.step()
                    optimizer.zero_grad()
                    schedule.after_step()
                losses.append(loss.detach())
                outputs.append(logits.detach().float())
                if i % 10 == 0:
                    progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
            run.clock.images += len(batch.rows) * world
            progress.update(len(batch.rows) * world)
    mean_loss = float(run.fabric.all_reduce(torch.stack(losses).mean()))  # type: ignore[arg-type]
    if not np.isfinite(mean_loss):
        raise NumericsError(
            f"The training loss became {mean_loss} in epoch {epoch + 1}. Lower train.optimizer.lr,"
            " set train.max_grad_norm: 1.0, or use train.precision: fp32."
        )
    z = torch.cat(outputs).double().cpu().numpy()
    lr = optimizer.param_groups[0]["lr"]
    return evaluated(run, np.concatenate(batches), z) | {"loss": mean_loss, "lr": lr}


def validate(run: Run, params: Train, module: Any) -> Metrics:
    """Metrics on the validation images, decisions at one half."""
    with run.clock.measure("validation"):
        z = predict_logits(run.fabric, module, run.batches, run.val_rows, params.batch_size)
        return evaluated(run, run.val_rows, z)


def evaluated(run: Run, rows: NDArray[np.int64], z: NDArray[np.float64]) -> Metrics:
    """Headline metrics of logits [N, outputs] for cache rows [N]."""
    task = TASKS[run.dataset.task]
    decisions = task.decide(task.activation(z), np.full(z.shape[1], 0.5))
    return headline(task, run.dataset.targets[rows], z, decisions)


def remember(
    state: State, params: Train, network: nn.Module, train_metrics: Metrics, val_metrics: Metrics
) -> None:
    """Add an epoch to the history, and keep the weights if it is the best of its phase."""
    state.epoch += 1
    value = val_metrics[params.monitor]
    if beats(params.monitor, value, state.best_value):
        state.best_value, state.best_epoch = value, state.epoch
        state.best_weights = _on_cpu(network)
    epoch = Epoch(
        phase=state.phase,
        best=state.best_epoch == state.epoch,
        train={name: rounded(value, 6) for name, value in train_metrics.items()},
        val={name: rounded(value, 6) for name, value in val_metrics.items()},
    )
    state.history.append(epoch)


def snapshot(parts: dict[str, Any], state: State) -> dict[str, Any]:
    """All that the next epoch depends on."""
    random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
    return {n: part.state_dict() for n, part in parts.items()} | {"state": state, "random": random}


def restore(parts: dict[str, Any], saved: dict[str, Any]) -> None:
    """Put a snapshot back."""
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    torch.set_rng_state(saved["random"]["cpu"])
    torch.cuda.set_rng_state_all(saved["random"]["cuda"])


def _on_cpu(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
