"""What a trained model travels with."""

from thorax.artifacts import Artifact, Record
from thorax.artifacts.data import Task
from thorax.config import Augment, Model, Preprocess, Train


class Epoch(Record):
    """Metrics of one epoch on the training and the validation images; None where undefined.

    Attributes:
        phase: number of the training phase.
        best: whether it is the best of the run so far; the last such one is kept.
        train: metrics, and `lr`, the learning rate at its end.
        val: metrics, and `monitored_loss` where another loss than the plain one was monitored.
    """

    phase: int
    best: bool
    train: dict[str, float | None]
    val: dict[str, float | None]


class Training(Record):
    """How a model was trained."""

    model: Model
    train: Train
    augment: Augment
    fold: int
    history: list[Epoch]


class ModelFile(Artifact):
    """`models/<fold>/model.json`: all that is needed to build and use the weights beside it.

    Attributes:
        task: key of `tasks.TASKS`.
        outputs: class of each output.
        model: architecture.
        preprocess: what its images went through.
        mean, std: normalization of pixel intensities in 0–1, per channel.
        fingerprint: SHA-256 over parameters, data and code.
        training: settings and history.
    """

    task: Task
    outputs: list[str]
    model: Model
    preprocess: Preprocess
    mean: list[float]
    std: list[float]
    fingerprint: str
    training: Training


class TrainedOn(Artifact):
    """`models/<fold>/trained_on.json`: hashes of the patients and images a model has seen.

    Attributes:
        patients, images: short SHA-256 of names and bytes.
        pictures: perceptual hashes, hexadecimal, which re-encoding leaves nearly as they are.
    """

    patients: list[str]
    images: list[str]
    pictures: list[str]


class Scaling(Record):
    """Calibrated logits are `slope` times the logits plus `intercept`; `reason` for neither."""

    slope: float | None
    intercept: float | None
    reason: str = ""


class OperatingPoints(Artifact):
    """`bundle/operating_points.json`: what is frozen beside the weights, chosen on validation.

    Attributes:
        rule: as `evaluate.threshold`.
        thresholds: class → raw probability from which it is predicted positive; empty where the
            most likely class is.
        scaling: class → how its logits are calibrated.
        for_ensemble: chosen on the mean probability of all models, which is what they are for; else
            on single models out of fold, which are more extreme.
    """

    rule: str | float | dict[str, float]
    thresholds: dict[str, float]
    scaling: dict[str, Scaling]
    for_ensemble: bool
