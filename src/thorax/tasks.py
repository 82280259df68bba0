"""What a task means: how many outputs, which activation, which loss, which decision.

One row a task. Torch is imported only by the losses, so that whoever works on tables does not wait
for it. Shapes: B images, L classes, O outputs. Targets are float [B, L] with 1, 0 and NaN for
unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]
Values = dict[str, Array]  # metric → values


@dataclass(frozen=True)
class Task:
    """One kind of classification.

    Attributes:
        exclusive: exactly one class is true of an image.
        outputs: classes that have an output, given all of them and the positive one.
        activation: logits [N, O] → probabilities [N, O].
        ensemble: logits of F models [F, N, O] → those of their mean probability [N, O].
        log_loss: logits [N, O], targets [N, O] → cross-entropy, natural logarithm: [N, 1] per image
            where classes exclude each other, else [N, O] per label and NaN where it is unknown.
        decide: probabilities [N, O], thresholds [O] → 1 or 0 [N, O].
        loss: logits [B, O], targets [B, O], weights of absent and present labels [2, O], label
            smoothing → loss for training, summed.
        divisor: targets [B, O], weights [2, O] → what to divide that sum by for the mean.
    """

    exclusive: bool
    outputs: Callable[[list[str], str | None], list[str]]
    activation: Callable[[Array], Array]
    ensemble: Callable[[Array], Array]
    log_loss: Callable[[Array, Array], Array]
    decide: Callable[[Array, Array], Array]
    loss: "Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]"
    divisor: "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"


def _binary_cross_entropy(
    logits: "torch.Tensor", targets: "torch.Tensor", weights: "torch.Tensor", smoothing: float
) -> "torch.Tensor":
    """Over the known labels; unknown ones have no gradient."""
    from torch import where
    from torch.nn import functional

    known = ~targets.isnan()
    y = targets.nan_to_num()
    weight = where(y > 0.5, weights[1], weights[0]) * known
    y = y * (1 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(logits, y, weight=weight, reduction="sum")


def _known_labels(targets: "torch.Tensor", weights: "torch.Tensor") -> "torch.Tensor":  # noqa: ARG001
    return (~targets.isnan()).sum().clamp(min=1)


def _cross_entropy(
    logits: "torch.Tensor", targets: "torch.Tensor", weights: "torch.Tensor", smoothing: float
) -> "torch.Tensor":
    """Softmax cross-entropy; with one true class an image, absence has no weight of its own."""
    from torch.nn import functional

    return functional.cross_entropy(
        logits,
        targets.argmax(dim=1),
        weight=weights[1],
        reduction="sum",
        label_smoothing=smoothing,
    )


def _weight_of_images(targets: "torch.Tensor", weights: "torch.Tensor") -> "torch.Tensor":
    return weights[1][targets.argmax(dim=1)].sum()


def _over_threshold(p: Array, thresholds: Array) -> Array:
    return (p >= thresholds).astype(np.float64)


def _most_likely(p: Array, thresholds: Array) -> Array:  # noqa: ARG001 - the argmax needs none
    one_hot: Array = np.eye(p.shape[1])[p.argmax(axis=1)]
    return one_hot


def _all(classes: list[str], positive: str | None) -> list[str]:  # noqa: ARG001
    return classes


def _positive_only(classes: list[str], positive: str | None) -> list[str]:
    return [positive or classes[-1]]


def _softmax(z: Array) -> Array:
    p: Array = softmax(z, axis=1)
    return p


def _label_loss(z: Array, y: Array) -> Array:
    loss: Array = np.logaddexp(0, z) - y * z
    return loss


def _image_loss(z: Array, y: Array) -> Array:
    loss: Array = -(y * log_softmax(z, axis=1)).sum(axis=1, keepdims=True)
    return loss


def _logit_of_mean(z: Array) -> Array:
    # In logarithms, so that confident models do not saturate to 0 or 1.
    z_mean: Array = logsumexp(log_expit(z), axis=0) - logsumexp(log_expit(-z), axis=0)
    return z_mean


def _log_of_mean(z: Array) -> Array:
    log_p: Array = logsumexp(log_softmax(z, axis=2), axis=0) - np.log(len(z))
    return log_p


def _sigmoid_task(outputs: Callable[[list[str], str | None], list[str]]) -> Task:
    return Task(
        exclusive=False,
        outputs=outputs,
        activation=expit,
        ensemble=_logit_of_mean,
        log_loss=_label_loss,
        decide=_over_threshold,
        loss=_binary_cross_entropy,
        divisor=_known_labels,
    )


TASKS = {
    "multi-label": _sigmoid_task(_all),
    "binary": _sigmoid_task(_positive_only),
    "multi-class": Task(
        exclusive=True,
        outputs=_all,
        activation=_softmax,
        ensemble=_log_of_mean,
        log_loss=_image_loss,
        decide=_most_likely,
        loss=_cross_entropy,
        divisor=_weight_of_images,
    ),
}


def label_weights(rule: str | dict[str, float], targets: Array, outputs: list[str]) -> Array:
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
    return weights
