"""Published studies as named settings: one YAML file each in `recipes/`, with its variants."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thorax.config import Params, as_override, check, flatten, merge, read_yaml
from thorax.config.card import Section
from thorax.errors import ConfigError
from thorax.studies.claims import Claim

FOLDER = Path("recipes")
# Settings that a recipe leaves to the user: where the data lies, how the machine is used, how the
# result is described beyond its thresholds, what the report shows, and the phantom that no recipe
# trains on. By prefix.
FREE = (
    "data.path", "data.phantom.", "preprocess.max_unreadable", "train.channels_last",
    "train.compile", "train.devices", "train.num_threads", "evaluate.prevalences",
    "evaluate.n_bootstrap", "evaluate.min_subgroup_size", "evaluate.seed", "explain.", "report.",
)  # fmt: skip


class RecipeFile(Section):
    """One file of `recipes/`."""

    study: str
    source: str
    claim: str
    command: str
    claims: list[Claim]
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
        return check(merge(base, self.params), Params, f"recipe {self.name}")

    def overrides(self) -> list[str]:
        """The settings for `dvc exp run -S`."""
        return [as_override(*setting) for setting in flatten(self.params)]

    def changes(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a run that differ from the recipe's, but for those it leaves to the user."""
        expected = dict(flatten(merge(params, self.params)))
        return {
            path: value
            for path, value in flatten(params)
            if expected.get(path) != value and not path.startswith(FREE)
        }

    def claims(self) -> list[Claim]:
        """What the study claims of this very variant."""
        variant = self.name if self.variant_of else None
        return [claim for claim in self.file.claims if claim.variant == variant]


def load_recipes(folder: Path = FOLDER) -> dict[str, Recipe]:
    """Every recipe by its name, followed by its variants; a `ConfigError` lists mistakes."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} does not exist in {Path.cwd()}: recipes are in a checkout.")
    recipes: dict[str, Recipe] = {}
    for path in sorted(folder.glob("*.yaml")):
        file = check(read_yaml(path), RecipeFile, str(path))
        recipes[path.stem] = Recipe(path.stem, file, file.params, None)
        for name, changes in file.variants.items():
            recipes[name] = Recipe(name, file, merge(file.params, changes), path.stem)
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
