"""The results registry: beside every published claim, what our own runs gave."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import Results
from thorax.compare.history import (
    NotCachedError,
    NotRecordedError,
    Revision,
    experiment,
    experiments,
)
from thorax.config import Params
from thorax.errors import ConfigError, ThoraxError
from thorax.io import read_json, write_json
from thorax.provenance import recorded_run
from thorax.studies import protocols, smoke
from thorax.studies.averages import averaged
from thorax.studies.claims import Claim, interval
from thorax.studies.recipes import Recipe, load_recipes

RECORD = Path("benchmarks/ledger.json")
FIGURES = ("accuracy", "precision", "sensitivity", "f1", "auroc", "loss")
SUBSETS = ("val", "test")

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Entry:
    """One finished run of a recipe or variant.

    Attributes:
        experiment: its name.
        recipe: the recipe or variant it ran.
        split: `patient`, `official` or `random`.
        leaky: whether patients or images appear in two subsets.
        changed: settings that differ from the recipe's.
        figures: val and test → metric, `<metric>_low`, `<metric>_high`, as fractions, and `images`;
            means of a kind that the study printed are called `<average>_<metric>`.
        machine: processor or GPU it was trained on, with the date.
    """

    experiment: str
    recipe: str
    split: str
    leaky: bool
    changed: dict[str, Any]
    figures: dict[str, Figures]
    machine: str


@dataclass(frozen=True)
class Line:
    """One claimed figure beside one of our runs (or none yet)."""

    claim: Claim
    metric: str
    entry: Entry | None

    @property
    def claimed(self) -> float:
        """The claimed figure, as a fraction where it was printed in percent."""
        figure = float(self.claim.figures[self.metric])
        return figure if self.metric == "loss" else figure / 100

    @property
    def ours(self) -> tuple[float | None, float | None, float | None]:
        """Our figure, averaged as the study's, and its 95% interval."""
        figures = self.entry.figures.get(self.claim.subset, {}) if self.entry else {}
        kind = f"{self.claim.average}_" if self.claim.average and self.metric != "loss" else ""
        value, low, high = (figures.get(kind + self.metric + end) for end in ("", "_low", "_high"))
        return value, low, high

    @property
    def difference(self) -> tuple[float, float, float] | None:
        """Ours minus the claim and its 95% interval (Zou and Donner 2008), where both have one.

        A claim whose images are not known counts as exact.
        """
        value, low, high = self.ours
        if value is None or low is None or high is None:
            return None
        claimed_low, claimed_high = interval(self.claim, self.metric) or (self.claimed,) * 2
        gap = value - self.claimed
        below = math.hypot(value - low, claimed_high - self.claimed)
        above = math.hypot(high - value, self.claimed - claimed_low)
        return gap, gap - below, gap + above

    @property
    def verdict(self) -> str:
        """Whether the claim and our figure differ by more than the sampling of both explains."""
        if self.claim.subset == "train":
            return "not compared, it says nothing of new patients"
        if self.entry is None:
            return "not run"
        if self.difference is None:
            return "no interval"
        _, low, high = self.difference
        where = "above ours" if high < 0 else "below ours" if low > 0 else "compatible with ours"
        exact = interval(self.claim, self.metric) is None
        return f"{where}, its own error unknown" if exact else where


@dataclass(frozen=True)
class Comparison:
    """A claim of a recipe and every run that differs from the recipe by its split only."""

    recipe: Recipe
    claim: Claim
    lines: list[Line]


@dataclass(frozen=True)
class Registry:
    """All comparisons, and why other experiments cannot be read: experiment → reason."""

    comparisons: list[Comparison]
    unread: dict[str, str]


def registry() -> Registry:
    """Every published claim beside our runs, recorded or of this checkout."""
    recipes = load_recipes()
    entries, unread = _known_entries(recipes)
    comparisons = []
    for recipe in recipes.values():
        runs = [e for e in entries.values() if _only_split_differs(recipe, recipes[e.recipe])]
        for claim in recipe.claims():
            beside: list[Entry | None] = [*runs] if claim.subset != "train" and runs else [None]
            lines = [Line(claim, metric, entry) for metric in claim.figures for entry in beside]
            comparisons.append(Comparison(recipe, claim, lines))
    return Registry(comparisons, unread)


