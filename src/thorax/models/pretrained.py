"""Starting weights: ImageNet's from the publisher, or a file of the user's own."""

import re
from pathlib import Path

import torch
import torchvision
from efficientnet_pytorch.utils import url_map
from safetensors.torch import load_file
from torch import nn

from thorax.config import PUBLISHED_WEIGHTS
from thorax.errors import ConfigError, IntegrityError, ResourceError
from thorax.io import sha256_file


def require_imagenet(name: str, weights: str) -> None:
    """See that ImageNet weights of a network, a key of `PUBLISHED_WEIGHTS`, are on disk, whole.

    Raises:
        ConfigError: nobody published weights for this network.
        ResourceError: they cannot be fetched; says what to download and where to put it.
        IntegrityError: the file there is another one.
    """
    url = _url(name, weights)
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except OSError as error:
            raise ResourceError(
                f"The ImageNet weights of {name} cannot be fetched ({error}).\nDownload {url}\nand"
                f" put the file into {path.parent}, or set model.weights to its path, or to none"
                " to start from random weights."
            ) from None
    expected = path.stem.rpartition("-")[2]  # publishers put the first digits into the name
    found = sha256_file(path)
    if not found.startswith(expected):
        raise IntegrityError(
            f"{path} is not the file that its name promises: SHA-256 {expected}… expected,"
            f" {found[: len(expected)]}… found. Delete it, and download {url} again."
        )


def _url(name: str, weights: str) -> str:
    if name in url_map:
        return str(url_map[name])
    try:
        published = torchvision.models.get_model_weights(name)
        return str(published[PUBLISHED_WEIGHTS[weights]].url)
    except ValueError:
        raise ConfigError(
            f"model.weights: there are no ImageNet weights for {name}. Set it to none, or to the"
            " path of a file of your own."
        ) from None


def load_weights(network: nn.Module, path: Path, head: str) -> None:
    """Load a state dict; only the head's weights may be absent or of another width.

    Raises:
        ConfigError: no such file.
        IntegrityError: names or shapes that do not fit, all listed.
    """
    if not path.is_file():
        raise ConfigError(f"model.weights: {path.absolute()} does not exist.")
    try:
        found = load_file(path) if path.suffix == ".safetensors" else _load_pickle(path)
    except Exception as error:
        raise IntegrityError(f"{path.absolute()} is no weights file: {error}") from None
    wanted = network.state_dict()
    found |= _gray_stem(network, found)
    wrong = [
        f"  {key}: {list(value.shape)} needed, {_shape(found.get(key))} found"
        for key, value in wanted.items()
        if not re.match(rf"{re.escape(head)}\b", key)
        and _shape(found.get(key)) != list(value.shape)
        and not key.endswith("num_batches_tracked")
    ]
    if wrong:
        listed = "\n".join(wrong[:10])
        raise IntegrityError(f"{path.absolute()} does not fit ({len(wrong)} tensors):\n{listed}")
    fitting = {k: v for k, v in found.items() if k in wanted and _shape(v) == list(wanted[k].shape)}
    network.load_state_dict(wanted | fitting)


def _gray_stem(network: nn.Module, found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The file's first convolution, summed to one channel if that is what the network has."""
    key = next(f"{n}.weight" for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    stem = found.get(key)
    if stem is None or stem.shape[1] == network.state_dict()[key].shape[1]:
        return {}
    return {key: stem.sum(dim=1, keepdim=True)}


def _load_pickle(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _shape(tensor: torch.Tensor | None) -> list[int] | str:
    return "nothing" if tensor is None else list(tensor.shape)
