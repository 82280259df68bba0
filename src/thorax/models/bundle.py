"""The bundle: what leaves the house, every model with the thresholds that it is used with.

Training does not choose thresholds (they belong to all folds together, and another rule must not
train anew), so a bundle is made where they are frozen and not where the weights are.
"""

import shutil
from pathlib import Path
from typing import Any

from thorax.io import write_json

POINTS = "operating_points.json"


def write_bundle(folder: Path, models: list[Path], points: dict[str, Any]) -> None:
    """Copy finished models into a fresh folder and freeze the operating points beside them.

    Args:
        folder: the bundle; what was there is replaced.
        models: folders of one fold each, with weights, description and what it was trained on.
        points: `rule`, `chosen_on`, `thresholds` per class and `temperature`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for model in models:
        shutil.copytree(model, folder / model.name, copy_function=shutil.copyfile)
    write_json(folder / POINTS, points)