def _only_split_differs(recipe: Recipe, other: Recipe) -> bool:
    same = {**recipe.params, "split": None} == {**other.params, "split": None}
    return same and recipe.file == other.file


def _known_entries(recipes: Mapping[str, Recipe]) -> tuple[dict[str, Entry], dict[str, str]]:
    """Recorded runs and those of this checkout, by experiment; the latter count where both are."""
    entries = {name: entry for name, entry in _recorded().items() if entry.recipe in recipes}
    unread = {}
    for name, revision in experiments().items():
        try:
            entry = entry_of(revision, recipes)
        except ThoraxError as error:
            unread[name] = str(error)
        else:
            entries |= {name: entry} if entry else {}
    return entries, unread


def _recorded() -> dict[str, Entry]:
    records = read_json(RECORD) if RECORD.exists() else []
    return {record["experiment"]: Entry(**record) for record in records}


def recipe_of(name: str, params: Params, recipes: Mapping[str, Recipe]) -> Recipe | None:
    """The recipe of the same data source and model from which the fewest settings differ.

    Among equals the run's name decides. None for other models, smoke runs and protocols.
    """
    if name.startswith(protocols.PREFIX) or smoke.FOLDER.as_posix() in params.data.path:
        return None
    settings = params.model_dump()
    candidates = (
        recipe
        for recipe in recipes.values()
        if recipe.params["data"]["source"] == params.data.source
        and recipe.params["model"]["name"] == params.model.name
    )

    def distance(recipe: Recipe) -> tuple[int, int]:
        named = len(recipe.name) if name.startswith(recipe.name) else 0
        return len(recipe.changes(settings)), -named

    return min(candidates, key=distance, default=None)


def entry_of(revision: Revision, recipes: Mapping[str, Recipe]) -> Entry | None:
    """What is kept of a finished run; None where it is a run of no recipe."""
    params = revision.params()
    recipe = recipe_of(revision.name, params, recipes)
    if recipe is None:
        return None
    results = revision.results()
    return Entry(
        experiment=revision.name,
        recipe=recipe.name,
        split=params.split.method,
        leaky=results.leaky,
        changed=recipe.changes(params.model_dump()),
        figures={
            name: _figures(results, name) | _averaged(revision, results, recipe, name)
            for name in SUBSETS
        },
        machine=machine_of(revision, params),
    )


def _figures(results: Results, name: str) -> Figures:
    subset = results.subset(name)
    return {"images": subset.images} | _flat({name: subset.metrics[name] for name in FIGURES})


def _averaged(revision: Revision, results: Results, recipe: Recipe, name: str) -> Figures:
    """Our figures of one subset, averaged as the study's claims of it are."""
    kinds = {claim.average for claim in recipe.file.claims if claim.subset == name} - {None}
    figures: Figures = {}
    for kind in map(str, kinds):
        settings = results.settings
        table = revision.predictions(name)
        means = averaged(table, kind, settings.n_bootstrap, settings.seed)
        figures |= _flat({f"{kind}_{metric}": value for metric, value in means.items()})
    return figures


def _flat(estimates: Mapping[str, Estimate]) -> Figures:
    return {
        name + end: value
        for name, estimate in estimates.items()
        for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))
    }


def machine_of(revision: Revision, params: Params) -> str:
    """Machine and date of a run's training, where this checkout trained it."""
    try:
        run = recorded_run(revision.fingerprint(params.split.folds[0]))
    except (NotRecordedError, NotCachedError):
        run = None
    return f"{run['machine']}, {run['date']}" if run else f"unknown machine, {revision.date}"


def record(names: list[str]) -> str:
    """Add finished runs to the record that git keeps."""
    recipes, entries = load_recipes(), _recorded()
    for name in names:
        if (entry := entry_of(experiment(name), recipes)) is None:
            raise ConfigError(f"{name!r} is no run of a recipe: `thorax recipe list` shows them.")
        entries[name] = entry
    write_json(RECORD, [vars(entries[name]) for name in sorted(entries)])
    return f"{len(names)} runs recorded in {RECORD}."
