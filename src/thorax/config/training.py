"""The section `train` of `params.yaml`: optimizer, schedule, stopping, phases."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from thorax.config.card import Section
from thorax.config.mistakes import mistakes
from thorax.config.numbers import Count, Fraction, NonNegative, Positive, Seed

Metric = Literal["loss", "accuracy", "precision", "recall", "f1", "auroc", "average_precision"]


class Optimizer(Section):
    """The rule that turns gradients into steps."""

    name: Literal["sgd", "adam", "adamw", "rmsprop"]
    lr: Positive
    weight_decay: NonNegative
    momentum: Fraction
    amsgrad: bool


class Schedule(Section):
    """How the learning rate changes over the epochs."""

    name: Literal["none", "plateau", "cosine", "one_cycle"]
    warmup_epochs: NonNegative
    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Annotated[int, Field(ge=0)]
    min_lr: NonNegative


class Train(Section):
    """One training run."""

    seed: Seed
    epochs: Count
    patience: Count
    monitor: Metric
    batch_size: Count
    accumulate: Count
    optimizer: Optimizer
    schedule: Schedule
    clip_norm: Positive | None
    label_smoothing: Fraction
    head_l2: NonNegative
    class_weights: Literal["none", "balanced"] | dict[str, Positive]
    trainable: Annotated[str, Field(pattern=r"^(all|head|last:[1-9]\d*)$")]
    phases: list[dict[str, Any]]
    precision: Literal["fp32", "bf16"]
    channels_last: bool
    compile: bool
    devices: Literal["auto"] | Count
    threads: Count | None

    @model_validator(mode="after")
    def _phases_are_valid(self) -> "Train":
        for number in range(len(self.phases)):
            self.phase(number)
        return self

    def phase(self, number: int) -> "Train":
        """These settings with the overrides of phase `number`, itself without phases."""
        own = self.model_dump() | {"phases": []}
        overrides = dict(self.phases[number])
        overrides.pop("name", None)
        for key, value in overrides.items():
            nested = isinstance(value, dict) and isinstance(own.get(key), dict)
            own[key] = own[key] | value if nested else value
        try:
            return Train.model_validate(own)
        except ValidationError as error:
            found = "; ".join(mistakes(error, Train, own))
            raise ValueError(f"phases.{number}: {found}") from None

    def phase_list(self) -> list["Train"]:
        """The phases to train, in order; the settings themselves where none are given."""
        return [self.phase(i) for i in range(len(self.phases))] or [self]
