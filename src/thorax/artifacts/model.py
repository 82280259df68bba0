"""What a trained model travels with."""

from thorax.artifacts import Artifact, Record
from thorax.artifacts.data import Task
from thorax.config import Augment, Model, Preprocess, Train


class Epoch(Record):
    """Metrics of one epoch on the training and the validation images; None where undefined.

    Attributes:
        phase: number of the training phase.
        best: whether it is the best of its phase so far.
        train: metrics, and `lr`, the learning rate at its end.
        val: metrics.
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


class OperatingPoints(Artifact):
    """`bundle/operating_points.json`: what is frozen beside the weights, chosen on validation.

    Attributes:
        rule: as `evaluate.threshold`.
        thresholds: class → probability from which it is predicted positive.
        temperature: what logits are divided by for calibrated probabilities; None without one.
    """

    rule: str | float | dict[str, float]
    thresholds: dict[str, float]
    temperature: float | None
