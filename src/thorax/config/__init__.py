"""Settings: their schema, and how they are read and checked before any work is done.

All mistakes are reported at once, each with its path and what is allowed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from thorax.config.card import TableCard as TableCard
from thorax.config.mistakes import mistakes
from thorax.config.overrides import (
    as_override as as_override,
    flatten as flatten,
    merge as merge,
    overridden,
)
from thorax.config.schema import (
    AtSensitivity as AtSensitivity,
    AtSpecificity as AtSpecificity,
    Data as Data,
    Evaluate as Evaluate,
    Explain as Explain,
    Params as Params,
    Paths as Paths,
    Preprocess as Preprocess,
    Report as Report,
    Split as Split,
)
from thorax.config.training import (
    METRICS as METRICS,
    PUBLISHED_WEIGHTS as PUBLISHED_WEIGHTS,
    Augment as Augment,
    Model as Model,
    ModelName as ModelName,
    Optimizer as Optimizer,
    Train as Train,
)
from thorax.errors import ConfigError

T = TypeVar("T", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """Parse YAML 1.2 (where `1e-4` is a number); a `ConfigError` names the line of a mistake."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist in {Path.cwd()}.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML:\n{error}") from None


def parse_yaml(text: str | bytes) -> Any:
    """Values of a YAML 1.2 text."""
    return YAML(typ="safe", pure=True).load(text)


def load_params(path: Path = Path("params.yaml"), overrides: Sequence[str] = ()) -> Params:
    """Read and check all sections, with `key=value` overrides as DVC would write them for `-S`."""
    if overrides:
        values = parse_yaml(overridden(path, overrides))
        return check(values, Params, f"{path} with your changes")
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
        lines = mistakes(error, schema, values)
    count = f"{len(lines)} mistake" + "s" * (len(lines) > 1)
    raise ConfigError(f"{count} in {where}:\n" + "\n".join(f"  {line}" for line in lines))
