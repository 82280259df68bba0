"""Metrics of a subset with intervals over patients and the reasons for what is undefined."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import ClassMetrics, FoldMetrics, SubsetMetrics
from thorax.config import METRICS
from thorax.io import rounded
from thorax.metrics.classification import counts, headline, ones
from thorax.metrics.influence import ALL, CALLED, WITH, of_class, share
from thorax.metrics.intervals import Patients, Statistic, mean
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

Statistics = dict[str, Statistic]  # metric → its statistic


def subset_metrics(predictions: Predictions, d: Array, thresholds: Array) -> SubsetMetrics:
    """All metrics of predictions at decisions d [N, O]."""
    patients = Patients.of(predictions.images["patient_id"])
    by_class = {
        name: of_class(predictions.y[:, i], predictions.p[:, i], d[:, i], patients)
        for i, name in enumerate(predictions.outputs)
    }
    by_label = _loss_and_accuracy(predictions, d, patients)
    metrics = {name: _macro(name, by_class) for name in METRICS if name not in by_label} | {
        name: each.estimate("no label is known") for name, each in by_label.items()
    }
    return SubsetMetrics(
        images=len(predictions.y),
        patients=patients.count,
        metrics={name: metrics[name] for name in METRICS},
        micro={
            name: each.estimate("undefined in every class")
            for name, each in _micro(predictions.y, d, patients).items()
        },
        classes={
            name: _class_metrics(predictions, d, i, float(thresholds[i]), by_class[name], patients)
            for i, name in enumerate(predictions.outputs)
        },
    )


def _class_metrics(
    predictions: Predictions,
    d: Array,
    i: int,
    threshold: float,
    statistics: Statistics,
    patients: Patients,
) -> ClassMetrics:
    """Counts and metrics of output i."""
    y = predictions.y[:, i]
    tp, fp, fn, tn = (int(each[0, 0]) for each in counts(y[:, None], d[:, [i]], ones(len(y))))
    reason = f"{tp + fn} present and {fp + tn} absent labels, {tp + fp} predicted positive"
    return ClassMetrics(
        threshold=threshold,
        positives=tp + fn,
        negatives=fp + tn,
        unknown=int(np.isnan(y).sum()),
        positive_patients=patients.number(y == 1),
        negative_patients=patients.number(y == 0),
        tp=tp, fp=fp, tn=tn, fn=fn,
        metrics={name: each.estimate(reason) for name, each in statistics.items()},
    )  # fmt: skip


def _macro(name: str, by_class: Mapping[str, Statistics]) -> Estimate:
    """Mean over the classes in which a metric is defined; it says which ones that leaves out.

    A class that is never predicted has no precision, but an F1 of 0: leaving it out of both would
    flatter the F1, and a precision of 0 would be made up.
    """
    estimate = mean([each[name] for each in by_class.values()]).estimate("undefined in every class")
    if estimate.value is None:
        return estimate
    known = {each: np.isfinite(metrics[name].value) for each, metrics in by_class.items()}
    undefined = ", ".join(each for each in by_class if not known[each])
    single = ", ".join(each for each in by_class if known[each] and by_class[each][name].df < 1)
    unit = next(iter(by_class.values()))[name].unit.removesuffix("s")
    cautions = [
        f"no interval, as {single} rests on one {unit}" if single else estimate.caution,
        f"without {undefined}, where it is undefined" if undefined else "",
    ]
    return estimate.model_copy(update={"caution": "; ".join(filter(None, cautions))})


def _loss_and_accuracy(predictions: Predictions, d: Array, patients: Patients) -> Statistics:
    """Cross-entropy and accuracy over all labels; by image where classes exclude each other."""
    y = predictions.y
    losses = predictions.task.log_loss(predictions.z, y)
    # Decisions that equal the label, which an unknown one never does.
    right = (y * d if predictions.task.exclusive else y == d).sum(axis=1)
    known = (~np.isnan(losses)).sum(axis=1)
    loss = share(np.nansum(losses, axis=1), known, patients, ALL)
    accuracy = share(right, known, patients, ALL)
    return {"loss": replace(loss, scale="log"), "accuracy": accuracy}


def _micro(y: Array, d: Array, patients: Patients) -> Statistics:
    """Over all labels together."""
    positive, negative = np.nan_to_num(y), np.nan_to_num(1 - y)
    hits, present, called = (
        each.sum(axis=1) for each in (positive * d, positive, (positive + negative) * d)
    )
    right = (y == d).sum(axis=1)
    return {
        "accuracy": share(right, (positive + negative).sum(axis=1), patients, ALL),
        "precision": share(hits, called, patients, CALLED),
        "sensitivity": share(hits, present, patients, WITH),
        "f1": share(2 * hits, present + called, patients, WITH),
    }


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
