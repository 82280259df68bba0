"""One readable line per mistake in a settings file: its path, what it holds, what is allowed."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

# Names that settings had before, by their last key, so that an old file is told the new one.
RENAMED = {
    "accumulate": "grad_accum_steps",
    "bootstrap": "n_bootstrap",
    "clip_norm": "max_grad_norm",
    "head_width": "hidden_units",
    "localised": "explain.gradcam_images",
    "max_bad": "max_unreadable",
    "min_group": "min_subgroup_size",
    "patient_id": "patient_id_rule",
    "phantom_marker_correlation": "phantom.marker_correlation",
    "phantom_marker_label": "phantom.marker_label",
    "phantom_patients": "phantom.patients",
    "phantom_pixels": "phantom.pixels",
    "phantom_seed": "phantom.seed",
    "probed": "explain.occlusion_images",
    "threads": "num_threads",
}
RENAMED_VALUES = {"recall": "sensitivity"}


def mistakes(error: ValidationError, schema: type[BaseModel], values: Any) -> list[str]:
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
        if key in RENAMED:
            return f"is now called {RENAMED[str(key)]}; write that"
        known = list(_fields(schema, parents))
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"unknown key{hint} (allowed: {', '.join(known)})"
    if item["type"] == "missing":
        return "is missing; every option must stand in the file"
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if item["type"] == "value_error":
        return message
    renamed = RENAMED_VALUES.get(str(item["input"]))
    hint = f" ({item['input']} is now called {renamed})" if renamed else ""
    return f"{item['input']!r} is not allowed, it must be {message}{hint}"


def _fields(schema: Any, parents: list[int | str]) -> Mapping[str, Any]:
    """Fields of the section that the keys `parents` lead to."""
    for parent in parents:
        fields = getattr(schema, "model_fields", {})
        field = None if isinstance(parent, int) else fields.get(parent)
        schema = field.annotation if field else schema
        schema = get_args(schema)[0] if get_origin(schema) is list else schema
    return schema.model_fields if hasattr(schema, "model_fields") else {}
