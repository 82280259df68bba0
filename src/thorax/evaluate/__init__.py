"""Run each model once; from then on only tables: predictions, thresholds, metrics, plots.

Thresholds and the temperature are chosen on validation. Thresholds are on raw probabilities, before
the temperature, and the tables hold raw ones. What the first fold's model looks at is in `looks`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from thorax.config import Evaluate, Paths
from thorax.dataset.dataset import Cohort, open_cohort
from thorax.dataset.loader import cores
from thorax.evaluate import curves, people
from thorax.explain import look
from thorax.io import read_json, rounded, write_csv, write_json
from thorax.metrics.calibration import fit_temperature
from thorax.metrics.operating import summarise
from thorax.metrics.summary import Predictions, fold_metrics, intervals, subset_metrics
from thorax.metrics.thresholds import choose
from thorax.models.bundle import write_bundle
from thorax.models.inference import open_model, predict
from thorax.models.trained_on import refuse_contaminated
from thorax.tasks import TASKS

NEVER = -1  # fold of test images
UNDECIDED = 0.5  # threshold of a class that validation has only one outcome of


def evaluate(params: Evaluate, folds: list[int], paths: Paths) -> None:
    """Predict validation (out of fold) and test (mean of the folds), and judge both."""
    cohort = open_cohort(paths)
    models = [Path(paths.models) / str(fold) for fold in folds]
    leaky = read_json(Path(paths.split_table))["leaky"]
    contaminated = refuse_contaminated(
        models,
        cohort.people,
        cohort.table.take(cohort.rows("test", folds[0])),
        marked=leaky,
        advice="Train it on this split with `dvc repro`, or choose split.method: random with"
        " split.on_leak: warn, which marks every number as leaky.",
    )
    val, test, per_fold = predict_folds(cohort, folds, paths)
    undefined: dict[str, str] = {}
    thresholds = choose_thresholds(params, val, undefined)
    temperature, why = fit_temperature(val.y, val.p, val.exclusive)
    if temperature is None:
        undefined["temperature"] = why
    metrics: dict[str, Any] = {}
    per_class: dict[str, Any] = {}
    folder = Path(paths.predictions)
    for name, part in (("val", val), ("test", test)):
        decisions = TASKS[cohort.task].decide(part.p, thresholds)
        bounds, per_class[name] = intervals(part, decisions, params)
        metrics[name] = subset_metrics(part, decisions, thresholds, bounds, name, undefined)
        write_csv(part.table(decisions), folder / f"{name}.csv")
    metrics["folds"] = fold_metrics(per_fold, cohort.task, thresholds)
    metrics["protocol"] = {
        "leaky": leaky,
        "contaminated": contaminated,
        "folds": len(folds),
        "replicates": params.bootstrap,
    }
    write_json(Path(paths.metrics), metrics)
    points = {name: rounded(t, 6) for name, t in zip(cohort.outputs, thresholds, strict=True)}
    rule = {"rule": params.model_dump()["threshold"], "chosen_on": "val", "thresholds": points}
    write_bundle(Path(paths.bundle), models, {**rule, "temperature": temperature})
    calibration = summarise(val, test, thresholds, temperature, params.prevalences)
    write_json(folder / "calibration.json", calibration)
    write_json(folder / "undefined.json", undefined)
    write_json(folder / "intervals.json", per_class)
    judged = test if len(test.y) else val
    decided = TASKS[cohort.task].decide(judged.p, thresholds)
    unseen = judged.of(judged.images["fold"].isin([folds[0], NEVER]))  # by the first fold's model
    groups = people.describe(params, cohort, folds[0], judged, decided, unseen, paths)
    write_json(folder / "subgroups.json", groups)
    look(params, cohort, folds[0], unseen, paths)
    curves.write({"val": val, "test": test}, metrics, Path(paths.plots))


def predict_folds(
    cohort: Cohort, folds: list[int], paths: Paths
) -> tuple[Predictions, Predictions, dict[int, Predictions]]:
    """Validation out of fold, test as the mean over folds, and each fold's own test predictions."""
    torch.set_num_threads(cores())
    fabric = Fabric(devices=1)
    test_rows = cohort.rows("test", folds[0])
    val_rows, val_p, test_p = [], [], []
    for fold in folds:
        network, batches = open_model(cohort, fold, fabric, paths)
        rows = cohort.rows("val", fold)
        val_rows.append(rows)
        val_p.append(predict(fabric, network, batches, rows, cohort.task, f"fold {fold} val"))
        test_p.append(
            predict(fabric, network, batches, test_rows, cohort.task, f"fold {fold} test")
            if len(test_rows)
            else np.zeros((0, len(cohort.outputs)))
        )
    val = collect(cohort, np.concatenate(val_rows), np.concatenate(val_p))
    test = collect(cohort, test_rows, np.mean(test_p, axis=0))
    each = {f: collect(cohort, test_rows, p) for f, p in zip(folds, test_p, strict=True)}
    return val, test, each


def collect(cohort: Cohort, rows: NDArray[np.int64], p: NDArray[np.float64]) -> Predictions:
    """Predictions for cache rows [N] from their probabilities [N, O]."""
    # Six decimals, as in the table: every metric can be recomputed from the file to the last digit.
    return Predictions(
        cohort.task,
        cohort.outputs,
        cohort.table.iloc[rows].reset_index(drop=True),
        cohort.targets[rows],
        np.round(p, 6),
    )


def choose_thresholds(
    params: Evaluate, val: Predictions, undefined: dict[str, str]
) -> NDArray[np.float64]:
    """Threshold of each output [O], from validation only."""
    chosen = []
    for i, name in enumerate(val.outputs):
        threshold = choose(params.threshold, val.y[:, i], val.p[:, i])
        if threshold is None:
            undefined[f"threshold.{name}"] = f"validation has one outcome only; {UNDECIDED} is used"
        chosen.append(UNDECIDED if threshold is None else threshold)
    return np.array(chosen)
