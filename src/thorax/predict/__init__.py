"""Run every fold's model once on validation and test; from here on only tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.artifacts.data import SplitSummary
from thorax.artifacts.evaluation import PredictionsInfo
from thorax.config import Paths
from thorax.contamination import is_contaminated
from thorax.dataset import Dataset, open_dataset
from thorax.io import write_csv
from thorax.metrics.predictions import IDS, Predictions
from thorax.models.inference import open_model, predict_logits, single_device
from thorax.predict import latency
from thorax.predict.stress import CHANGES, altered
from thorax.tasks import TASKS
from thorax.typicality import Typicality, atypicality, thumbnails

STRESSED = 1000  # images that are altered: enough for drops of a few hundredths

ADVICE = (
    "Train it on this split with `dvc repro`, or choose split.method: random with split.on_leak:"
    " warn, which marks every number as leaky."
)


def predict(folds: Sequence[int], paths: Paths) -> None:
    """Write logits of validation and test, of the folds' mean probability.

    Where every image of validation is in a fold, its logits are those of the model that has not
    seen it (out of fold).

    Writes `val.csv`, `test.csv`, `test_by_fold.csv` (`fold, image_id, logit_<class>` of each fold's
    own model), `stress.csv` and `predictions.json`.

    Raises:
        IntegrityError: a model was trained on test patients, or on other classes.
    """
    dataset = open_dataset(paths)
    models = [Path(paths.models) / str(fold) for fold in folds]
    leaky = SplitSummary.read(Path(paths.split_summary)).leaky
    test_rows, shared = dataset.held_out("test"), dataset.held_out("val")
    tested = dataset.table.iloc[test_rows]
    contaminated = is_contaminated(
        models, dataset.patient_namespace, tested, allowed=leaky, advice=ADVICE
    )
    val_rows = [shared if len(shared) else dataset.rows("val", fold) for fold in folds]
    logits = run_models(dataset, models, [[rows, test_rows] for rows in val_rows], as_studied=True)
    by_fold = np.stack([z for _, z in logits])
    folder = Path(paths.predictions)
    combined(dataset, val_rows, [z for z, _ in logits]).write(folder / "val.csv")
    labeled(dataset, test_rows, ensemble(dataset.task, by_fold)).write(folder / "test.csv")
    write_csv(_long(dataset, folds, test_rows, by_fold), folder / "test_by_fold.csv")
    evaluated = [test_rows] * len(models) if len(test_rows) else val_rows
    write_csv(stressed(dataset, models, evaluated), folder / "stress.csv")
    PredictionsInfo(
        task=dataset.task,
        outputs=dataset.outputs,
        folds=list(folds),
        out_of_fold=len(folds) > 1 and not len(shared),
        leaky=leaky,
        contaminated=contaminated,
        atypical=flagged(dataset, models, evaluated[0]),
    ).write(folder / "predictions.json")
    latency.measure(dataset, models)


def flagged(dataset: Dataset, models: Sequence[Path], rows: NDArray[np.int64]) -> float:
    """Proportion of cache rows that look unlike the training images."""
    typical = [Typicality.read(folder) for folder in models]
    return round(float((atypicality(typical, thumbnails(dataset.images, rows)) > 1).mean()), 4)


def run_models(
    dataset: Dataset,
    models: Sequence[Path],
    rows: Sequence[Sequence[NDArray[np.int64]]],
    *,
    as_studied: bool = False,
    what: str = "predict",
) -> list[list[NDArray[np.float64]]]:
    """Logits of each model for each of its sets of cache rows, [N, O] each.

    The last set is augmented where `augment.test` says that the study `as_studied` did so.
    """
    fabric = single_device()
    logits = []
    for folder, sets in zip(models, rows, strict=True):
        model, network, batches = open_model(folder, dataset, fabric)
        training = model.training
        change = training.augment if as_studied and training.augment.test else None
        logits.append(
            [
                predict_logits(
                    fabric, network, batches, chosen, training.train.batch_size,
                    f"{what} {folder.name}",
                    augment=change if i == len(sets) - 1 else None,
                )
                if len(chosen)
                else np.zeros((0, len(dataset.outputs)))
                for i, chosen in enumerate(sets)
            ]
        )  # fmt: skip
    return logits


def combined(
    dataset: Dataset, rows: list[NDArray[np.int64]], logits: list[NDArray[np.float64]]
) -> Predictions:
    """The models' mean probability where all saw the same images, else each image's own model."""
    if all(np.array_equal(each, rows[0]) for each in rows):
        return labeled(dataset, rows[0], ensemble(dataset.task, np.stack(logits)))
    return labeled(dataset, np.concatenate(rows), np.concatenate(logits))


def stressed(dataset: Dataset, models: list[Path], rows: list[NDArray[np.int64]]) -> pd.DataFrame:
    """Logits of altered images, `change, image_id, logit_<class>`; at most `STRESSED` a model.

    Args:
        dataset: all images.
        models: a folder each.
        rows: the cache rows that each model predicts.
    """
    few = [each[:: max(1, -(-len(each) // STRESSED))] for each in rows]
    chosen = np.unique(np.concatenate(few))
    local = [np.searchsorted(chosen, each) for each in few]
    columns = [f"logit_{name}" for name in dataset.outputs]
    tables = []
    for name, change in CHANGES.items():
        images = altered(dataset, chosen, change)
        logits = run_models(images, models, [[each] for each in local], what=name)
        predictions = combined(images, local, [z for (z,) in logits])
        table = pd.DataFrame(predictions.z, columns=columns)
        table.insert(0, "image_id", predictions.images["image_id"])
        table.insert(0, "change", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def ensemble(task: str, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits [N, O] of the mean probability of F models [F, N, O]; a single one keeps its own."""
    return logits[0] if len(logits) == 1 else TASKS[task].ensemble(logits)


def labeled(dataset: Dataset, rows: NDArray[np.int64], logits: NDArray[np.float64]) -> Predictions:
    """Labels and logits [N, O] of cache rows [N]."""
    images = dataset.table.iloc[rows][list(IDS)].reset_index(drop=True)
    return Predictions(dataset.task, dataset.outputs, images, dataset.targets[rows], logits)


def _long(
    dataset: Dataset, folds: Sequence[int], rows: NDArray[np.int64], logits: NDArray[np.float64]
) -> pd.DataFrame:
    """A row a fold and image."""
    columns = [f"logit_{name}" for name in dataset.outputs]
    table = pd.DataFrame(np.concatenate(logits), columns=columns)
    table.insert(0, "image_id", np.tile(dataset.table["image_id"].iloc[rows], len(folds)))
    table.insert(0, "fold", np.repeat(folds, len(rows)))
    return table
