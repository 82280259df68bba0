"""The schema of `params.yaml` and `dvc.yaml`'s paths; every stage checks all of it before it works.

There are no defaults here: a missing key is a mistake like an unknown one, and all mistakes are
reported at once, each with its path and what is allowed.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from thorax.errors import ConfigError

T = TypeVar("T", bound=BaseModel)

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

Metric = Literal["loss", "accuracy", "precision", "recall", "f1", "auroc", "average_precision"]
ModelName = Literal[
    "cnn5", "resnet18", "resnet50", "resnet152", "densenet121", "vgg16", "mobilenet_v3_large",
    "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3",
    "efficientnet-b4", "efficientnet-b5", "efficientnet-b6", "efficientnet-b7",
]  # fmt: skip


class Section(BaseModel):
    """A strict, immutable section: unknown keys and wrong types are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TableCard(Section):
    """How a table of the user's own describes images; `data.card` is one or the path of one."""

    file: Annotated[str, Field(min_length=1)]
    image: Annotated[str, Field(min_length=1)]
    suffix: str
    patient: str | None
    patient_pattern: str | None
    view: str | None
    sex: str | None
    age: str | None
    split: str | None
    label: str | None
    separator: Annotated[str, Field(min_length=1)] | None
    labels: Annotated[dict[str, str | None], Field(min_length=1)]
    present: list[str]
    absent: list[str]
    unknown: list[str]
    blank: Literal["present", "absent", "unknown"]
    keep: dict[str, list[str]]
    merge_rows: bool
    task: Literal["multi-label", "binary", "multi-class"]
    positive: str | None

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order in which `labels` first names them."""
        return list(dict.fromkeys(name for name in self.labels.values() if name is not None))

    @model_validator(mode="after")
    def _keys_agree(self) -> "TableCard":
        mistakes = [*self._patient_mistakes(), *self._label_mistakes(), *self._task_mistakes()]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    def _patient_mistakes(self) -> Iterator[str]:
        if self.patient is not None and self.patient_pattern is not None:
            yield "only one of patient and patient_pattern can tell the patient"
        try:
            if self.patient_pattern and not re.compile(self.patient_pattern).groups:
                yield "patient_pattern needs a group in parentheses around what names the patient"
        except re.error as error:
            yield f"patient_pattern is no regular expression ({error})"

    def _label_mistakes(self) -> Iterator[str]:
        words = [*self.present, *self.absent, *self.unknown]
        if repeated := sorted({word for word in words if words.count(word) > 1}):
            words = list(map(repr, repeated))
            yield f"{', '.join(words)} stand twice in present, absent and unknown"
        if self.label is None and self.separator is not None:
            yield "separator belongs to labels in one column, but label is null"
        if self.label is not None and (self.present or self.blank == "present"):
            yield "present has no meaning where label names the one column that holds the classes"

    def _task_mistakes(self) -> Iterator[str]:
        binary = self.task == "binary"
        if binary and len(self.classes) != 2:
            yield f"a binary task has two classes, labels name {len(self.classes)}"
        if binary and self.positive not in self.classes:
            yield f"positive must be one of {', '.join(self.classes)} in a binary task"
        if not binary and self.positive is not None:
            yield "positive belongs to a binary task; write null"


def _inline_card(value: Any) -> Any:
    if value is None or isinstance(value, str | TableCard):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic turns only this one into a message
            f"{value!r} is not allowed, it must be null, a path or a card's keys"
        )
    try:
        return TableCard.model_validate(value)
    except ValidationError as error:
        raise ValueError("; ".join(_mistakes(error, TableCard, value))) from None


class Data(Section):
    """Where the images and labels come from."""

    source: Literal["phantom", "kermany", "nih", "folder", "table"]
    path: Annotated[str, Field(min_length=1)]
    patient_id: Literal["conservative", "namespaced"]
    positive: str | None
    card: Annotated[str | TableCard | None, BeforeValidator(_inline_card)]
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
    dropout: Fraction
    normalization: Literal["train", "imagenet", "unit"]


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
            raise ValueError(
                f"phase {number}: " + "; ".join(_mistakes(error, Train, own))
            ) from None

    def phase_list(self) -> list["Train"]:
        """The phases to train, in order; the settings themselves where none are given."""
        return [self.phase(i) for i in range(len(self.phases))] or [self]


class Evaluate(Section):
    """How predictions become decisions and metrics."""

    threshold: Literal["youden", "f1"] | Annotated[float, Field(gt=0, lt=1)]
    bootstrap: Annotated[int, Field(ge=0)]
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
    cache: str
    split: str
    split_table: str
    models: str
    curves: str
    predictions: str
    metrics: str
    plots: str
    report: str


def read_yaml(path: Path) -> Any:
    """Parse YAML 1.2 (where `1e-4` is a number); a `ConfigError` names the line of a mistake."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist in {Path.cwd()}.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML:\n{error}") from None


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check all sections; one `ConfigError` lists every mistake."""
    return check(read_yaml(path), Params, str(path))


def load_paths(path: Path = Path("dvc.yaml")) -> Paths:
    """Read the one place where paths are written."""
    tables = read_yaml(path).get("vars", [])
    return check(next((t["paths"] for t in tables if "paths" in t), {}), Paths, f"{path}: vars")


def check(values: Any, schema: type[T], where: str) -> T:
    """Validate `values` against a schema or raise one `ConfigError` that lists all mistakes."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} must hold a mapping of {', '.join(schema.model_fields)}.")
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        lines = _mistakes(error, schema, values)
    count = f"{len(lines)} mistake" + "s" * (len(lines) > 1)
    raise ConfigError(f"{count} in {where}:\n" + "\n".join(f"  {line}" for line in lines))


def _mistakes(error: ValidationError, schema: type[BaseModel], values: Any) -> list[str]:
    """One line per wrong key: its path, what it holds, what is allowed."""
    found: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        path = _path(item["loc"], values, item["type"])
        found.setdefault(path, []).append(_explain(item, schema))
    return [f"{path}: {' or '.join(dict.fromkeys(reasons))}" for path, reasons in found.items()]


def _path(location: tuple[int | str, ...], values: Any, kind: str) -> str:
    """Dotted path of the key, without the names pydantic gives to the branches of a union."""
    keys = []
    for token in location:
        inside = isinstance(values, Mapping) and token in values
        if inside or (isinstance(values, list) and isinstance(token, int)):
            values = values[token]
        elif kind != "missing":
            break
        keys.append(str(token))
    return ".".join(keys) or "(whole section)"


def _explain(item: Any, schema: type[BaseModel]) -> str:
    *parents, key = item["loc"] or ("",)
    if item["type"] == "extra_forbidden":
        known = list(_fields(schema, parents))
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"unknown key{hint} (allowed: {', '.join(known)})"
    if item["type"] == "missing":
        return "is missing; every option must stand in the file"
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if item["type"] == "value_error":
        return message
    return f"{item['input']!r} is not allowed, it must be {message}"


def _fields(schema: Any, parents: list[int | str]) -> Mapping[str, Any]:
    """Fields of the section that the keys `parents` lead to."""
    for parent in parents:
        field = schema.model_fields.get(parent)
        schema = field.annotation if field else schema
    return schema.model_fields if hasattr(schema, "model_fields") else {}
