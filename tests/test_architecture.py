"""The shape of the project: imports point one way, and DVC knows what each stage depends on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "thorax"
STAGES = sorted((ROOT / "stages").glob("*.py"))
# Imports only go from right to left.
LAYERS = [
    ["errors"], ["config"], ["files", "progress", "machine"], ["tables", "archives", "journal"],
    ["phantom", "partial"], ["download"], ["sources"], ["manifest"],
    ["decode", "fingerprints"], ["preprocess"], ["audit", "stratify"], ["split", "audit_sets"],
    ["tasks", "augment"], ["batches"], ["data"],
    ["networks", "weights"], ["models"], ["optim"], ["scores"],
    ["monitor", "checkpoint", "contamination"], ["predict"], ["run"], ["train"],
    ["explain", "lungs"], ["bootstrap", "thresholds", "calibration"], ["metrics"],
    ["operating", "subgroups", "metadata", "localisation", "probes"],
    ["people", "looks"],
    ["plots", "bundle"], ["evaluate"],
    ["report"], ["committed", "paired"], ["gate"], ["summary"], ["doctor"],
    ["claims", "recipes", "smoke", "experiments"], ["studies", "ledger", "compare", "external"],
    ["protocols", "ledger_page"], ["cli"],
]  # fmt: skip
LAYER = {name: level for level, names in enumerate(LAYERS) for name in names}
HOLDS_NO_VALUES = {"config", "errors"}  # only checks; DVC sees the values through `params:`


def modules_imported(path: Path) -> set[str]:
    """First-level modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "thorax" and len(parts) > 1 and parts[1] in LAYER:
                found.add(parts[1])
    return found


def files_of(module: str) -> list[Path]:
    folder = PACKAGE / module
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{module}.py"]


def closure(start: Path) -> set[str]:
    seen: set[str] = set()
    todo = modules_imported(start)
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            for path in files_of(module):
                todo |= modules_imported(path)
    return seen


def pipeline() -> dict:
    return YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def test_every_module_has_a_layer():
    found = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/*.py")}
    assert found - {"__init__", "__pycache__"} == set(LAYER)


@pytest.mark.parametrize("module", sorted(LAYER))
def test_imports_point_one_way(module):
    for path in files_of(module):
        for other in modules_imported(path) - {module}:
            assert LAYER[other] < LAYER[module], f"{path.name} imports {other}"


@pytest.mark.parametrize("script", STAGES, ids=lambda p: p.stem)
def test_deps_cover_the_import_closure_and_nothing_else(script):
    deps = set(pipeline()["stages"][script.stem]["deps"])
    code = {dep for dep in deps if dep.startswith(("src/", "stages/"))}
    modules = closure(script) - HOLDS_NO_VALUES
    needed = {
        f"src/thorax/{m}" if (PACKAGE / m).is_dir() else f"src/thorax/{m}.py" for m in modules
    }
    assert code == needed | {f"stages/{script.name}"}


@pytest.mark.parametrize("script", STAGES, ids=lambda p: p.stem)
def test_stage_scripts_are_thin(script):
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 25


def test_every_stage_has_a_script_and_every_script_a_stage():
    assert {s.stem for s in STAGES} == set(pipeline()["stages"])


def test_no_param_is_called_size_or_nfiles():
    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)

    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert not {"size", "nfiles"} & set(keys(params))


HEAVY = ("torch", "torchvision", "sklearn", "lightning_fabric", "dvclive")


@pytest.mark.parametrize(
    "module", ["config", "tables", "sources", "split", "preprocess", "manifest", "report"]
)
def test_what_needs_no_torch_does_not_import_it(module):
    reached = closure_of_module(module)
    for name in reached:
        for path in files_of(name):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    top = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                    top += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                    assert not any(t.split(".")[0] in HEAVY for t in top), f"{path}: {top}"


@pytest.mark.parametrize(
    "words", [["--help"], ["recipe", "list"], ["recipe", "show", "kermany-cnn-deep"], ["ledger"]]
)
def test_commands_that_need_no_torch_do_not_wait_for_it(words):
    code = (
        f"import sys; sys.argv = ['thorax', *{words}]; from thorax.cli import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def closure_of_module(module: str) -> set[str]:
    seen = {module}
    for path in files_of(module):
        seen |= closure(path)
    return seen
