"""Settings on top of settings: nested, dotted, and as `dvc exp run -S` writes them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from thorax.errors import ConfigError

WHOLE = ("class_weights", "card")  # mappings that are one value


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, section by section; lists and what is `WHOLE` are replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping) and key not in WHOLE
        result[key] = merge(old, value) if nested else value  # type: ignore[arg-type]
    return result


def flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every setting."""
    for key, value in params.items():
        if isinstance(value, Mapping) and value and key not in WHOLE:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def as_override(path: str, value: Any) -> str:
    """One setting in the grammar of `dvc exp run -S`."""
    return f"{path}={_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)


def overridden(params: Path, overrides: Sequence[str]) -> bytes:
    """What DVC would write into a parameters file for these overrides.

    A key that is not there is added, so that the schema can say which one may be meant.

    Raises:
        ConfigError: an override that DVC does not understand.
    """
    from dvc.exceptions import DvcException  # imported late: it takes a second
    from dvc.utils.hydra import apply_overrides

    if wrong := [word for word in overrides if "=" not in word and not word.startswith("~")]:
        raise ConfigError(f"-S {wrong[0]}: write KEY=VALUE, for example train.epochs=10.")
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "params.yaml"
        copy.write_bytes(params.read_bytes())
        try:
            apply_overrides(copy, list(overrides))
        except DvcException as error:
            try:
                apply_overrides(copy, [f"++{word.lstrip('+')}" for word in overrides])
            except DvcException:
                raise ConfigError(f"{error}: {error.__cause__}".replace("\n", " ")) from None
        return copy.read_bytes()
