"""How far one gets without looking at the lungs: a baseline on what is known beside the pixels."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import BaselineComparison, MetadataBaseline
from thorax.config import Evaluate
from thorax.metrics.bootstrap import estimate, over_replicates, resample
from thorax.metrics.classification import auroc_and_ap, ones
from thorax.metrics.predictions import Predictions
from thorax.parallel import cores
from thorax.tasks import Array, Values

YEARS = 5  # width of an age band
STEPS = 8  # bands of width and height per doubling
REASON = "no metadata, or a single class present"


def features(images: pd.DataFrame) -> pd.DataFrame:
    """Categories of each image: sex, age band, view, original size, vendor and site.

    Bands are fixed beforehand, so no evaluated image has a say in where they lie; columns with one
    value are left out.

    Args:
        images: rows with `sex`, `age`, `view`, `vendor`, `site`, and `width` and `height` of the
            originals in pixels; missing is a category.
    """
    table = pd.DataFrame(
        {
            "sex": images["sex"],
            "age": images["age"] // YEARS,
            "view": images["view"],
            "width": np.floor(STEPS * np.log2(images["width"])),
            "height": np.floor(STEPS * np.log2(images["height"])),
            "vendor": images["vendor"],
            "site": images["site"],
        }
    ).astype(str)
    return table[[name for name in table if table[name].nunique() > 1]]


def baseline(
    train: pd.DataFrame,
    train_y: Array,
    predictions: Predictions,
    known: pd.DataFrame,
    params: Evaluate,
) -> MetadataBaseline:
    """AUROC per class of a logistic regression on the categories, and of the model minus that.

    Args:
        train: `features` of the training images.
        train_y: their labels [M, O], NaN unknown.
        predictions: the evaluated images.
        known: their `features`.
        params: replicates and seed.
    """
    replicates = resample(predictions.images["patient_id"], params.n_bootstrap, params.seed)

    def both(i: int) -> Array | None:
        """AUROC of model and baseline in one class, exact and then in each replicate [2, 1 + R]."""
        rows = ~np.isnan(predictions.y[:, i])
        y = predictions.y[rows, i]
        p = _predicted(train, train_y[:, i], known) if len(train.columns) else None
        if p is None or len(np.unique(y)) < 2:
            return None
        scores = {"model": predictions.p[rows, i], "baseline": p[rows]}

        def aurocs(w: Array) -> Values:
            return {name: auroc_and_ap(y, score, w)[0] for name, score in scores.items()}

        exact, replicated = aurocs(ones(len(y))), over_replicates(aurocs, replicates.take(rows))
        return np.stack([np.r_[exact[name], replicated[name]] for name in scores])

    with ThreadPoolExecutor(cores()) as pool:
        pairs = list(pool.map(both, range(len(predictions.outputs))))
    defined = [pair for pair in pairs if pair is not None]
    return MetadataBaseline(
        columns=list(train.columns),
        classes={
            name: _compared(pair) for name, pair in zip(predictions.outputs, pairs, strict=True)
        },
        mean=_compared(np.mean(defined, axis=0) if defined else None),
    )


def _compared(pair: Array | None) -> BaselineComparison:
    if pair is None:
        undefined = Estimate(value=None, reason=REASON)
        return BaselineComparison(baseline=undefined, model=undefined, difference=undefined)
    model, alone = pair
    return BaselineComparison(
        baseline=_estimate(alone), model=_estimate(model), difference=_estimate(model - alone)
    )


def _estimate(values: Array) -> Estimate:
    return estimate(values[0], values[1:], REASON, bounded=False)


def _predicted(train: pd.DataFrame, y: Array, known: pd.DataFrame) -> Array | None:
    """Probabilities; equal rows are counted and not repeated, so that size does not matter."""
    labeled = ~np.isnan(y)
    if len(np.unique(y[labeled])) < 2:
        return None
    counted = train[labeled].assign(y=y[labeled]).value_counts().reset_index(name="count")
    encoder = OneHotEncoder(handle_unknown="ignore").fit(counted[train.columns])
    model = LogisticRegression(C=1.0, max_iter=1000)
    rows = encoder.transform(counted[train.columns])
    model.fit(rows, counted["y"], sample_weight=counted["count"])
    p: Array = model.predict_proba(encoder.transform(known))[:, 1]
    return p
