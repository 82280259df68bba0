"""README and pages name only what exists; generated pages leave nothing out."""

import importlib.util
import re
import shlex
from functools import cache

import pytest

from small_run import ROOT
from thorax.cli import parser
from thorax.config import Params, flatten, load_params, parse_yaml
from thorax.studies.recipes import load_recipes

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
COMMANDS = next(a.choices for a in parser()._actions if a.choices and "run" in a.choices)
TARGETS = set(re.findall(r"(?m)^([\w./-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
FILES = ("py", "json", "csv", "html", "md", "lock", "yaml", "npy", "npz", "safetensors", "onnx")
KEY = re.compile(rf"({'|'.join(Params.model_fields)})((?:\.\w+)+)")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@cache
def text(page):
    return page.read_text(encoding="utf-8")


def blocks(page):
    return re.findall(r"(?ms)^```sh\n(.*?)^```", text(page))


def spans(page):
    """Inline code, outside of blocks."""
    return re.findall(r"`([^`]+)`", re.sub(r"(?ms)^```.*?^```", "", text(page)))


def lines(page):
    """Commands of the shell blocks as lists of words, without comments and redirection."""
    for line in "".join(blocks(page)).replace("\\\n", " ").splitlines():
        words = shlex.split(line.partition(" > ")[0], comments=True)
        if words:
            yield words


def has_key(key):
    values = parse_yaml((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name in key.split("."):
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


TYPED = [words for page in PAGES for words in lines(page) if words[0] == "thorax"]


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_commands_parse_and_their_settings_are_allowed(words):
    arguments = parser().parse_args(words[1:])
    if words[1] in ("run", "doctor"):
        load_params(ROOT / "params.yaml", arguments.set)
    named = [n for n in (getattr(arguments, "names", None) or []) if words[1] == "recipe"]
    assert set(named) <= set(load_recipes(ROOT / "recipes"))


@pages
def test_named_commands_and_targets_exist(page):
    code = "\n".join(blocks(page) + spans(page))
    assert set(re.findall(r"\bthorax ([a-z]+)", code)) <= set(COMMANDS)
    assert set(re.findall(r"(?m)(?:^|&& |[A-Z] )make (\.?[a-z][\w./-]+)", code)) <= TARGETS


@pages
def test_named_settings_exist(page):
    if page.name == "CHANGELOG.md":
        return  # it says what there was
    named = set(re.findall(r"-S '?([a-z_.]+)=", "\n".join(blocks(page) + spans(page))))
    for span in spans(page):
        match = KEY.match(span)
        if match and match[0].rpartition(".")[2] not in FILES:
            named.add(match[0])
    assert [key for key in sorted(named) if not has_key(key)] == []


def anchors(page):
    """Anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.+)", re.sub(r"(?ms)^```.*?^```", "", text(page)))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text(page)):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.fixture(scope="module")
def generated():
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs/generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_setting_is_described_with_its_value(generated):
    values = dict(flatten(parse_yaml((ROOT / "params.yaml").read_text(encoding="utf-8"))))
    described = dict(re.findall(r"(?m)^`([\w.]+)`: `(.*)`$", generated.parameters()))
    assert {key: parse_yaml(value) for key, value in described.items()} == values


def test_every_definition_says_something(generated):
    assert re.findall(r"(?m)^: *$", generated.parameters()) == []
    assert "from 64 to 512" in generated.parameters()
    assert "Recipes only" in generated.parameters().partition("`train.optimizer.eps`")[2][:200]
    assert "Recipes only" not in generated.parameters().partition("`train.schedule")[2][:200]


def test_every_command_is_described(generated):
    shown = generated.commands()
    assert {f"## thorax {name}\n" for name in COMMANDS} <= set(re.findall(r"## .*\n", shown))
    assert "## thorax recipe run\n" in shown


def test_every_artifact_is_described_and_its_links_resolve(generated):
    shown = generated.artifacts()
    headings = {name.lower() for name in re.findall(r"(?m)^### (\w+)", shown)}
    assert {"estimate", "results", "modelfile", "occlusion"} <= headings
    assert set(re.findall(r"\(#(\w+)\)", shown)) <= headings
    assert set(re.findall(r"\(parameters\.md#(\w+)\)", shown)) <= set(Params.model_fields)


def test_every_page_has_a_place_in_the_contents():
    """Sphinx ends on a page that nothing leads to."""
    contents = re.search(r"(?s)CONTENTS = \{.*?\n\}", (ROOT / "docs/conf.py").read_text())
    listed = set(re.findall(r'"(docs/[\w-]+)"', contents[0]))
    assert listed == {f"docs/{path.stem}" for path in (ROOT / "docs").glob("*.md")}
