"""Find what would stop a run, and say what to do: open what it will open, before DVC starts."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from thorax.config import PUBLISHED_WEIGHTS, Data, Params, load_params, load_paths
from thorax.dicom.header import film_of
from thorax.dicom.parse import is_dicom
from thorax.download import locate, read
from thorax.download.sources import SOURCES
from thorax.errors import ConfigError, DataError, ResourceError, ThoraxError
from thorax.io import class_names, main_root
from thorax.parallel import cores
from thorax.preprocess.decode import decode
from thorax.survey import hidden_images, listing
from thorax.tasks import TASKS

RESERVE = 2 * 1024**3  # bytes; models, reports and what else a run writes
OPENED = 3  # images


@dataclass(frozen=True)
class Found:
    """What is known of the data: a line about it, outputs (none: unknown), bytes to fetch."""

    line: str = ""
    outputs: tuple[str, ...] = ()
    images: int = 0
    missing: int = 0


def doctor(overrides: Sequence[str] = ()) -> str:
    """Check settings, data and machine; what was seen, a line each.

    Raises:
        ThoraxError: what would stop the run, with the exit code of the first reason.
    """
    try:
        params, paths = load_params(overrides=overrides), load_paths()
        seen = examine(params, fetch=True)
    except ThoraxError as error:
        raise type(error)(f"Not ready. {error}") from None
    return "\n".join([*seen, f"report    {Path(paths.report).absolute()}", "Ready."])


def examine(params: Params, *, fetch: bool) -> list[str]:
    """Open card, table, images and weights, count devices, threads and disk; a line about each.

    `fetch` allows the run to download its data.

    Raises:
        ThoraxError: all reasons why the run would fail, of the kind of the first.
    """
    found, lines, errors = Found(), [], []
    try:
        found = _data(params.data, fetch)
    except ThoraxError as error:
        errors.append(error)
    for check in (_network, _machine, _disk, _commands):
        try:
            lines.append(check(params, found))
        except ThoraxError as error:
            errors.append(error)
    if errors:
        raise type(errors[0])("\n".join(map(str, errors)))
    return [found.line, *lines]


def missing_data(data: Data) -> str | None:
    """Why a run on this data cannot start without a download; None when all of it is here."""
    try:
        kind, root = locate(data)
    except DataError as error:
        return str(error)
    source = SOURCES[data.source]
    missing = source.missing(root) if kind == "raw" else 0
    if not missing:
        return None
    return (
        f"{source.title} is not here: {missing / 1e9:.1f} GB are missing from {root}."
        " Add --fetch to download them from the publisher, or -S data.path=PATH if you have the"
        " data, packed or not."
    )


def _data(data: Data, fetch: bool) -> Found:
    """Read the data as the download stage will, but few images; or say what will be fetched."""
    source = SOURCES[data.source]
    kind, root = locate(data)
    source.check(data)
    if not fetch and (why := missing_data(data)):
        raise DataError(why)
    known = source.outputs if data.task == "auto" else ()
    missing = source.missing(root) if kind == "raw" else 0
    if missing:
        what = f"{missing / 1e9:.1f} GB will be downloaded into {root}"
        return Found(f"data      {source.title}: {what}", known, missing=missing)
    if not root.exists():
        return Found(f"data      {source.title}: will be generated as {root}", known)
    _open_some(root)
    content = listing(root)
    if content is None:
        what = "not looked through, because its archives must be unpacked for that"
        return Found(f"data      {root}: {what}; the download stage checks it first", known)
    labeled = read(content, data)
    names = class_names(labeled.table)
    outputs = TASKS[labeled.task].outputs(names, labeled.positive)
    count = len(labeled.table)
    what = f"{count:,} images, {labeled.task}: {', '.join(names)}"
    if labeled.positive:
        what += f" (positive: {labeled.positive})"
    notes = "".join(f"\n          {note}" for note in labeled.notes)
    return Found(f"data      {root}: {what}{notes}", tuple(outputs), count)


def _open_some(root: Path) -> None:
    """Decode the first images; a few may be unreadable, but not all."""
    reasons = []
    files = (
        file for file in hidden_images(root) if not (is_dicom(file[1]) and film_of(file[1]).reason)
    )
    for location, content in islice(files, OPENED):
        try:
            decode(content)
        except ValueError as error:
            reasons.append(f"  {location}: {error}")
        else:
            return
    if reasons:
        raise DataError(
            f"The first {len(reasons)} images under {root.absolute()} cannot be read:\n"
            + "\n".join(reasons)
            + "\nReplace them, or correct data.path."
        )


def _network(params: Params, found: Found) -> str:
    """Load the weights that training starts from, and look up the classes that it weighs."""
    from thorax.models.build import build
    from thorax.models.pretrained import require_imagenet
    from thorax.train.setup import require_classes

    if found.outputs:
        for phase in params.train.phase_list():
            require_classes(phase, list(found.outputs))
    if params.model.weights in PUBLISHED_WEIGHTS:
        require_imagenet(params.model.name, params.model.weights)
    elif params.model.weights != "none":
        build(params.model, len(found.outputs) or 1, params.preprocess.image_size)
    return f"model     {params.model.name}, starting weights: {params.model.weights}"


def _machine(params: Params, _found: Found) -> str:
    """Count the GPUs that torch can use, and the cores for its threads."""
    import torch

    gpus, devices = torch.cuda.device_count(), params.train.devices
    if isinstance(devices, int) and devices > max(1, gpus):
        raise ConfigError(
            f"train.devices is {devices}, but torch can use {gpus} GPUs here; that many processes "
            "would share them. Set train.devices: auto."
        )
    where = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else "no GPU, so on the CPU"
    if not gpus and shutil.which("nvidia-smi"):
        where += " (nvidia-smi is here, but torch cannot use its driver)"
    threads = params.train.num_threads or cores()
    few = f" on {cores()} cores, which is slower" if threads > cores() else ""
    return f"machine   Python {platform.python_version()}, {where}; {threads} threads{few}"


def _disk(params: Params, found: Found) -> str:
    """Compare what is free with the download, the cache of the images and a reserve."""
    free = shutil.disk_usage(main_root()).free
    needed = found.missing + found.images * params.preprocess.image_size**2 + RESERVE
    if free < needed:
        raise ResourceError(
            f"{free / 1e9:.1f} GB are free on the disk of {main_root()}, but about"
            f" {needed / 1e9:.1f} GB are needed. Free some, or `dvc gc -w` unused results."
        )
    return f"disk      {free / 1e9:.0f} GB free, about {needed / 1e9:.0f} GB needed"


def _commands(_params: Params, _found: Found) -> str:
    """See that DVC will start the stages with this very Python."""
    if missing := [name for name in ("python", "dvc") if shutil.which(name) is None]:
        raise ConfigError(f"{' and '.join(missing)} is not on the path. {_activate()}")
    command = ["python", "-c", "import sys; print(sys.prefix)"]
    prefix = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if Path(prefix).resolve() != Path(sys.prefix).resolve():
        raise ConfigError(f"`python` is {shutil.which('python')}, not thorax's own. {_activate()}")
    return f"python    {shutil.which('python')}"


def _activate() -> str:
    return f"Type `source {Path(sys.prefix, 'bin', 'activate')}` first."
