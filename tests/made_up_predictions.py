"""Made-up test predictions: clustered by patient, of a chosen quality."""

import numpy as np
import pandas as pd
from scipy.special import expit


def predictions(seed=0, *, patients=80, images=3, quality=1.5, noise=0, classes=("A", "B")):
    """A table as `evaluation/test.csv`.

    Args:
        seed: of patients and labels.
        patients: how many.
        images: of each patient.
        quality: distance of the scores of both labels.
        noise: seed of what differs between two models on the same images.
        classes: each with a label and a probability.
    """
    rng = np.random.default_rng(seed)
    n = patients * images
    patient = np.repeat(np.arange(patients), images)
    table = {"image_id": [f"{i:05}.png" for i in range(n)], "patient_id": patient.astype(str)}
    decided = []
    for i, name in enumerate(classes):
        y = np.repeat(rng.integers(0, 2, patients), images)
        of_patient = rng.standard_normal(patients)[patient]
        of_model = np.random.default_rng([seed, noise, i]).standard_normal(n)
        p = expit(quality * (2 * y - 1) + 0.7 * of_patient + 0.7 * of_model)
        table[f"y_{name}"], table[f"p_{name}"] = y, p
        decided.append(np.where(p >= 0.5, name, ""))
    predicted = ["|".join(filter(None, row)) for row in zip(*decided, strict=True)]
    return pd.DataFrame(table).assign(subset="test", fold=-1, true="", predicted=predicted)
