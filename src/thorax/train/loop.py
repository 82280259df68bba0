"""The training loop, top to bottom, without a framework.

Read `fit` first. Order and augmentation are pure functions of (seed, epoch, image), so a run of one
process that was killed and resumed ends with the same weights as one that was not.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from thorax import provenance
from thorax.artifacts.model import Epoch, ModelFile
from thorax.config import Augment, Model, Paths, Train
from thorax.contamination import write_trained_on
from thorax.dataset.loader import epoch_order, split_batches
from thorax.errors import NumericsError
from thorax.metrics.classification import headline
from thorax.models.build import keep_frozen_in_eval, set_trainable
from thorax.models.inference import predict_logits, save
from thorax.progress import bar
from thorax.tasks import TASKS
from thorax.train.checkpoint import Checkpoint, checkpoint
from thorax.train.loss import head_penalty, loss_weights, monitored_loss
from thorax.train.monitor import curves, epoch_line
from thorax.train.optim import Schedule, make_optimizer
from thorax.train.setup import Run, open_run
from thorax.train.state import Best, Metrics, State, on_cpu, remember, restore, snapshot
from thorax.typicality import Typicality


def train(fold: int, model: Model, params: Train, augment: Augment, paths: Paths) -> None:
    """Train one fold; write its model to `models/<fold>` and its curves."""
    run = open_run(fold, model, params, augment, paths)
    if run.fabric.is_global_zero:
        print(run.describe(params), flush=True)
    with checkpoint(run.identity, run.fabric) as saved:
        try:
            history = fit(run, params, saved, Path(paths.curves) / str(fold))
        except KeyboardInterrupt:
            print("\nThe same command goes on after the last finished epoch.", file=sys.stderr)
            raise
        if run.fabric.is_global_zero:
            write(run, run.model_file(params, history, paths), Path(paths.models) / str(fold))


def write(run: Run, model: ModelFile, folder: Path) -> None:
    """Write the trained model, of whom it has learned, and what their images look like."""
    save(model, on_cpu(run.network), folder)
    Typicality.fit(run.dataset.images, run.train_rows, run.val_rows).write(folder)
    # Thresholds are chosen on `val` of several folds, so it counts as seen.
    rows = np.r_[run.train_rows, run.val_rows, run.dataset.held_out("val")]
    write_trained_on(folder, run.dataset.patient_namespace, run.dataset.table.take(rows))
    if run.clock.epochs:
        provenance.record_run(run.identity, run.clock.total(), run.clock.speed())
        print(run.clock.summary())


def fit(run: Run, params: Train, saved: Checkpoint, folder: Path) -> list[Epoch]:
    """All phases and epochs, each phase from the best weights of the one before.

    The network ends with the best weights of all phases: a later one may make it worse.
    """
    resumed = saved.load()
    state = State.of_plain(resumed["state"]) if resumed else State()
    phases = params.phase_list()
    epochs = sum(phase.epochs for phase in phases)
    if state.history and run.fabric.is_global_zero:
        at = f"resuming at epoch {len(state.history) + 1} of {epochs}"
        done = f"trained before; to train again, delete {saved.folder}"
        print(done if state.phase == len(phases) else at, flush=True)
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
            while state.goes_on(phase):
                epoch = len(state.history)
                what = f"epoch {epoch + 1} of {epochs}"
                train_metrics = train_epoch(run, phase, module, stepper, schedule, what, epoch)
                val_metrics = validate(run, phase, module)
                schedule.after_epoch(val_metrics[phase.monitored])
                remember(state, phase, run.network, train_metrics, val_metrics)
                log(state.history[-1])
                run.clock.epochs += 1
                print(epoch_line(state.history, phase, run.clock, epochs), flush=True)
                with run.clock.measure("checkpoint"):
                    saved.save(snapshot(parts, state))
            if state.best.weights:
                run.network.load_state_dict(state.best.weights)
            state.phase, state.epoch, state.best = state.phase + 1, 0, Best()
    if state.kept.weights:
        run.network.load_state_dict(state.kept.weights)
    saved.finish({"state": State(state.phase, kept=state.kept, history=state.history).plain()})
    return state.history


def train_epoch(
    run: Run,
    params: Train,
    module: Any,
    optimizer: Any,
    schedule: Schedule,
    what: str,
    epoch: int,
) -> Metrics:
    """One pass over the training images, shown as `what`; metrics of its own predictions.

    A step has the gradient of the mean loss over all its images, however many batches and processes
    they are divided over. With several processes the metrics are of the first one's images; the
    loss is of all.
    """
    task, weights = TASKS[run.dataset.task], loss_weights(run, params)
    order = epoch_order(run.train_rows, params.seed, epoch)
    rank, world = run.fabric.global_rank, run.fabric.world_size
    whole = split_batches(order, params.batch_size)  # of all processes together
    batches = [batch[rank::world] for batch in whole]
    module.train()
    keep_frozen_in_eval(run.network, params.frozen_batch_norm)
    losses, outputs = [], []
    with bar(what, total=len(order), keep=False) as progress:
        stream = run.batches.stream(batches, run.augment, params.seed, epoch)
        for i, batch in enumerate(run.clock.waits_for(stream)):
            if i % params.grad_accum_steps == 0:
                step = whole[i : i + params.grad_accum_steps]
                # Processes average their gradients, so each divides by its share.
                share = task.divisor(run.targets[np.concatenate(step)], weights) / world
            last = (i + 1) % params.grad_accum_steps == 0 or i + 1 == len(batches)
            with run.clock.measure("training"):
                with run.fabric.no_backward_sync(module, enabled=not last):
                    logits = module(batch.x_BCHW)
                    y = run.targets[batch.rows]
                    loss = task.loss(logits, y, weights, params.label_smoothing)
                    run.fabric.backward(loss / share + head_penalty(run, params) / len(step))
                if last:
                    if params.max_grad_norm is not None:
                        run.fabric.clip_gradients(module, optimizer, max_norm=params.max_grad_norm)
                    optimizer.step()
                    optimizer.zero_grad()
                    schedule.after_step()
                losses.append(loss.detach())
                outputs.append(logits.detach().float())
                if i % 10 == 0:
                    mean = loss / task.divisor(y, weights)
                    progress.set_postfix(loss=f"{mean.item():.4f}", refresh=False)
            run.clock.images += len(batch.rows) * world
            progress.update(len(batch.rows) * world)
    total = run.fabric.all_reduce(torch.stack(losses).sum(), reduce_op="sum")
    mean_loss = float(total) / float(task.divisor(run.targets[order], weights))  # type: ignore[arg-type]
    if not np.isfinite(mean_loss):
        raise NumericsError(
            f"The training loss became {mean_loss} in epoch {epoch + 1}. Lower train.optimizer.lr,"
            " set train.max_grad_norm: 1.0, or use train.precision: fp32."
        )
    z = torch.cat(outputs).double().cpu().numpy()
    lr = optimizer.param_groups[0]["lr"]
    return evaluated(run, np.concatenate(batches), z) | {"loss": mean_loss, "lr": lr}


def validate(run: Run, params: Train, module: Any) -> Metrics:
    """Metrics on the validation images, decisions at one half, and what is monitored."""
    with run.clock.measure("validation"):
        z = predict_logits(run.fabric, module, run.batches, run.val_rows, params.batch_size)
        metrics = evaluated(run, run.val_rows, z)
        if params.monitored == "monitored_loss":
            metrics["monitored_loss"] = monitored_loss(run, params, z, metrics["loss"])
        return metrics


def evaluated(run: Run, rows: NDArray[np.int64], z: NDArray[np.float64]) -> Metrics:
    """Headline metrics of logits [N, outputs] for cache rows [N]."""
    task = TASKS[run.dataset.task]
    decisions = task.decide(task.activation(z), np.full(z.shape[1], 0.5))
    return headline(task, run.dataset.targets[rows], z, decisions)
