"""How far one gets without looking at the lungs: a baseline on what is known beside the pixels."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from thorax.artifacts.evaluation import MetadataBaseline
from thorax.metrics.baseline import beside_model
from thorax.metrics.predictions import Predictions
from thorax.parallel import cores
from thorax.tasks import Array

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
    train: pd.DataFrame, train_y: Array, predictions: Predictions, known: pd.DataFrame
) -> MetadataBaseline:
    """AUROC per class of a logistic regression on the categories, and of the model minus that.

    Args:
        train: `features` of the training images.
        train_y: their labels [M, O], NaN unknown.
        predictions: the evaluated images.
        known: their `features`.
    """
    with ThreadPoolExecutor(cores()) as pool:
        scores = list(pool.map(lambda y: _predicted(train, y, known), train_y.T))
    classes, mean = beside_model(scores, predictions, REASON)
    return MetadataBaseline(columns=list(train.columns), classes=classes, mean=mean)


def _predicted(train: pd.DataFrame, y: Array, known: pd.DataFrame) -> Array | None:
    """Probabilities; equal rows are counted and not repeated, so that size does not matter."""
    labeled = ~np.isnan(y)
    if train.empty or len(np.unique(y[labeled])) < 2:
        return None
    counted = train[labeled].assign(y=y[labeled]).value_counts().reset_index(name="count")
    encoder = OneHotEncoder(handle_unknown="ignore").fit(counted[train.columns])
    model = LogisticRegression(C=1.0, max_iter=1000)
    rows = encoder.transform(counted[train.columns])
    model.fit(rows, counted["y"], sample_weight=counted["count"])
    p: Array = model.predict_proba(encoder.transform(known))[:, 1]
    return p
