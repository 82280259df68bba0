"""Means that studies print and `results.json` does not hold: over classes by images, over images.

Shapes: N images, L classes, R sets of weights. Labels y [N, L] and decisions d [N, L] are 1 or 0. A
ratio of nothing to nothing is 0, as scikit-learn prints it.
"""

import numpy as np
import pandas as pd

from thorax.artifacts import Estimate
from thorax.metrics.bootstrap import estimate, over_replicates, resample
from thorax.metrics.classification import counts, ones, rates
from thorax.tasks import Array, Values

AVERAGED = ("accuracy", "precision", "sensitivity", "f1")


def weighted(y: Array, d: Array, w: Array) -> Values:
    """Means over classes, weighted by the images of each, [R]; accuracy is that of all labels."""
    support = w @ y
    by_class = rates(*counts(y, d, w))
    means = {
        name: (support * np.nan_to_num(by_class[name])).sum(axis=1) / support.sum(axis=1)
        for name in AVERAGED[1:]
    }
    right = (y == d).all(axis=1)
    return {"accuracy": w @ right / w.sum(axis=1), **means}


def by_image(y: Array, d: Array, w: Array) -> Values:
    """Means over images of what each one's labels give, [R]."""
    one = np.ones((1, y.shape[1]))
    of_images = rates(*(count.T for count in counts(y.T, d.T, one)))
    return {name: w @ np.nan_to_num(of_images[name][:, 0]) / w.sum(axis=1) for name in AVERAGED}


AVERAGES = {"weighted": weighted, "images": by_image}


def averaged(
    predictions: pd.DataFrame, average: str, n_bootstrap: int, seed: int
) -> dict[str, Estimate]:
    """Every mean of that kind with its interval, from a table as `read_decided` gives it.

    Images with an unknown label are left out.
    """
    columns = map(str, predictions.columns)
    outputs = [name.removeprefix("y_") for name in columns if name.startswith("y_")]
    table = predictions.dropna(subset=[f"y_{name}" for name in outputs])
    y = table[[f"y_{name}" for name in outputs]].to_numpy(float)
    chosen = table["predicted"].str.split("|")
    d = np.array([[name in names for name in outputs] for names in chosen], float)
    mean = AVERAGES[average]
    exact = mean(y, d, ones(len(y)))
    replicates = resample(table["patient_id"], n_bootstrap, seed)
    drawn = over_replicates(lambda w: mean(y, d, w), replicates)
    return {name: estimate(exact[name][0], drawn[name]) for name in AVERAGED}
