"""Calibration of made-up predictions, as `evaluate` writes it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from thorax.metrics.calibration import fit_temperature
from thorax.metrics.operating import summarise
from thorax.metrics.summary import Predictions


def calibration(
    parts: dict[str, pd.DataFrame],
    task: str,
    outputs: Sequence[str],
    threshold: float,
    prevalences: Sequence[float],
    undefined: dict[str, str],
) -> dict[str, Any]:
    """What `calibration.json` holds of tables of predictions with one threshold for all classes."""
    found = {
        part: Predictions(
            task,
            list(outputs),
            rows[["image_id", "patient_id", "subset", "fold"]],
            rows[[f"y_{name}" for name in outputs]].to_numpy(float),
            rows[[f"p_{name}" for name in outputs]].to_numpy(float),
        )
        for part, rows in parts.items()
    }
    temperature, why = fit_temperature(found["val"].y, found["val"].p, found["val"].exclusive)
    if temperature is None:
        undefined["temperature"] = why
    thresholds = np.full(len(outputs), threshold)
    return summarise(found["val"], found["test"], thresholds, temperature, prevalences)
