"""How far one gets without looking at the lungs: a baseline on what is known beside the pixels."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from thorax.io import rounded
from thorax.metrics.bootstrap import draw, interval, ranking_metrics
from thorax.metrics.summary import Predictions

Array = NDArray[np.float64]

YEARS = 5  # width of an age band
STEPS = 8  # bands of width and height per doubling
KEYS = [f"{key}{end}" for key in ("auroc", "model", "ahead") for end in ("", "_low", "_high")]


def features(manifest: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Categories of each image: sex, age band, view, original size, vendor and site where known.

    Bands are fixed beforehand, so no judged image has a say in where they lie.

    Args:
        manifest: rows with `sex`, `age`, `view`, perhaps `vendor`, `site`; missing is a category.
        sizes: `width` and `height` of the same images' originals, pixels.
    """
    known = {
        "sex": manifest["sex"].to_numpy(),
        "age": (manifest["age"] // YEARS).to_numpy(),
        "view": manifest["view"].to_numpy(),
        "width": np.floor(STEPS * np.log2(sizes["width"].to_numpy(float))),
        "height": np.floor(STEPS * np.log2(sizes["height"].to_numpy(float))),
    }
    for name in ("vendor", "site"):
        if name in manifest:
            known[name] = manifest[name].to_numpy()
    table = pd.DataFrame(known).astype(str)
    return table[[name for name in table if table[name].nunique() > 1]]


def baseline(
    train: pd.DataFrame, train_y: Array, part: Predictions, judged: pd.DataFrame,
    *, draws: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """AUROC per class of a logistic regression on the categories, and how far ahead the model is.

    Args:
        train: `features` of the training images.
        train_y: their labels [M, O], NaN unknown.
        part: the images judged.
        judged: their `features`.
        draws: bootstrap replicates over patients.
        seed: of the draws.
    """
    drawn = draw(part.images["patient_id"], draws, seed)

    def both(i: int) -> Array | None:
        """AUROC of model and baseline in one class, exact and then in each replicate [2, 1 + R]."""
        known = ~np.isnan(part.y[:, i])
        y = part.y[known, i]
        p = _predicted(train, train_y[:, i], judged) if len(train.columns) else None
        if p is None or len(np.unique(y)) < 2:
            return None
        weights = np.concatenate([np.ones((1, len(y))), drawn.of(known).by_image()])
        return np.stack([ranking_metrics(y, q[known], weights)[0] for q in (part.p[:, i], p)])

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        pairs = list(pool.map(both, range(len(part.outputs))))
    defined = [pair for pair in pairs if pair is not None]
    return {
        "columns": list(train.columns),
        "per_class": {n: _ahead(pair) for n, pair in zip(part.outputs, pairs, strict=True)},
        **_ahead(np.mean(defined, axis=0) if defined else None),
    }


def _ahead(pair: Array | None) -> dict[str, float | None]:
    """AUROC of the baseline, of the model, and by how much this is higher, from both [2, 1 + R]."""
    if pair is None:
        return dict.fromkeys(KEYS)
    found: dict[str, float | None] = {}
    model, alone = pair
    for key, values in (("auroc", alone), ("model", model), ("ahead", model - alone)):
        low, high, _ = interval(values[1:])
        found |= {key: rounded(float(values[0]))}
        found |= {f"{key}_low": rounded(low), f"{key}_high": rounded(high)}
    return found


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
