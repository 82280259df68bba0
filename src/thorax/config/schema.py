"""The schema of `params.yaml`, of data cards and of `dvc.yaml`'s paths.

There are no defaults here: a missing key is a mistake like an unknown one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from thorax.config.card import Section, TableCard, inline_card
from thorax.config.numbers import Count, Fraction, Positive, Seed
from thorax.config.training import Train

ModelName = Literal[
    "cnn5", "cnn-five-block", "cnn-baseline", "cnn-deep",
    "resnet18", "resnet50", "resnet152", "densenet121", "vgg16", "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3",
    "efficientnet-b4", "efficientnet-b5", "efficientnet-b6", "efficientnet-b7",
]  # fmt: skip


class Data(Section):
    """Where the images and labels come from."""

    source: Literal["phantom", "kermany", "nih", "folder", "table"]
    path: Annotated[str, Field(min_length=1)]
    patient_id: Literal["conservative", "namespaced"]
    positive: str | None
    task: Literal["auto", "multi-class"]
    card: Annotated[str | TableCard | None, BeforeValidator(inline_card)]
    phantom_patients: Annotated[int, Field(ge=10)]
    phantom_pixels: Annotated[int, Field(ge=64, le=512)]
    phantom_seed: Seed
    phantom_marker_correlation: Annotated[float, Field(ge=-1, le=1)]
    phantom_marker_label: Literal[
        "Cardiomegaly", "Consolidation", "Effusion", "Nodule", "Pneumothorax", "No Finding"
    ]


def _odd_or_zero(value: Any) -> Any:
    if isinstance(value, int) and value > 0 and value % 2 == 0:
        raise ValueError("must be 0 or an odd number")
    return value


class Preprocess(Section):
    """What is done to an image once, before it enters the cache."""

    image_size: Annotated[int, Field(ge=16, le=4096)]
    keep_aspect: bool
    interpolation: Literal["area", "linear", "cubic", "lanczos", "nearest"]
    crop_borders: bool
    clahe_clip: Positive | None
    clahe_tiles: Count
    blur_kernel: Annotated[int, Field(ge=0, le=99), BeforeValidator(_odd_or_zero)]
    max_bad: Annotated[int, Field(ge=0)]


class Split(Section):
    """Who is trained on, validated on and tested on."""

    method: Literal["patient", "official", "random"]
    seed: Seed
    test_fraction: Fraction
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    n_folds: Count
    folds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    on_leak: Literal["fail", "warn"]
    hash_distance: Annotated[int, Field(ge=0, le=256)]
    thumbnail_correlation: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _folds_exist(self) -> "Split":
        if len(set(self.folds)) < len(self.folds) or max(self.folds) >= self.n_folds:
            raise ValueError(
                f"folds must be different numbers from 0 to n_folds - 1 = {self.n_folds - 1}"
            )
        if self.test_fraction + self.val_fraction >= 1:
            raise ValueError("test_fraction + val_fraction must stay under 1")
        return self


class Augment(Section):
    """How far an image is changed at random in training."""

    shift: Fraction
    zoom: Fraction
    rotation: Annotated[float, Field(ge=0, le=180)]
    shear: Annotated[float, Field(ge=0, le=60)]
    brightness: Fraction
    contrast: Fraction
    flip: Annotated[float, Field(ge=0, le=1)]


class Model(Section):
    """The network and its starting weights."""

    name: ModelName
    channels: Literal[1, 3]
    weights: str
    head_width: Annotated[int, Field(ge=0)]
    dropout: Fraction
    normalization: Literal["train", "imagenet", "caffe", "unit"]


class AtSensitivity(Section):
    """The highest threshold with at least this sensitivity."""

    sensitivity: Annotated[float, Field(gt=0, le=1)]


class AtSpecificity(Section):
    """The lowest threshold with at least this specificity."""

    specificity: Annotated[float, Field(gt=0, le=1)]


def _threshold_rule(value: Any) -> Any:
    target = next(iter(value.items())) if isinstance(value, Mapping) and len(value) == 1 else None
    number = target[1] if target and target[0] in ("sensitivity", "specificity") else value
    named = isinstance(value, str) and value in ("youden", "f1")
    inside = type(number) in (int, float) and 0 < number <= 1 and (number < 1 or target is not None)
    if named or inside or isinstance(value, AtSensitivity | AtSpecificity):
        return value
    shown = dict(value) if isinstance(value, Mapping) else value
    raise ValueError(
        f"{shown!r} is not allowed, it must be youden, f1, a number between 0 and 1, "
        "{sensitivity: a number up to 1} or {specificity: a number up to 1}"
    )


class Evaluate(Section):
    """How predictions become decisions and metrics."""

    threshold: Annotated[
        Literal["youden", "f1"] | float | AtSensitivity | AtSpecificity,
        BeforeValidator(_threshold_rule),
    ]
    prevalences: list[Annotated[float, Field(gt=0, lt=1)]]
    bootstrap: Annotated[int, Field(ge=0)]
    min_group: Count
    localised: Annotated[int, Field(ge=0)]
    probed: Annotated[int, Field(ge=0)]
    seed: Seed


class Report(Section):
    """What the page shows."""

    examples: Annotated[int, Field(ge=1, le=24)]


class Params(Section):
    """All of `params.yaml`."""

    data: Data
    preprocess: Preprocess
    split: Split
    augment: Augment
    model: Model
    train: Train
    evaluate: Evaluate
    report: Report


class Paths(Section):
    """Every file that stages exchange, as written under `vars: paths:` in `dvc.yaml`."""

    manifest: str
    dataset: str
    regions: str
    cache: str
    split: str
    split_table: str
    leakage: str
    models: str
    bundle: str
    curves: str
    predictions: str
    metrics: str
    plots: str
    report: str
    model_card: str
