"""Ranking and decisions at the frozen thresholds on images acquired a little differently."""

from pathlib import Path

import numpy as np

from thorax.artifacts.evaluation import Stress, StressTest
from thorax.io import read_csv
from thorax.metrics.influence import of_class
from thorax.metrics.intervals import Patients, Statistic, difference, mean
from thorax.metrics.predictions import Predictions
from thorax.tasks import Array

METRICS = ("auroc", "sensitivity", "specificity", "accuracy")
UNDEFINED = "a single class present"


def stress_tests(evaluated: Predictions, thresholds: Array, path: Path) -> Stress:
    """Metrics of the images as they are, and under each change, the worst first.

    Args:
        evaluated: test, or validation where there is none.
        thresholds: the frozen ones [O].
        path: logits of altered images, as predict writes them.
    """
    columns = [f"logit_{name}" for name in evaluated.outputs]
    table = read_csv(path, numbers=columns)
    same = evaluated.take(evaluated.images["image_id"].isin(table["image_id"]))
    before = _measured(same, thresholds)
    tests = []
    for change, rows in table.groupby("change", sort=False):
        z = rows.set_index("image_id")[columns].loc[same.images["image_id"]].to_numpy(float)
        altered = Predictions(same.task_name, same.outputs, same.images, same.y, z)
        tests.append(_compared(str(change), before, _measured(altered, thresholds)))
    return Stress(
        images=len(same.y),
        patients=same.images["patient_id"].nunique(),
        unchanged=_compared("", before, before),
        tests=sorted(tests, key=_lost, reverse=True),
    )


def _measured(predictions: Predictions, thresholds: Array) -> dict[str, Statistic]:
    """Macro over classes."""
    y, p = predictions.y, predictions.p
    d = predictions.task.decide(p, thresholds)
    patients = Patients.of(predictions.images["patient_id"])
    classes = [of_class(y[:, i], p[:, i], d[:, i], patients) for i in range(np.shape(y)[1])]
    return {name: mean([each[name] for each in classes]) for name in METRICS}


def _compared(change: str, before: dict[str, Statistic], after: dict[str, Statistic]) -> StressTest:
    return StressTest(
        change=change,
        metrics={name: after[name].estimate(UNDEFINED) for name in METRICS},
        drops={name: difference(before[name], after[name]).estimate(UNDEFINED) for name in METRICS},
    )


def _lost(test: StressTest) -> float:
    """By how much sensitivity and specificity together are lower."""
    return sum(test.drops[name].value or 0.0 for name in ("sensitivity", "specificity"))
