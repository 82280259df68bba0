"""What the figures were seen on."""

import os
import platform
import shutil
import subprocess
from pathlib import Path


def describe() -> str:
    """GPU if there is one, else processor, with the number of cores that may be used."""
    cores = len(os.sched_getaffinity(0))
    return f"{_gpu() or _processor()}, {cores} cores"


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
