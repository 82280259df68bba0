"""Reproduction: every parameter, checksums, and the commands that make these numbers again."""

import json
from pathlib import PurePath, PureWindowsPath
from typing import Any

from thorax.config import flatten
from thorax.report.components import Row, Section, Table, render
from thorax.report.inputs import Inputs, Run


def section(inputs: Inputs) -> Section:
    body = render(
        "reproduction.html",
        in_run=isinstance(inputs, Run),
        fingerprints=fingerprint_table(inputs),
        commands=commands(inputs),
        parameters=[parameter_table(*item) for item in parameters(inputs).items()],
    )
    return Section("reproduction", "Reproduction", body)


def commands(inputs: Inputs) -> list[tuple[str, str]]:
    """Command lines, padded to one width, and what each does."""
    if not isinstance(inputs, Run):
        data = inputs.dataset.data
        settings = f"-S data.source={data.source} -S data.path={as_text(data.path)}"
        return [(f"thorax evaluate {inputs.bundle} {settings}", "makes this page again")]
    seed = inputs.model.training.train.seed + 1
    lines = {
        "dvc repro": "does nothing while everything is as it was",
        "dvc repro -f report": "makes this page again",
        f"thorax run -S train.seed={seed}": "the same with one change",
        "dvc exp show --only-changed": "what the change did",
    }
    width = max(map(len, lines))
    return [(command.ljust(width), what) for command, what in lines.items()]


def parameters(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """All of `params.yaml` as the stages recorded it, by section."""
    training = inputs.model.training
    sections = {
        "data": inputs.dataset.data,
        "preprocess": inputs.model.preprocess,
        **({"split": inputs.split.settings} if isinstance(inputs, Run) else {}),
        "augment": training.augment,
        "model": training.model,
        "train": training.train,
        "evaluate": inputs.results.settings,
        **({"explain": inputs.localization.settings} if isinstance(inputs, Run) else {}),
        "report": inputs.options,
    }
    return {name: settings.model_dump(mode="json") for name, settings in sections.items()}


def parameter_table(name: str, values: dict[str, Any]) -> Table:
    """One section of the parameters, a row a key."""
    rows = [Row(f"{name}.{key}", [as_text(value)]) for key, value in flatten(values)]
    return Table(name, ["Parameter", "Value"], rows)


def as_text(value: Any) -> str:
    """A value as it stands in the parameters; of an absolute path only the name.

    Where data lies differs between machines, and the page must not.
    """
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    for kind in (PurePath, PureWindowsPath):
        if kind(value).is_absolute():
            return f"…/{kind(value).name}"
    return value


def fingerprint_table(inputs: Inputs) -> Table:
    """SHA-256 of the tables, and of each model's parameters, data and code."""
    rows = [Row(PurePath(path).name, [digest]) for path, digest in inputs.digests.items()]
    rows += [Row(f"model {n}", [model.fingerprint]) for n, model in inputs.models.items()]
    return Table("Fingerprints (SHA-256)", ["Of", "Fingerprint"], rows)
