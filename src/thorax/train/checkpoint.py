"""Resume after an interruption: one file per run, outside of DVC's outputs, which reruns delete."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from thorax.io import locked, main_root, replacing, sha256_file


@dataclass(frozen=True)
class Checkpoint:
    """The state of one training run, found again by its fingerprint; one process writes it."""

    path: Path
    writing: bool

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; an interruption leaves the old one or the new one."""
        if not self.writing:
            return
        with replacing(self.path) as temporary:
            torch.save(state, temporary)

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None for a run that starts from the beginning."""
        if not self.path.exists():
            return None
        state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=False)
        return state


@contextmanager
def checkpoint(identity: str, fabric: Fabric) -> Iterator[Checkpoint]:
    """Hold the checkpoint of a run; it is deleted when the run ends well, and only then.

    Of several processes of a run the first one holds, writes and deletes.

    Raises:
        BusyError: another run trains exactly this.
    """
    folder = main_root() / ".dvc" / "tmp" / "checkpoints" / identity[:32]
    what = "The training run with the same parameters, data and code"
    with locked(folder / "lock", what) if fabric.is_global_zero else nullcontext():
        yield Checkpoint(folder / "state.pt", fabric.is_global_zero)
        fabric.barrier()
    if fabric.is_global_zero:
        shutil.rmtree(folder)


def fingerprint(params: dict[str, Any], inputs: list[Path]) -> str:
    """SHA-256 over parameters, input files and the package's code that is loaded now."""
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode())
    code = {
        name: Path(str(module.__file__))
        for name, module in sys.modules.items()
        if name.split(".")[0] == "thorax" and getattr(module, "__file__", None)
    }
    for name, path in [*sorted(code.items()), *((path.name, path) for path in inputs)]:
        digest.update(f"{name} {sha256_file(path)}\n".encode())
    return digest.hexdigest()
