"""The command `thorax recipe`: list the studies, show one, run some."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thorax.config import Params, as_override, flatten, load_params, read_yaml
from thorax.doctor import examine, missing_data
from thorax.errors import ConfigError, ThoraxError
from thorax.studies import experiments
from thorax.studies.recipes import Recipe, find, load_recipes
from thorax.studies.smoke import FOLDER, write_data

SMOKE = {"preprocess.image_size": 64, "train.epochs": 2, "model.weights": "none"}


def table() -> str:
    """Every recipe and variant: data source and whether it is here, model, split, claim."""
    lines = []
    for recipe in load_recipes().values():
        settings = recipe.settings()
        here = "at hand" if missing_data(settings.data) is None else "not here"
        indent = "  " if recipe.variant_of else ""
        what = f"{settings.data.source} ({here}), {settings.model.name}, {settings.split.method}"
        lines.append(f"{indent}{recipe.name}: {what}")
        if not recipe.variant_of:
            lines.append(f"    {recipe.file.claim}")
    return "\n".join(lines)


def show(name: str) -> str:
    """Source, claim and every setting in which the recipe differs from `params.yaml`."""
    recipe = find(name, load_recipes())
    now = dict(flatten(read_yaml(Path("params.yaml"))))
    wanted = dict(flatten(recipe.settings().model_dump()))
    differ = {path: value for path, value in wanted.items() if now.get(path) != value}
    width = max(map(len, differ), default=0)
    head = [recipe.file.study, f"Source: {recipe.file.source}", f"Claim: {recipe.file.claim}"]
    head += [f"Ours: {recipe.file.ours}", f"Command: thorax recipe run {name}", ""]
    changes = [f"  {path:<{width}}  {now.get(path)} → {value}" for path, value in differ.items()]
    return "\n".join([*head, f"Different from params.yaml ({len(differ)}):", *changes])


def names(given: Sequence[str], *, every: bool, variants: bool) -> list[str]:
    """Names of the recipes to run: those given or all, with their variants if asked for."""
    recipes = load_recipes()
    if every == bool(given):
        raise ConfigError("Name recipes, or say --all. `thorax recipe list` shows them.")
    chosen = [r.name for r in recipes.values() if not r.variant_of] if every else list(given)
    for name in chosen:
        find(name, recipes)
    more = [r.name for r in recipes.values() if variants and r.variant_of in chosen]
    return list(dict.fromkeys([*chosen, *more]))


def run(
    names: Sequence[str],
    changes: Sequence[str] = (),
    *,
    smoke: bool = False,
    queue: bool = False,
    fetch: bool = False,
) -> str:
    """Run recipes or variants one after another; a failed one does not stop the others.

    `changes` are `key=value` settings on top of each recipe's. With `smoke` they run small and
    short, on phantoms shaped like the recipe's data; with `queue` they wait for `dvc queue start`.

    Raises:
        ConfigError, DataError: a recipe cannot start; none is run.
        ThoraxError: which ones failed and where their logs are, after all others ended.
    """
    recipes = load_recipes()
    chosen = [find(name, recipes) for name in names]
    experiments.require_clean_params()
    plans = {}
    for recipe in chosen:
        overrides = [*recipe.overrides(), *(smoke_overrides(recipe) if smoke else ()), *changes]
        require_start(recipe.name, load_params(overrides=overrides), fetch=fetch)
        plans[experiment_name(recipe.name, changes, smoke)] = overrides
    start = experiments.queue if queue else experiments.run
    failed = [name for name, overrides in plans.items() if not start(name, overrides)]
    if failed:
        logs = "\n".join(f"  {name}: {experiments.log_of(name)}" for name in failed)
        raise ThoraxError(f"{len(failed)} of {len(plans)} recipes failed:\n{logs}")
    then = "Start them with `dvc queue start`. " if queue else ""
    return f"{then}`dvc exp show` compares runs, `thorax ledger` also the published claims."


def experiment_name(name: str, changes: Sequence[str], smoke: bool = False) -> str:
    """Name under which DVC keeps a run, so that runs with other settings stay apart."""
    words = [name, *(["smoke"] if smoke else [])]
    for change in changes:
        key, _, value = change.partition("=")
        if key != "data.path":
            words.append(f"{key.rpartition('.')[2]}-{value}")
    return re.sub(r"[^\w.-]+", "-", "-".join(words)).strip("-.")


def smoke_overrides(recipe: Recipe) -> list[str]:
    """Settings that replace data, size, epochs and weights, and nothing else."""
    settings = recipe.settings()
    folder = write_data(settings.data.source, FOLDER / settings.data.source)
    changes: dict[str, Any] = {**SMOKE, "data.path": str(folder.absolute())}
    if settings.train.phases:
        changes["train.phases"] = [phase | {"epochs": 2} for phase in settings.train.phases]
    return [as_override(*setting) for setting in changes.items()]


def require_start(name: str, settings: Params, *, fetch: bool) -> None:
    """Open what the run will open; `fetch` allows it to download its data.

    Raises:
        ThoraxError: why it cannot start, which option fetches what is missing or names its place.
    """
    try:
        examine(settings, fetch=fetch)
    except ThoraxError as error:
        raise type(error)(f"Recipe {name} cannot start. {error}") from None
