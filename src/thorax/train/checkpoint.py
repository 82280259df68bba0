"""Resume after an interruption: one file per run, outside of DVC's outputs, which reruns delete."""

import hashlib
import json
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from lightning_fabric import Fabric

from thorax.io import locked, main_root, replacing, sha256_file

FINISHED = "finished.pt"
NAMES = (FINISHED, "next.pt", "state.pt", "previous.pt")  # in the order in which they are trusted
KEPT = 8  # finished runs, for a model that is lost after its training


@dataclass(frozen=True)
class Checkpoint:
    """The state of one training run, found again by its fingerprint; one process writes it.

    Tensors, numbers, text, lists and dicts only: nothing that is loaded runs code.
    """

    folder: Path
    writing: bool

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state beside the one before; an interruption leaves at least one of them."""
        if not self.writing:
            return
        coming, newest, previous = (self.folder / name for name in NAMES[1:])
        with replacing(coming) as temporary:
            torch.save(state, temporary)
        if newest.exists():
            newest.replace(previous)
        coming.replace(newest)

    def finish(self, state: dict[str, Any]) -> None:
        """Keep the last state alone, from which the model can be written again."""
        if not self.writing:
            return
        with replacing(self.folder / FINISHED) as temporary:
            torch.save(state, temporary)
        for name in NAMES[1:]:
            (self.folder / name).unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """The last whole state, or None for a run that starts from the beginning."""
        for path in (self.folder / name for name in NAMES):
            if not path.exists():
                continue
            try:
                with ZipFile(path) as archive:
                    damaged = archive.testzip()  # torch.load does not compare checksums
                if damaged is None:
                    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                    return state
            except (BadZipFile, UnpicklingError, RuntimeError, OSError, EOFError, zlib.error):
                pass
            print(f"The checkpoint {path} is damaged; it is left aside.", flush=True)
        return None


@contextmanager
def checkpoint(identity: str, fabric: Fabric) -> Iterator[Checkpoint]:
    """Hold the checkpoint of a run; when it ends well, older finished ones go.

    Of several processes of a run the first one holds, writes and deletes.

    Raises:
        BusyError: another run trains exactly this.
    """
    folder = main_root() / ".dvc" / "tmp" / "checkpoints" / identity[:32]
    what = "The training run with the same parameters, data and code"
    with locked(folder / "lock", what) if fabric.is_global_zero else nullcontext():
        yield Checkpoint(folder, fabric.is_global_zero)
        fabric.barrier()
    if fabric.is_global_zero:
        finished = sorted(
            folder.parent.glob(f"*/{FINISHED}"), key=lambda path: path.stat().st_mtime
        )
        for path in finished[:-KEPT]:
            shutil.rmtree(path.parent, ignore_errors=True)


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
