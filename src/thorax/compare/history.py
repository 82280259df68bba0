"""Metrics and predictions as they were committed under a git reference."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd

from thorax.config import load_paths, parse_yaml
from thorax.errors import ConfigError, DataError
from thorax.io import main_root, read_csv

CACHE = Path(".dvc/cache/files/md5")


def committed_metrics(ref: str, path: str) -> dict[str, Any]:
    """Metrics as committed under a git reference.

    Raises:
        ConfigError: no such reference, or no such file in it.
        DataError: the file is not JSON.
    """
    text = _show(ref, path)
    if text is None:
        raise ConfigError(
            f"No baseline: git knows no {path} under {ref!r}. Name a ref that has it."
        )
    try:
        metrics: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise DataError(f"{ref}:{path} is not valid JSON ({error}).") from None
    return metrics


def committed_predictions(ref: str) -> pd.DataFrame | None:
    """Test predictions of a git reference out of DVC's cache; None where they are not in it."""
    text = _show(ref, "dvc.lock")
    stages = (parse_yaml(text) if text else {}).get("stages", {})
    wanted = load_paths().predictions
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    digest = next((out.get("md5") for out in outs if out["path"] == wanted), None)
    folder = _cached(digest) if digest else None
    if folder is None or not folder.exists():
        return None
    files = {each["relpath"]: each["md5"] for each in json.loads(folder.read_text())}
    path = _cached(files.get("test.csv", "")) if "test.csv" in files else None
    return read_predictions(path) if path is not None and path.exists() else None


def read_predictions(path: Path) -> pd.DataFrame:
    """Predictions with `y_…` and `p_…` as numbers.

    Raises:
        DataError: no such file, or no table of predictions.
    """
    table = read_csv(path)
    missing = [name for name in ("image_id", "patient_id", "predicted") if name not in table]
    if missing:
        raise DataError(f"{path} is no table of predictions: it lacks {', '.join(missing)}.")
    numbers = [name for name in table.columns if name.startswith(("y_", "p_"))]
    table[numbers] = table[numbers].replace("", None).apply(pd.to_numeric)
    return table


def _cached(digest: str) -> Path:
    return main_root() / CACHE / digest[:2] / digest[2:]


def _show(ref: str, path: str) -> str | None:
    command = ["git", "show", f"{ref}:./{path}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError("git is not installed; baselines are kept in it.") from None
    return found.stdout if found.returncode == 0 else None
