"""Text that is written from the code when the site is built, so that it cannot go stale."""

import argparse
import inspect
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from thorax.artifacts import Artifact, Estimate, Record, data, evaluation, explanation, model
from thorax.cli import parser
from thorax.config import Params
from thorax.report.wording import METRICS

ROOT = Path(__file__).parents[1]
SCHEMA = Params.model_json_schema()
KEY = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value>[^#]*)(?:# (?P<about>.*))?")
ITEM = re.compile(r" *- (?P<value>[^#]*)")
COMMENT = re.compile(r"(?P<indent> *)# (?P<about>.*)")


def parameters() -> str:
    """Every key of `params.yaml` under its section: value, comment, what it takes."""
    lines: list[str] = []
    for key, value, about, recipes_only in keys():
        section = key.partition(".")[0]
        if (heading := f"## {section}\n") not in lines:
            lines.append(heading)
        taken = accepts(schema_of(key))
        words = re.findall(r"[\w-]+", f"{about} true false")
        told = all(option in words for option in taken.split(" | ")) or taken.startswith("text")
        texts = [about, "" if told else f"Takes {taken}", "Recipes only" if recipes_only else ""]
        text = ". ".join(text for text in texts if text) or "true | false"
        text = re.sub(r"docs/(\w+\.md)", r"[\g<0>](\1)", text)
        lines.append(f"`{key}`: `{value or 'null'}`\n: {_escaped(text)}\n")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """No HTML outside of code."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def keys() -> Iterator[tuple[str, str, str, bool]]:
    """Every setting: dotted key, value, comment, whether it is for recipes only."""
    found: list[tuple[str, list[str], list[str], bool]] = []
    above: list[tuple[int, str]] = []
    recipes_from = 99  # indentation of the keys under "recipes only"
    for line in (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines():
        if match := COMMENT.fullmatch(line):
            if match["about"] == "recipes only":
                recipes_from = len(match["indent"])
            elif found:
                found[-1][2].append(match["about"])
        elif match := ITEM.match(line):
            found[-1][1].append(match["value"].strip())
        elif match := KEY.fullmatch(line):
            indent = len(match["indent"])
            above = [(i, name) for i, name in above if i < indent] + [(indent, match["key"])]
            recipes_from = recipes_from if indent >= recipes_from else 99
            dotted = ".".join(name for _, name in above)
            value, about = match["value"].strip(), match["about"]
            found.append((dotted, [value], [about] * bool(about), indent >= recipes_from))
    for key, (value, *items), about, recipes_only in found:
        if "properties" not in schema_of(key):
            shown = f"[{', '.join(items)}]" if items else value
            yield key, shown, " ".join(about), recipes_only


def schema_of(key: str) -> dict[str, Any]:
    """What the schema says of a dotted key."""
    schema: dict[str, Any] = SCHEMA
    for name in key.split("."):
        schema = resolved(schema["properties"][name])
    return schema


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The definition behind a reference."""
    reference = schema.get("$ref")
    return SCHEMA["$defs"][reference.rpartition("/")[2]] if reference else schema


def accepts(schema: dict[str, Any]) -> str:
    """Values that a key takes, in words."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return " or ".join(accepts(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema["type"] == "array":
        return f"a list of: {accepts(schema['items'])}"
    if len(schema.get("properties", ())) == 1:
        ((name, value),) = schema["properties"].items()
        return f"{{{name}: {accepts(value)}}}"
    names = {"integer": "a whole number", "number": "a number", "boolean": "true | false"}
    names |= {"null": "null", "string": "text", "object": "a mapping"}
    limits = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"),
              ("exclusiveMaximum", "under"))  # fmt: skip
    bounds = [f"{word} {schema[limit]:,}" for limit, word in limits if limit in schema]
    return " ".join([names[schema["type"]], *bounds])


def commands() -> str:
    """What `--help` prints, for every command."""
    os.environ["COLUMNS"] = "80"
    return "\n".join(_help(parser()))


def _help(command: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {command.prog}\n\n```text\n{command.format_help()}```\n"
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _help(inner)


def metrics() -> str:
    """Every metric with its key and meaning."""
    return "\n".join(f"- **{name}** (`{key}`): {about}" for key, (name, about) in METRICS.items())


def artifacts() -> str:
    """Every file of JSON, then what it is made of, from the docstrings of its models."""
    models = [Estimate]
    for module in (data, model, evaluation, explanation):
        models += sorted(_records(module), key=lambda m: not issubclass(m, Artifact))
    links = {name.capitalize(): f"parameters.md#{name}" for name in Params.model_fields}
    links |= {found.__name__: f"#{found.__name__.lower()}" for found in models}
    return "\n".join(_described(found, links) for found in models)


def _records(module: ModuleType) -> Iterator[type[Record]]:
    for found in vars(module).values():
        if inspect.isclass(found) and found.__module__ == module.__name__:
            yield found


def _described(record: type[Record], links: dict[str, str]) -> str:
    summary, _, listed = inspect.cleandoc(record.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"(?m)^([\w, ]+): (.*(?:\n +.*)*)", textwrap.dedent(listed))
    about = {names: " ".join(text.split()) for names, text in entries}
    named = {name for names in about for name in names.split(", ")}
    about |= dict.fromkeys((name for name in record.model_fields if name not in named), "")
    lines = []
    for names, text in about.items():
        first = names.split(", ")[0]
        shown = _type(record.model_fields[first].annotation, links)
        code = ", ".join(f"`{name}`" for name in names.split(", "))
        lines.append(f"- {code} ({shown}){': ' if text else ''}{_escaped(text)}")
    return f"### {record.__name__}\n\n{_escaped(summary.strip())}\n\n" + "\n".join(lines) + "\n"


def _type(annotation: Any, links: dict[str, str]) -> str:
    text = re.sub(r"(?:\w+\.)+(?=\w)", "", inspect.formatannotation(annotation))
    text = re.sub(r"Literal\[(.*?)\]", lambda m: m[1].replace("'", "").replace(", ", " | "), text)
    text = text.replace("[", r"\[").replace("]", r"\]")
    return re.sub(rf"\b({'|'.join(links)})\b", lambda m: f"[{m[0]}]({links[m[0]]})", text)


def sample() -> str:
    """The way to the report that lies beside the pages (`html_extra_path`)."""
    return '<p><a href="../report.html"><strong>Open the sample report</strong></a></p>'


PAGES = {
    "sample": sample,
    "parameters": parameters,
    "commands": commands,
    "metrics": metrics,
    "artifacts": artifacts,
}
