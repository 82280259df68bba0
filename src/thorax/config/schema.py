"""The schema of `params.yaml` and of the paths in `dvc.yaml`.

There are no defaults here: a missing key is a mistake like an unknown one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from thorax.config.card import Section, TableCard, inline_card, pattern_mistakes
from thorax.config.fields import Count, Fraction, Natural, Positive, Seed
from thorax.config.training import Augment, Model, Train


class Phantom(Section):
    """Synthetic X-rays, for `source: phantom`."""

    patients: Annotated[int, Field(ge=10)]
    pixels: Annotated[int, Field(ge=64, le=512)]
    seed: Seed
    marker_correlation: Annotated[float, Field(ge=-1, le=1)]
    marker_label: Literal[
        "Cardiomegaly", "Consolidation", "Effusion", "Nodule", "Pneumothorax", "No Finding"
    ]


View = Literal["PA", "AP", "LATERAL", "unknown"]


class Data(Section):
    """Where the images and labels come from."""

    source: Literal["phantom", "kermany", "nih", "folder", "table"]
    path: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)] | None
    views: Annotated[list[View], Field(min_length=1)]
    patient_id: Literal["auto", "none", "conservative", "namespaced", "nih"]
    patient_pattern: Annotated[str, Field(min_length=1)] | None
    positive: str | None
    task: Literal["auto", "multi-class"]
    card: Annotated[str | TableCard | None, BeforeValidator(inline_card)]
    phantom: Phantom

    @model_validator(mode="after")
    def _pattern_finds_patients(self) -> "Data":
        wrong = list(pattern_mistakes(self.patient_pattern)) if self.patient_pattern else []
        if self.patient_pattern and self.patient_id != "auto":
            wrong.append("only one of patient_pattern and patient_id (else auto) can be set")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


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
    max_unreadable: Natural
    clahe_clip: Positive | None
    clahe_tiles: Count
    blur_kernel: Annotated[int, Field(ge=0, le=99), BeforeValidator(_odd_or_zero)]


class Split(Section):
    """Who is trained on, validated on and tested on."""

    method: Literal["patient", "official", "random", "official-random", "official-folders"]
    seed: Seed
    test_fraction: Fraction
    val_fraction: Fraction
    n_folds: Count
    folds: Annotated[list[Natural], Field(min_length=1)]
    on_leak: Literal["fail", "warn"]
    hash_distance: Annotated[int, Field(ge=0, le=256)]
    thumbnail_correlation: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _folds_exist(self) -> "Split":
        if len(set(self.folds)) < len(self.folds) or max(self.folds) >= self.n_folds:
            raise ValueError(
                f"folds must be different numbers from 0 to n_folds - 1 = {self.n_folds - 1}"
            )
        if self.n_folds == 1 and not self.val_fraction:
            raise ValueError("val_fraction must be above 0 when n_folds is 1")
        if self.test_fraction + self.val_fraction >= 1:
            raise ValueError("test_fraction + val_fraction must stay under 1")
        return self


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
    n_bootstrap: Natural
    min_subgroup_size: Count
    seed: Seed


class Explain(Section):
    """How much is explained and tested for shortcuts."""

    gradcam_images: Natural
    occlusion_images: Natural
    shortcut_drop: Fraction


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
    explain: Explain
    report: Report


class Paths(Section):
    """Every file that stages exchange, as written under `vars: paths:` in `dvc.yaml`."""

    manifest: str
    dataset: str
    annotations: str
    cache: str
    split: str
    split_summary: str
    leakage: str
    models: str
    curves: str
    predictions: str
    evaluation: str
    bundle: str
    metrics: str
    test_predictions: str
    plots: str
    explanations: str
    report: str
    model_card: str
