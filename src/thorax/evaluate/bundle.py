"""The bundle: what leaves the house, every fold's model with the thresholds it is used with.

Training does not choose thresholds (they belong to all folds together, and another rule must not
retrain), so the bundle is made where they are frozen and not where the weights are.
"""

import shutil
from pathlib import Path

from thorax.artifacts.model import OperatingPoints

POINTS = "operating_points.json"


def write_bundle(folder: Path, models: list[Path], points: OperatingPoints) -> None:
    """Copy finished models into a fresh folder and freeze the operating points beside them.

    Args:
        folder: the bundle; what was there is replaced.
        models: a folder per fold, with weights, description and what it was trained on.
        points: thresholds and temperature.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for model in models:
        shutil.copytree(model, folder / model.name, copy_function=shutil.copyfile)
    points.write(folder / POINTS)
