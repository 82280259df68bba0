"""How far one gets without looking at the lungs: a baseline on what is known beside the pixels."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from thorax.bootstrap import interval, patient_weights, ranking_metrics
from thorax.files import rounded
from thorax.metrics import Predictions

Array = NDArray[np.float64]

YEARS = 5  # width of an age band
SIZES = 8  # groups of about equal numbers by width and by height


def features(manifest: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Categories of each image: sex, age band, view, size of the original, vendor where known.

    Args:
        manifest: rows with `sex`, `age`, `view` and perhaps `vendor`; missing is a category.
        sizes: `width` and `height` of the same images' originals, pixels.
    """
    known = {
        "sex": manifest["sex"].to_numpy(),
        "age": (manifest["age"] // YEARS).to_numpy(),
        "view": manifest["view"].to_numpy(),
        "width": pd.qcut(sizes["width"].rank(method="dense"), SIZES, duplicates="drop").to_numpy(),
        "height": pd.qcut(
            sizes["height"].rank(method="dense"), SIZES, duplicates="drop"
        ).to_numpy(),
    }
    if "vendor" in manifest:
        known["vendor"] = manifest["vendor"].to_numpy()
    table = pd.DataFrame(known).astype(str)
    return table[[name for name in table if table[name].nunique() > 1]]


def baseline(
    train: pd.DataFrame, train_y: Array, part: Predictions, judged: pd.DataFrame,
    *, draws: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """AUROC per class of a logistic regression on the categories, beside the model's.

    Args:
        train: `features` of the training images.
        train_y: their labels [M, O], NaN unknown.
        part: the images judged.
        judged: their `features`.
        draws: bootstrap replicates over patients.
        seed: of the draws.
    """
    result: dict[str, Any] = {"columns": list(train.columns), "per_class": {}}
    patients = part.images["patient_id"]
    weights = patient_weights(patients, max(draws, 2), seed)[:, pd.factorize(patients)[0]]
    for i, name in enumerate(part.outputs):
        p = _predicted(train, train_y[:, i], judged) if len(train.columns) else None
        known = ~np.isnan(part.y[:, i])
        own: dict[str, Any] = {"auroc": None, "auroc_low": None, "auroc_high": None}
        if p is not None and len(np.unique(part.y[known, i])) == 2:
            y, drawn = part.y[known, i], weights[:, known].astype(float)
            own["auroc"] = rounded(float(ranking_metrics(y, p[known], np.ones((1, len(y))))[0][0]))
            low, high, _ = interval(ranking_metrics(y, p[known], drawn)[0])
            own |= {"auroc_low": rounded(low), "auroc_high": rounded(high)}
        result["per_class"][name] = own
    values = [own["auroc"] for own in result["per_class"].values() if own["auroc"] is not None]
    result["auroc"] = rounded(float(np.mean(values))) if values else None
    return result


def _predicted(train: pd.DataFrame, y: Array, judged: pd.DataFrame) -> Array | None:
    """Probabilities; equal rows are counted and not repeated, so that size does not matter."""
    known = ~np.isnan(y)
    if len(np.unique(y[known])) < 2:
        return None
    counted = train[known].assign(y=y[known]).value_counts().reset_index(name="count")
    encoder = OneHotEncoder(handle_unknown="ignore").fit(counted[train.columns])
    model = LogisticRegression(C=1.0, max_iter=1000)
    rows = encoder.transform(counted[train.columns])
    model.fit(rows, counted["y"], sample_weight=counted["count"])
    p: Array = model.predict_proba(encoder.transform(judged))[:, 1]
    return p
