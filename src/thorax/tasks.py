"""What a task means: how many outputs, which activation, which loss, which decision.

One row a task; no other module asks which task it is. Shapes: B images, L classes, O outputs.
Targets are float [B, L] with 1, 0 and NaN for unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """One kind of classification.

    Attributes:
        outputs: classes that have an output, given all of them and the positive one.
        activation: logits [B, O] → probabilities [B, O].
        loss: logits [B, O], targets [B, O], weights of absent and present labels [2, O], label
            smoothing → mean loss.
        decide: probabilities [B, O], thresholds [O] → 1 or 0 [B, O].
    """

    outputs: Callable[[list[str], str | None], list[str]]
    activation: Callable[[torch.Tensor], torch.Tensor]
    loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]
    decide: Callable[[Array, Array], Array]


def _masked_bce(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Binary cross-entropy averaged over the known labels; unknown ones have no gradient."""
    known = ~targets.isnan()
    y = targets.nan_to_num()
    weight = torch.where(y > 0.5, weights[1], weights[0]) * known
    y = y * (1 - smoothing) + smoothing / 2
    loss = functional.binary_cross_entropy_with_logits(logits, y, weight=weight, reduction="sum")
    return loss / known.sum().clamp(min=1)


def _cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Softmax cross-entropy; with one true class an image, absence has no weight of its own."""
    return functional.cross_entropy(
        logits, targets.argmax(dim=1), weight=weights[1], label_smoothing=smoothing
    )


def _over_threshold(p: Array, thresholds: Array) -> Array:
    return (p >= thresholds).astype(np.float64)


def _most_likely(p: Array, thresholds: Array) -> Array:  # noqa: ARG001 - the argmax needs none
    one_hot: Array = np.eye(p.shape[1])[p.argmax(axis=1)]
    return one_hot


def _all(classes: list[str], positive: str | None) -> list[str]:  # noqa: ARG001
    return classes


def _positive_only(classes: list[str], positive: str | None) -> list[str]:
    return [positive or classes[-1]]


TASKS = {
    "multi-label": Task(_all, torch.sigmoid, _masked_bce, _over_threshold),
    "binary": Task(_positive_only, torch.sigmoid, _masked_bce, _over_threshold),
    "multi-class": Task(_all, lambda z: z.softmax(dim=1), _cross_entropy, _most_likely),
}


def label_weights(rule: str | dict[str, float], targets: Array, outputs: list[str]) -> torch.Tensor:
    """Weights [2, O] of absent (row 0) and present (row 1) labels in the loss.

    Args:
        rule: `none`; `balanced`, which gives absent and present labels of a class equal sums; or
            weights of present labels by class name, 1 for those not named.
        targets: training targets [N, O].
        outputs: class of each output.
    """
    weights = np.ones((2, len(outputs)))
    if rule == "balanced":
        known = (~np.isnan(targets)).sum(axis=0)
        present = np.nansum(targets, axis=0)
        weights = known / np.maximum(2 * np.stack([known - present, present]), 1)
    elif isinstance(rule, dict):
        weights[1] = [rule.get(name, 1.0) for name in outputs]
    return torch.tensor(weights, dtype=torch.float32)
