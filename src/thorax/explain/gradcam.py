"""Where a network looks: Grad-CAM."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from thorax.dataset.loader import Batches, split_batches

Maps = NDArray[np.float32]


def feature_layer(network: nn.Module, x_BCHW: torch.Tensor) -> str:  # noqa: N803 - shape is the name
    """Name of the last layer whose output has the extent of the last convolution's.

    That is what its activation, or the block it ends, makes of it, before any pooling. Convolutions
    that see a single pixel do not count.
    """
    seen: list[tuple[str, nn.Module, torch.Size]] = []

    def remember(name: str) -> Any:
        def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
                seen.append((name, module, output.shape[2:]))

        return hook

    hooks = [m.register_forward_hook(remember(name)) for name, m in network.named_modules() if name]
    with torch.inference_mode():
        network.eval()(x_BCHW[:1])
    for handle in hooks:
        handle.remove()
    extent = [shape for _, module, shape in seen if isinstance(module, nn.Conv2d)][-1]
    return [name for name, _, shape in seen if shape == extent][-1]


def grad_cam(
    network: nn.Module,
    x_BCHW: torch.Tensor,  # noqa: N803
    outputs: NDArray[np.int64],
    layer: str,
) -> Maps:
    """Evidence for one output per image, between 0 and 1, float32 [B, H, W].

    Feature maps are weighted with the mean gradient of the output's logit, summed, cut at 0, scaled
    to a largest value of 1, and enlarged to the image.

    Args:
        network: from images to logits [B, O]; is put into evaluation mode.
        x_BCHW: normalized images on the network's device.
        outputs: int [B], the output to explain in each image.
        layer: name of the layer whose output is looked at, as from `feature_layer`.

    Source: Selvaraju et al. 2017, Grad-CAM, ICCV, section 3.
    """
    kept: list[torch.Tensor] = []
    module = network.get_submodule(layer)
    handle = module.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    with torch.enable_grad():
        logits = network.eval()(x_BCHW.requires_grad_())
        chosen = logits[torch.arange(len(outputs)), torch.as_tensor(outputs)]
        (gradient,) = torch.autograd.grad(chosen.sum(), kept[-1])
    handle.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = (weights * kept[-1].detach()).sum(dim=1, keepdim=True).relu()
    cam = functional.interpolate(cam, size=x_BCHW.shape[2:], mode="bilinear", align_corners=False)
    cam = cam / cam.amax(dim=(2, 3), keepdim=True).clamp(min=1e-12)
    maps: Maps = cam[:, 0].float().cpu().numpy()
    return maps


def maps_of(
    network: nn.Module,
    batches: Batches,
    rows: NDArray[np.int64],
    outputs: NDArray[np.int64],
    batch_size: int,
) -> tuple[Maps, str]:
    """Grad-CAM of cache rows [N] for one output each, [N, H, W], and the layer explained."""
    height, width = batches.images.shape[1:]
    parts, layer = [np.zeros((0, height, width), np.float32)], ""
    chosen = split_batches(np.arange(len(rows)), batch_size) if len(rows) else []
    stream = batches.stream([rows[places] for places in chosen])
    for places, batch in zip(chosen, stream, strict=True):
        layer = layer or feature_layer(network, batch.x_BCHW)
        parts.append(grad_cam(network, batch.x_BCHW, outputs[places], layer))
    return np.concatenate(parts), layer
