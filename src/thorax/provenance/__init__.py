"""Run metadata: machine, time, versions and commit of a training run, outside of DVC's outputs.

These differ from run to run, so in an output they would make equal results look different. They are
kept by the model's fingerprint in the user's checkout, where `thorax summary` finds them.
"""

import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from thorax.io import main_root, read_json, write_json
from thorax.parallel import cores

FOLDER = Path(".dvc/tmp/run_metadata")
PACKAGES = ("torch", "torchvision", "lightning-fabric", "numpy", "dvc")


def machine() -> str:
    """GPU if there is one, else processor, with the number of cores that may be used."""
    return f"{_gpu() or _processor()}, {cores()} cores"


def _gpu() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    names = found.stdout.strip().splitlines()
    if found.returncode or not names:
        return None
    return f"{len(names)} x {names[0]}" if len(names) > 1 else names[0]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


class RunMetadata(TypedDict):
    """What a training run took; `commit` has a + behind it if tracked files differed."""

    machine: str
    date: str
    seconds: float
    images_per_second: float
    python: str
    packages: dict[str, str]
    commit: str | None


def record_run(fingerprint: str, seconds: float, images_per_second: float) -> None:
    """Keep what is known of a finished training run."""
    run: RunMetadata = {
        "machine": machine(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seconds": round(seconds, 1),
        "images_per_second": round(images_per_second, 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit(),
    }
    write_json(main_root() / FOLDER / f"{fingerprint}.json", run)


def recorded_run(fingerprint: str) -> RunMetadata | None:
    """What was kept of the run with this fingerprint; None where it was made elsewhere."""
    path = main_root() / FOLDER / f"{fingerprint}.json"
    if not path.exists():
        return None
    run: RunMetadata = read_json(path)
    return run


class Latency(TypedDict):
    """How long one image takes, from the cached pixels to the logits, one at a time."""

    machine: str
    milliseconds: float


def record_latency(fingerprint: str, milliseconds: float) -> None:
    """Keep what was measured of a model."""
    latency: Latency = {"machine": machine(), "milliseconds": round(milliseconds, 2)}
    write_json(_of_latency(fingerprint), latency)


def recorded_latency(fingerprint: str) -> Latency | None:
    """What was last measured of the model with this fingerprint in this checkout."""
    path = _of_latency(fingerprint)
    if not path.exists():
        return None
    latency: Latency = read_json(path)
    return latency


def _of_latency(fingerprint: str) -> Path:
    return main_root() / FOLDER / f"{fingerprint}.latency.json"


def commit() -> str | None:
    """Commit of the checkout, `+` behind it if tracked files differ; None outside of git."""
    return git("describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*") or None


def git(*words: str, folder: Path = Path()) -> str | None:
    """Output of a git command in a folder; None where it fails, or where there is no git."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
