"""One readable line per mistake in a settings file: its path, what it holds, what is allowed."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError


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
