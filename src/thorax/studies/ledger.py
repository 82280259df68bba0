"""Beside every published claim: what arithmetic says of it, and what our own runs gave."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thorax.errors import ConfigError
from thorax.io import read_json, write_json
from thorax.provenance import machine
from thorax.studies import experiments
from thorax.studies.recipes import PublishedClaim, Recipe, leaves, load_recipes

RECORD = Path("benchmarks/ledger.json")
FIGURES = ("accuracy", "precision", "recall", "f1", "auroc", "loss")
# Settings that say where or how fast, not what: no difference from the recipe.
WHERE_NOT_WHAT = (
    "data.path",
    "data.phantom",
    "train.devices",
    "train.threads",
    "report.",
    "evaluate.bootstrap",
    "preprocess.max_bad",
)


@dataclass(frozen=True)
class Entry:
    """One finished run of a recipe or variant.

    Attributes:
        experiment: its name.
        recipe: the recipe or variant it ran.
        split: `patient`, `official` or `random`.
        leaky: whether patients stand on two sides.
        changed: settings that differ from the recipe's.
        figures: part → metric, `<metric>_low`, `<metric>_high`, as fractions, and `images`.
        machine: processor or GPU it was seen on, with the date.
    """

    experiment: str
    recipe: str
    split: str
    leaky: bool
    changed: dict[str, Any]
    figures: dict[str, dict[str, float | None]]
    machine: str


@dataclass(frozen=True)
class Line:
    """One claimed figure beside one of our runs (or none yet)."""

    recipe: Recipe
    claim: PublishedClaim
    metric: str
    entry: Entry | None

    @property
    def claimed(self) -> float:
        """The claimed figure, as a fraction where it was printed in percent."""
        figure = float(self.claim.figures[self.metric])
        return figure if self.metric == "loss" else figure / 100

    @property
    def ours(self) -> tuple[float | None, float | None, float | None]:
        """Our figure and its 95 % interval."""
        part = self.entry.figures.get(self.claim.part, {}) if self.entry else {}
        value, low, high = (part.get(self.metric + end) for end in ("", "_low", "_high"))
        return value, low, high

    @property
    def verdict(self) -> str:
        """Where the claim lies against our interval."""
        if self.claim.part == "train":
            return "not compared, it says nothing of new patients"
        _, low, high = self.ours
        if low is None or high is None:
            return "not run" if self.entry is None else "no interval"
        if self.claimed > high:
            return "above our interval"
        return "below our interval" if self.claimed < low else "inside our interval"


def lines() -> list[Line]:
    """Every claimed figure beside every run that differs from its recipe by the split only."""
    recipes = load_recipes()
    entries = known_entries(recipes)
    found = []
    for recipe in recipes.values():
        comparable = [e for e in entries.values() if _only_split_differs(recipe, recipes[e.recipe])]
        for claim in recipe.claims():
            for metric in claim.figures:
                runs: list[Entry | None] = [*comparable] if claim.part != "train" else []
                found += [Line(recipe, claim, metric, entry) for entry in runs or [None]]
    return found


def _only_split_differs(recipe: Recipe, other: Recipe) -> bool:
    rest = ({k: v for k, v in each.params.items() if k != "split"} for each in (recipe, other))
    return next(rest) == next(rest) and recipe.file == other.file


def known_entries(recipes: Mapping[str, Recipe]) -> dict[str, Entry]:
    """Recorded runs and those of this checkout, by experiment; the latter count where both are."""
    recorded = read_json(RECORD) if RECORD.exists() else []
    entries = {each["experiment"]: Entry(**each) for each in recorded}
    for name in experiments.names():
        recipe = recipe_of(name, recipes)
        result = experiments.result(name) if recipe else None
        if recipe and result:
            entries[name] = entry(result, recipe)
    return {name: each for name, each in entries.items() if each.recipe in recipes}


def recipe_of(experiment: str, recipes: Mapping[str, Recipe]) -> Recipe | None:
    """The recipe that an experiment ran, by its name; None for smoke runs and others."""
    fitting = [n for n in recipes if experiment == n or experiment.startswith(f"{n}-")]
    if not fitting or "-smoke" in experiment:
        return None
    return recipes[max(fitting, key=len)]


def entry(result: experiments.Result, recipe: Recipe) -> Entry:
    """What is kept of a finished run."""
    expected = dict(leaves(recipe.settings(result.params).model_dump()))
    changed = {
        path: value
        for path, value in leaves(result.params)
        if expected.get(path) != value and not path.startswith(WHERE_NOT_WHAT)
    }
    kept = ["images", *(f"{metric}{end}" for metric in FIGURES for end in ("", "_low", "_high"))]
    figures = {
        part: {key: result.metrics[part].get(key) for key in kept} for part in ("val", "test")
    }
    return Entry(
        experiment=result.name,
        recipe=recipe.name,
        split=result.params["split"]["method"],
        leaky=result.metrics["protocol"]["leaky"],
        changed=changed,
        figures=figures,
        machine=f"{machine()}, {result.date}",
    )


def record(names: list[str]) -> str:
    """Add finished runs to the record that git keeps."""
    recipes = load_recipes()
    kept = {each["experiment"]: each for each in (read_json(RECORD) if RECORD.exists() else [])}
    for name in names:
        recipe, result = recipe_of(name, recipes), experiments.result(name)
        if recipe is None or result is None:
            raise ConfigError(
                f"No finished run of a recipe is called {name!r}; see `dvc exp show`."
            )
        kept[name] = vars(entry(result, recipe))
    write_json(RECORD, [kept[name] for name in sorted(kept)])
    return f"{len(names)} runs recorded in {RECORD}."
