"""What a training run took: machine, time, versions, commit; kept outside of DVC's outputs.

These differ from run to run, so they would make equal results look different. They are kept by the
model's fingerprint in the user's checkout, and a report shows them where they belong to its model.
"""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from thorax.files import main_root, read_json, write_json
from thorax.machine import describe

FOLDER = Path(".dvc/tmp/journal")
PACKAGES = ("torch", "torchvision", "lightning-fabric", "numpy", "dvc")


def write(fingerprint: str, seconds: float, images_per_second: float) -> None:
    """Keep what is known of a finished training run."""
    entry = {
        "machine": describe(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seconds": round(seconds, 1),
        "images_per_second": round(images_per_second, 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit(),
    }
    write_json(main_root() / FOLDER / f"{fingerprint}.json", entry)


def read(fingerprint: str) -> dict[str, Any] | None:
    """What was kept of the run with this fingerprint; None where it was made elsewhere."""
    path = main_root() / FOLDER / f"{fingerprint}.json"
    return read_json(path) if path.exists() else None


def commit() -> str | None:
    """Commit of the checkout, `+` behind it if tracked files differ; None outside of git."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return found.stdout.strip() or None
