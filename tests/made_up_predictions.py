"""Made-up test predictions: clustered by patient, of a chosen quality."""

import numpy as np
import pandas as pd


def predictions(seed=0, *, patients=80, images=3, quality=1.5, noise=0, classes=("A", "B")):
    """One table; the same seed gives the same patients and labels, `noise` other scores."""
    rng = np.random.default_rng(seed)
    n = patients * images
    people = np.repeat(np.arange(patients), images)
    table = {"image_id": [f"{i:05}.png" for i in range(n)], "patient_id": people.astype(str)}
    decided = []
    for name in classes:
        y = np.repeat(rng.integers(0, 2, patients), images)
        shared = rng.standard_normal(patients)[people]
        own = np.random.default_rng([seed, noise, len(decided)]).standard_normal(n)
        score = 1 / (1 + np.exp(-(quality * (y - 0.5) * 2 + 0.7 * shared + 0.7 * own)))
        table[f"y_{name}"], table[f"p_{name}"] = y, np.round(score, 6)
        decided.append(np.where(score >= 0.5, name, ""))
    predicted = ["|".join(filter(None, row)) for row in zip(*decided, strict=True)]
    return pd.DataFrame(table).assign(subset="test", fold=-1, true="", predicted=predicted)
