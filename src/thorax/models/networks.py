"""Convolutional networks written out here: small enough to train from scratch.

Each takes three channels and ends in a linear layer called `head`; `models.build` changes both.
"""

from collections import OrderedDict
from itertools import pairwise

from torch import nn

CHANNELS = 3
CNN5_WIDTHS = (16, 32, 64, 128, 256)
WIDTHS = (32, 64, 128, 256, 512)
FIVE_BLOCK_DENSE = (512, 128, 64)  # the head is the fourth


def cnn5() -> nn.Module:
    """Five blocks of convolution, batch normalization, ReLU and pooling, then a global average."""
    blocks = []
    for inputs, width in pairwise((CHANNELS, *CNN5_WIDTHS)):
        convolution = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        layers = [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        blocks.append(nn.Sequential(*layers))
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return _named(nn.Sequential(*blocks), pool, CNN5_WIDTHS[-1])


def cnn_five_block(image_size: int, dropout: float) -> nn.Module:
    """Five blocks of convolution, pooling and batch normalization; four dense layers with dropout.

    Source: the five-block study of `recipes/kermany-cnn-five-block.yaml`; widths are ours.
    """
    blocks = []
    for inputs, width in pairwise((CHANNELS, *WIDTHS)):
        convolution = nn.Conv2d(inputs, width, 3, padding=1)
        layers = [convolution, nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.BatchNorm2d(width)]
        blocks.append(nn.Sequential(*layers))
    dense: list[nn.Module] = [nn.Flatten()]
    for inputs, width in pairwise((_flat(WIDTHS, image_size), *FIVE_BLOCK_DENSE)):
        dense += [nn.Linear(inputs, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    del dense[-1]  # `build` puts the last dropout right before the head
    return _named(nn.Sequential(*blocks), nn.Sequential(*dense), FIVE_BLOCK_DENSE[-1])


def cnn_baseline(image_size: int) -> nn.Module:
    """One convolution of 32 filters, pooling, a dense layer of 128 units.

    Source: the baseline of `recipes/kermany-cnn-baseline.yaml`.
    """
    return _plain((32,), 128, image_size)


def cnn_deep(image_size: int) -> nn.Module:
    """Convolutions of 32 to 512 filters with pooling, a dense layer of 2,048 units.

    Source: the deeper network of `recipes/kermany-cnn-deep.yaml`.
    """
    return _plain(WIDTHS, 2048, image_size)


def _plain(widths: tuple[int, ...], dense: int, image_size: int) -> nn.Module:
    blocks = [
        nn.Sequential(
            nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        )
        for inputs, width in pairwise((CHANNELS, *widths))
    ]
    layers = [nn.Flatten(), nn.Linear(_flat(widths, image_size), dense), nn.ReLU(inplace=True)]
    return _named(nn.Sequential(*blocks), nn.Sequential(*layers), dense)


def _flat(widths: tuple[int, ...], image_size: int) -> int:
    """Numbers that are left of an image after one pooling per width."""
    return int(widths[-1] * (image_size // 2 ** len(widths)) ** 2)


def _named(features: nn.Module, middle: nn.Module, width: int) -> nn.Module:
    parts = {"features": features, "middle": middle, "head": nn.Linear(width, 1)}
    return nn.Sequential(OrderedDict(parts))
