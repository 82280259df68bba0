"""How far a baseline gets beside the model: AUROC of both and of the model minus that."""

from collections.abc import Sequence

import numpy as np

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import BaselineComparison
from thorax.metrics.influence import areas
from thorax.metrics.intervals import Patients, Statistic, difference, mean
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

Pair = tuple[Statistic, Statistic]  # baseline, model


def beside_model(
    scores: Sequence[Array | None], predictions: Predictions, reason: str
) -> tuple[dict[str, BaselineComparison], BaselineComparison]:
    """By class, and the mean of the classes; paired over patients.

    Args:
        scores: of the baseline, [N] for each output; None where it has none.
        predictions: the model's, of the same images.
        reason: why a class may be undefined.
    """
    patients = Patients.of(predictions.images["patient_id"])

    def pair(i: int, score: Array | None) -> Pair | None:
        rows = ~np.isnan(predictions.y[:, i])
        y = predictions.y[rows, i]
        if score is None or len(np.unique(y)) < 2:
            return None
        alone, model = (
            areas(y, each[rows], patients.take(rows))[0] for each in (score, predictions.p[:, i])
        )
        return alone, model

    pairs = [pair(i, score) for i, score in enumerate(scores)]
    defined = [each for each in pairs if each is not None]
    averaged = (mean([a for a, _ in defined]), mean([b for _, b in defined])) if defined else None
    classes = dict(
        zip(predictions.outputs, (_compared(each, reason) for each in pairs), strict=True)
    )
    return classes, _compared(averaged, reason)


def _compared(pair: Pair | None, reason: str) -> BaselineComparison:
    if pair is None:
        undefined = Estimate(value=None, reason=reason)
        return BaselineComparison(baseline=undefined, model=undefined, difference=undefined)
    alone, model = pair
    return BaselineComparison(
        baseline=alone.estimate(),
        model=model.estimate(),
        difference=difference(model, alone).estimate(),
    )
