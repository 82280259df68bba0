"""What training adds to the loss of a task: class weights, the head's L2, and what is monitored."""

import numpy as np
import torch
from numpy.typing import NDArray

from thorax.config import Train
from thorax.models.build import head_weights
from thorax.tasks import TASKS, label_weights
from thorax.train.setup import Run


def loss_weights(run: Run, params: Train) -> torch.Tensor:
    """Weights [2, outputs] of absent and present labels in the loss."""
    targets = run.dataset.targets[run.train_rows]
    weights = label_weights(params.class_weights, targets, run.dataset.outputs)
    return torch.tensor(weights, dtype=torch.float32, device=run.fabric.device)


def head_penalty(run: Run, params: Train) -> torch.Tensor:
    """`head_l2` times the squared weights of the head, without biases."""
    if not params.head_l2:
        return torch.zeros((), device=run.fabric.device)
    squares = [w.square().sum() for w in head_weights(run.network, run.model)]
    return params.head_l2 * torch.stack(squares).sum()


@torch.no_grad()
def monitored_loss(
    run: Run, params: Train, z: NDArray[np.float64], plain: float | None
) -> float | None:
    """The validation loss as some studies monitored it, from logits [N, outputs]."""
    if params.monitored_loss == "with_l2":
        return None if plain is None else plain + float(head_penalty(run, params))
    task, weights, y = TASKS[run.dataset.task], loss_weights(run, params), run.targets[run.val_rows]
    logits = torch.tensor(z, dtype=torch.float32, device=y.device)
    return float(task.loss(logits, y, weights, params.label_smoothing) / task.divisor(y, weights))
