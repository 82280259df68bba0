"""What a trained model travels with."""

import math

from thorax.artifacts import Artifact, Estimate, Record
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

    @property
    def line(self) -> tuple[float, float]:
        """Slope and intercept; those that change nothing where there are none."""
        return (1.0 if self.slope is None else self.slope), self.intercept or 0.0


class AtThreshold(Record):
    """What the decisions for a class were worth on the test set."""

    sensitivity: Estimate
    specificity: Estimate


class OperatingPoints(Artifact):
    """`bundle/operating_points.json`: what is frozen beside the weights, chosen on validation.

    Attributes:
        rule: as `evaluate.threshold`.
        thresholds: class → raw probability from which it is predicted positive; empty where the
            most likely class is.
        scaling: class → how its logits are calibrated.
        atypical: proportion of the test images (without any, of validation) that look unlike the
            training images: the false alarms of that warning.
        for_ensemble: chosen on the mean probability of all models, which is what they are for; else
            on single models out of fold, which are more extreme.
        title: of the data set.
        test_set: what `performance` was measured on.
        performance: class → what its decisions were worth there.
        files: every other file of the bundle → SHA-256.
    """

    rule: str | float | dict[str, float]
    thresholds: dict[str, float]
    scaling: dict[str, Scaling]
    atypical: float
    for_ensemble: bool
    title: str
    test_set: str
    performance: dict[str, AtThreshold]
    files: dict[str, str]

    def calibrated_thresholds(self) -> dict[str, float]:
        """Thresholds on the scale of the calibrated probabilities: the same decisions."""
        result = {}
        for name, threshold in self.thresholds.items():
            slope, intercept = self.scaling[name].line
            odds = (threshold / (1 - threshold)) ** slope * math.exp(intercept)
            result[name] = odds / (1 + odds)
        return result


class Exported(Artifact):
    """`export.json`, also in the metadata of `model.onnx`: what the numbers that it gives mean.

    Attributes:
        format: of this file; a reader refuses a newer one.
        title: of the data set.
        task: key of `tasks.TASKS`.
        outputs: class of each output.
        thresholds: class → calibrated probability from which it is predicted positive; empty where
            the most likely class is.
        performance, test_set, atypical: as in `OperatingPoints`.
        gray: what gray levels it expects, and how files come by them.
        preprocess: what the training images went through.
        prepared: settings of `preprocess` that are not inside of the graph: with any, it takes an
            image that `thorax` has prepared.
        models: number of folds whose mean probability it is.
        bundle: SHA-256 of the bundle's operating points, which hold those of its other files.
        model_sha256: of `model.onnx`; empty in its own metadata.
        version: of thorax.
        use: what it must not be used for.
    """

    format: int
    title: str
    task: Task
    outputs: list[str]
    thresholds: dict[str, float]
    performance: dict[str, AtThreshold]
    test_set: str
    atypical: float
    gray: str
    preprocess: Preprocess
    prepared: list[str]
    models: int
    bundle: str
    model_sha256: str
    version: str
    use: str


class Parity(Artifact):
    """`parity.json`: how far the exported graph is from the bundle.

    Attributes:
        images: of the test set (without any, of validation), compared from the cache.
        max_abs_difference: of calibrated probabilities between torch and ONNX.
        flipped_decisions: classes of images that the two decide differently.
        files: original images, decoded and resized inside of the graph.
        max_abs_difference_from_files: of these to the cached ones.
        flipped_decisions_from_files: as above.
    """

    images: int
    max_abs_difference: float
    flipped_decisions: int
    files: int
    max_abs_difference_from_files: float
    flipped_decisions_from_files: int
