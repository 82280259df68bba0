"""One readable line per mistake in a settings file: its path, what it holds, what is allowed."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

# Names that settings had before, so that an old file is told the new ones.
RENAMED = {
    "data.patient_id_rule": "data.patient_id",
    "data.phantom_marker_correlation": "data.phantom.marker_correlation",
    "data.phantom_marker_label": "data.phantom.marker_label",
    "data.phantom_patients": "data.phantom.patients",
    "data.phantom_pixels": "data.phantom.pixels",
    "data.phantom_seed": "data.phantom.seed",
    "evaluate.bootstrap": "evaluate.n_bootstrap",
    "evaluate.localised": "explain.gradcam_images",
    "evaluate.min_group": "evaluate.min_subgroup_size",
    "evaluate.probed": "explain.occlusion_images",
    "model.head_width": "model.hidden_units",
    "preprocess.max_bad": "preprocess.max_unreadable",
    "train.accumulate": "train.grad_accum_steps",
    "train.clip_norm": "train.max_grad_norm",
    "train.threads": "train.num_threads",
}
RENAMED_VALUES = {"recall": "sensitivity"}


def mistakes(error: ValidationError, schema: type[BaseModel], values: Any) -> list[str]:
    """One line per wrong key: its path, what it holds, what is allowed."""
    reasons: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        path = _path(item["loc"], values, item["type"])
        reasons.setdefault(path, []).append(_explain(item, path, schema))
    for path in list(reasons):  # what stands there under its old name is not missing as well
        reasons.pop(_renamed(path) or "", None)
    return [f"{path}: {' or '.join(dict.fromkeys(why))}" for path, why in reasons.items()]


def _renamed(path: str) -> str | None:
    """Today's name of a setting, also of one that is given relative to its section."""
    fitting = (new for old, new in RENAMED.items() if old == path or old.endswith(f".{path}"))
    return next(fitting, None)


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


def _explain(item: Any, path: str, schema: type[BaseModel]) -> str:
    *parents, key = item["loc"] or ("",)
    if item["type"] == "extra_forbidden":
        if renamed := _renamed(path):
            return f"is now called {renamed}; write that"
        known = list(_fields(schema, parents))
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"unknown key{hint} (allowed: {', '.join(known)})"
    if item["type"] == "missing":
        section, keys = _fields(schema, parents), _fields(schema, [*parents, key])
        inside = f" ({', '.join(keys)})" if keys and keys is not section else ""
        if any(not field.is_required() for field in section.values()):
            return "is missing"  # a card, where only some keys must stand
        return f"is missing{inside}; every option must stand in the file"
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if item["type"] == "value_error":
        return message
    new = RENAMED_VALUES.get(str(item["input"]))
    hint = f" ({item['input']} is now called {new})" if new else ""
    return f"{item['input']!r} is not allowed, it must be {message}{hint}"


def _fields(schema: Any, parents: list[int | str]) -> Mapping[str, Any]:
    """Fields of the section that the keys `parents` lead to."""
    for parent in parents:
        fields = getattr(schema, "model_fields", {})
        field = None if isinstance(parent, int) else fields.get(parent)
        schema = field.annotation if field else schema
        schema = get_args(schema)[0] if get_origin(schema) is list else schema
    return schema.model_fields if hasattr(schema, "model_fields") else {}
