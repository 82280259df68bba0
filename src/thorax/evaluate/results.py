"""Metrics of a subset with intervals over patients and the reasons for what is undefined."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import ClassMetrics, FoldMetrics, SubsetMetrics
from thorax.config import METRICS, Evaluate
from thorax.io import rounded
from thorax.metrics.bootstrap import estimate, over_replicates, resample, wilson
from thorax.metrics.classification import (
    PER_CLASS,
    PROPORTIONS,
    counts,
    headline,
    loss_and_accuracy,
    macro,
    number,
    ones,
    per_class,
    rates,
)
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array, Values

MICRO = ("accuracy", "precision", "sensitivity", "f1")


def subset_metrics(
    predictions: Predictions, d: Array, thresholds: Array, params: Evaluate
) -> SubsetMetrics:
    """All metrics of predictions at decisions d [N, O]."""

    def by_class(w: Array) -> Values:
        return per_class(predictions.y, predictions.p, d, w)

    def by_label(w: Array) -> Values:
        return loss_and_accuracy(predictions.task, predictions.y, predictions.z, d, w)

    w = ones(len(predictions.y))
    sample = by_class(w)
    exact = macro(sample, sample) | by_label(w)
    replicates = resample(predictions.images["patient_id"], params.n_bootstrap, params.seed)
    class_replicates = over_replicates(by_class, replicates)
    replicated = macro(class_replicates, sample) | over_replicates(by_label, replicates)
    classes = {
        name: _class_metrics(predictions, d, i, float(thresholds[i]), sample, class_replicates)
        for i, name in enumerate(predictions.outputs)
    }
    metrics = {
        name: estimate(
            exact[name][0], replicated[name], "undefined in every class", bounded=name != "loss"
        )
        for name in METRICS
    }
    if len(classes) == 1:  # the class is all there is
        (only,) = classes.values()
        metrics |= {name: only.metrics[name] for name in METRICS if name in only.metrics}
    tp, fp, fn, tn = (count.sum(axis=1) for count in counts(predictions.y, d, w))
    micro = rates(tp, fp, fn, tn)
    return SubsetMetrics(
        images=len(predictions.y),
        patients=predictions.images["patient_id"].nunique(),
        metrics=metrics,
        micro={name: rounded(number(micro[name][0])) for name in MICRO},
        classes=classes,
    )


def _class_metrics(
    predictions: Predictions, d: Array, i: int, threshold: float, exact: Values, replicated: Values
) -> ClassMetrics:
    """Metrics of output i from those of all outputs, [1, O] and [R, O]."""
    y = predictions.y[:, i]
    tp, fp, fn, tn = (int(each[0, 0]) for each in counts(y[:, None], d[:, [i]], ones(len(y))))
    reason = f"{tp + fn} present and {fp + tn} absent labels, {tp + fp} predicted positive"
    metrics = {}
    for name in PER_CLASS:
        metrics[name] = estimate(exact[name][0, i], replicated[name][:, i], reason)
        if name in PROPORTIONS:
            metrics[name] = _not_certain(
                metrics[name], replicated[name][:, i], predictions, d, i, name
            )
    return ClassMetrics(
        threshold=threshold,
        positives=tp + fn,
        negatives=fp + tn,
        unknown=int(np.isnan(y).sum()),
        tp=tp, fp=fp, tn=tn, fn=fn,
        metrics=metrics,
    )  # fmt: skip


def _not_certain(
    metric: Estimate, replicates: Array, predictions: Predictions, d: Array, i: int, name: str
) -> Estimate:
    """Wilson's interval for a proportion of 0 or 1, which is the same in every replicate.

    Its trials are the patients with an image that the proportion counts, which takes all images of
    a patient for one.
    """
    if metric.low is not None or metric.value is None or np.isfinite(replicates).sum() < 2:
        return metric
    y, positive = predictions.y[:, i], d[:, i] == 1
    counted = {
        "sensitivity": y == 1,
        "specificity": y == 0,
        "precision": positive,
        "npv": ~positive,
    }
    rows = counted.get(name, np.ones(len(y), bool)) & ~np.isnan(y)
    patients = int(predictions.images["patient_id"][rows].nunique())
    low, high = wilson(round(metric.value) * patients, patients)
    return metric.model_copy(update={"low": rounded(low), "high": rounded(high)})


def fold_metrics(by_fold: Mapping[int, Predictions], thresholds: Array) -> FoldMetrics:
    """Test metrics of each fold's own model, their mean and standard deviation."""
    metrics = {}
    for fold, predictions in by_fold.items():
        d = predictions.task.decide(predictions.p, thresholds)
        values = (
            headline(predictions.task, predictions.y, predictions.z, d)
            if len(predictions.y)
            else dict.fromkeys(METRICS)
        )
        metrics[fold] = {name: rounded(value) for name, value in values.items()}
    table = pd.DataFrame(list(metrics.values()), columns=list(METRICS), dtype=float)
    return FoldMetrics(
        by_fold=metrics,
        mean={name: rounded(float(table[name].mean())) for name in METRICS},
        std={name: rounded(float(table[name].std(ddof=1))) for name in METRICS},
    )
