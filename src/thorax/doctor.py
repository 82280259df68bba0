"""Find what would stop a run before DVC starts it, and say what to do about it."""

import platform
import shutil
from pathlib import Path

from thorax.config import PUBLISHED_WEIGHTS, load_params, load_paths
from thorax.download import locate
from thorax.errors import ConfigError, ResourceError, ThoraxError
from thorax.io import main_root

LEAST_FREE = 2 * 1024**3  # bytes; the phantoms need about a tenth of it


def doctor() -> str:
    """Check settings, data and disk; what was seen, a line each.

    Raises:
        ThoraxError: what is wrong, with its own exit code.
    """
    try:
        return "\n".join([*_examine(), "Ready: `dvc repro` can run."])
    except ThoraxError as error:
        raise type(error)(f"A run would fail. {error}") from None


def _examine() -> list[str]:
    params, paths = load_params(), load_paths()
    kind, root = locate(params.data)
    files = {"data.card": params.data.card, "model.weights": params.model.weights}
    for key, value in files.items():
        named = isinstance(value, str) and value not in ("none", *PUBLISHED_WEIGHTS)
        if named and not Path(str(value)).exists():
            raise ConfigError(
                f"{key} in params.yaml is {value!r}, which does not exist. Correct it."
            )
    free = shutil.disk_usage(main_root()).free
    if free < LEAST_FREE:
        raise ResourceError(
            f"Only {free / 1e9:.1f} GB are free on the disk of {main_root()}; at least"
            f" {LEAST_FREE / 1e9:.0f} GB are needed. Free some, or `dvc gc -w` unused results."
        )
    where = "your data" if kind == "path" else "the raw store; fetched if missing"
    gpu = "NVIDIA driver found" if shutil.which("nvidia-smi") else "no NVIDIA driver; CPU"
    return [
        f"params.yaml  {params.model.name}, {params.data.source}, {params.split.method} split",
        f"data         {root} ({where})",
        f"report       {Path(paths.report)}",
        f"machine      Python {platform.python_version()}, {gpu}, {free / 1e9:.0f} GB free",
    ]
