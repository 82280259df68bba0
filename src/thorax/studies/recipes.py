"""Published studies as named settings: one YAML file each in `recipes/`, with its variants."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from thorax.config import Params, check, read_yaml
from thorax.errors import ConfigError

FOLDER = Path("recipes")


class PublishedClaim(BaseModel):
    """Figures as printed, in percent (a loss as it is); `images` of the part where it is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    part: Literal["train", "val", "test"]
    figures: dict[str, str]
    images: int | None = None
    positives: int | None = None
    variant: str | None = None


class RecipeFile(BaseModel):
    """One file of `recipes/`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    study: str
    source: str
    claim: str
    command: str
    claims: list[PublishedClaim]
    ours: str
    params: dict[str, Any]
    variants: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """A study or one of its variants: `params` are nested overrides of `params.yaml`."""

    name: str
    file: RecipeFile
    params: dict[str, Any]
    variant_of: str | None

    def settings(self, base: Mapping[str, Any] | None = None) -> Params:
        """All settings: the recipe's on top of `params.yaml`."""
        base = base if base is not None else read_yaml(Path("params.yaml"))
        return check(merged(base, self.params), Params, f"recipe {self.name}")

    def claims(self) -> list[PublishedClaim]:
        """What the study claims of this very variant."""
        return [
            claim
            for claim in self.file.claims
            if (claim.variant or self.variant_of or self.name) == self.name
            and bool(claim.variant) == bool(self.variant_of)
        ]


def load_recipes(folder: Path = FOLDER) -> dict[str, Recipe]:
    """Every recipe by its name, each followed by its variants.

    Raises:
        ConfigError: no such folder, or a file with mistakes, all listed.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} does not exist in {Path.cwd()}: recipes stand in a checkout.")
    recipes: dict[str, Recipe] = {}
    for path in sorted(folder.glob("*.yaml")):
        file = check(read_yaml(path), RecipeFile, str(path))
        recipes[path.stem] = Recipe(path.stem, file, file.params, None)
        for name, changes in file.variants.items():
            recipes[name] = Recipe(name, file, merged(file.params, changes), path.stem)
    return recipes


def find(name: str, recipes: Mapping[str, Recipe]) -> Recipe:
    """The recipe of that name; a `ConfigError` lists the nearest names."""
    if name in recipes:
        return recipes[name]
    near = difflib.get_close_matches(name, recipes, n=3, cutoff=0.3)
    raise ConfigError(
        f"No recipe is called {name!r}. Nearest: {', '.join(near) or 'none'}. "
        "`thorax recipe list` shows all."
    )


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, section by section; lists and weights by class are replaced whole."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping) and key != "class_weights"
        result[key] = merged(old, value) if nested else value  # type: ignore[arg-type]
    return result


def leaves(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every setting."""
    for key, value in params.items():
        if isinstance(value, Mapping) and key not in ("class_weights", "card"):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def override(path: str, value: Any) -> str:
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
