"""Reproduction: what made these numbers, to the last parameter, and how to make them again."""

import json
from collections.abc import Iterator
from pathlib import PurePath, PureWindowsPath
from typing import Any

from thorax.report.components import Row, Section, Table, render
from thorax.report.inputs import Inputs


def section(inputs: Inputs) -> Section:
    """Parameters, fingerprints and commands."""
    body = render(
        "reproduction.html",
        inputs=inputs,
        fingerprints=fingerprints(inputs),
        commands=commands(inputs),
        runs=runs(inputs),
        parameters=[parameter_table(name, values) for name, values in settings(inputs).items()],
    )
    return Section("reproduction", "Reproduction", body)


def commands(inputs: Inputs) -> list[tuple[str, str]]:
    """Command lines, padded to one width, and what each does."""
    rate = inputs.first_model["training"]["train"]["optimizer"]["lr"] / 2
    found = {
        "dvc repro": "does nothing while everything is as it was",
        "dvc repro -f report": "makes this page again",
        f"dvc exp run -S train.optimizer.lr={rate:g}": "the same with one change",
        "dvc exp show --only-changed": "what the change did",
    }
    width = max(map(len, found))
    return [(command.ljust(width), what) for command, what in found.items()]


def settings(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """Every parameter that the stages recorded, by section."""
    model = inputs.first_model
    training = model["training"]
    return {
        "data": inputs.dataset["data"],
        "preprocess": model["preprocess"],
        "split": {"method": inputs.split["method"], "folds": list(inputs.models)},
        "augment": training["augment"],
        "model": training["model"],
        "train": training["train"],
        "evaluate": {
            "threshold": inputs.points["rule"],
            "bootstrap": inputs.metrics["protocol"]["replicates"],
        },
        "report": inputs.options.model_dump(),
    }


def parameter_table(name: str, values: dict[str, Any]) -> Table:
    """One section of the parameters, a row a key."""
    rows = [Row(f"{name}.{key}", [shown(value)]) for key, value in flattened(values)]
    return Table(name, ["Parameter", "Value"], rows)


def flattened(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as dotted keys."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def shown(value: Any) -> str:
    """A value as it stands in the parameters; of an absolute path only the name.

    Where data lies differs between machines, and the page must not.
    """
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    for kind in (PurePath, PureWindowsPath):
        if kind(value).is_absolute():
            return f"…/{kind(value).name}"
    return value


def runs(inputs: Inputs) -> Table | None:
    """Machine, time, speed, versions and commit of each training; None where nothing is known."""
    known = {fold: entry for fold, entry in inputs.journal.items() if entry}
    if not known:
        return None
    columns = ["Fold", "Machine", "Date", "Seconds", "Images/s", "Commit", "Versions"]
    rows = []
    for fold, entry in known.items():
        versions = {"python": entry["python"], **entry["packages"]}
        cells = [entry["machine"], entry["date"], f"{entry['seconds']:.0f}",
                 f"{entry['images_per_second']:.1f}", entry["commit"] or "no git",
                 ", ".join(f"{name} {number}" for name, number in versions.items())]  # fmt: skip
        rows.append(Row(str(fold), cells))
    notes = ["A + behind the commit: tracked files differed from it."]
    return Table("What training took", columns, rows, notes)


def fingerprints(inputs: Inputs) -> Table:
    """What identifies the run: hashes of tables, and of each model's parameters and inputs."""
    rows = [Row(PurePath(path).name, [digest]) for path, digest in inputs.digests.items()]
    rows += [Row(f"model {n}", [model["fingerprint"]]) for n, model in inputs.models.items()]
    return Table("Fingerprints (SHA-256)", ["Of", "Fingerprint"], rows)
