"""Settings of the network and its training, whose phases are settings again."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from thorax.config.card import Section
from thorax.config.fields import Count, Fraction, Natural, NonNegative, Positive, Seed
from thorax.config.mistakes import mistakes
from thorax.config.overrides import merge

Metric = Literal[
    "auroc", "average_precision", "sensitivity", "precision", "f1", "accuracy", "loss"
]  # fmt: skip
METRICS: tuple[str, ...] = get_args(Metric)  # macro over classes, as every table lists them

# Settings of a whole run, which its phases cannot change.
PER_RUN = {
    "seed", "phases", "precision", "devices", "num_threads", "channels_last", "monitor",
    "monitored_loss",
}  # fmt: skip

# Value of `model.weights` → torchvision's name; any other value but none is the path of a file.
PUBLISHED_WEIGHTS = {"imagenet": "DEFAULT", "imagenet-v1": "IMAGENET1K_V1"}

ModelName = Literal[
    "cnn5", "cnn-five-block", "cnn-baseline", "cnn-deep",
    "resnet18", "resnet50", "resnet152", "densenet121", "vgg16", "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3",
    "efficientnet-b4", "efficientnet-b5", "efficientnet-b6", "efficientnet-b7",
]  # fmt: skip


class Augment(Section):
    """How far an image is changed at random in training."""

    shift: Fraction
    zoom: Fraction
    rotation: Annotated[float, Field(ge=0, le=180)]
    shear: Annotated[float, Field(ge=0, le=60)]
    brightness: Fraction
    contrast: Fraction
    flip: Annotated[float, Field(ge=0, le=1)]
    test: bool


class Model(Section):
    """The network and its starting weights."""

    name: ModelName
    channels: Literal[1, 3]
    weights: str
    dropout: Fraction
    hidden_units: Natural
    normalization: Literal["train", "imagenet", "caffe", "unit"]


class Optimizer(Section):
    """The rule that turns gradients into steps."""

    name: Literal["sgd", "adam", "adamw", "rmsprop"]
    lr: Positive
    weight_decay: NonNegative
    momentum: Fraction
    amsgrad: bool
    alpha: Fraction
    eps: Positive


class Schedule(Section):
    """How the learning rate changes over the epochs."""

    name: Literal["none", "plateau", "cosine", "one_cycle"]
    warmup_epochs: NonNegative
    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Natural
    min_lr: NonNegative


class Train(Section):
    """One training run."""

    seed: Seed
    epochs: Count
    patience: Count
    monitor: Metric
    batch_size: Count
    grad_accum_steps: Count
    optimizer: Optimizer
    schedule: Schedule
    max_grad_norm: Positive | None
    label_smoothing: Fraction
    class_weights: Literal["none", "balanced"] | dict[str, Positive]
    trainable: Annotated[str, Field(pattern=r"^(all|head|last:[1-9]\d*)$")]
    precision: Literal["fp32", "bf16"]
    channels_last: bool
    compile: bool
    devices: Literal["auto"] | Count
    num_threads: Count | None
    head_l2: NonNegative
    monitored_loss: Literal["plain", "with_l2", "weighted"]
    frozen_batch_norm: Literal["eval", "train"]
    phases: list[dict[str, Any]]

    @model_validator(mode="after")
    def _phases_are_valid(self) -> "Train":
        for number in range(len(self.phases)):
            self.phase(number)
        return self

    def phase(self, number: int) -> "Train":
        """These settings with the overrides of phase `number`, itself without phases."""
        overrides = {key: value for key, value in self.phases[number].items() if key != "name"}
        if fixed := sorted(PER_RUN & set(overrides)):
            raise ValueError(f"phases.{number}: {', '.join(fixed)} cannot change within a run")
        settings = merge(self.model_dump() | {"phases": []}, overrides)
        try:
            return Train.model_validate(settings)
        except ValidationError as error:
            found = "; ".join(mistakes(error, Train, settings))
            raise ValueError(f"phases.{number}: {found}") from None

    @property
    def monitored(self) -> str:
        """Name of what is monitored in the history of a run."""
        other = self.monitor == "loss" and self.monitored_loss != "plain"
        return "monitored_loss" if other else self.monitor

    def phase_list(self) -> list["Train"]:
        """The phases to train, in order; the settings themselves where none are given."""
        return [self.phase(i) for i in range(len(self.phases))] or [self]
