"""The shape of the project: imports point one way, and DVC knows what each stage depends on."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
SCRIPTS = sorted((ROOT / "stages").glob("*.py"))
STAGES = [
    "download", "preprocess", "split", "train", "predict", "evaluate", "explain", "report",
]  # fmt: skip
# A room imports from the rooms above it, never from its neighbors or from below.
ROOMS = [
    ["errors"],
    ["config"],
    ["io", "progress", "parallel"],
    ["provenance"],
    ["artifacts"],
    ["dicom"],
    ["archives", "raw_store", "patient_ids", "near_duplicates", "tasks"],
    ["survey"],
    ["contamination"],
    ["dataset"],
    ["metrics", "models", "typicality"],
    ["bundle"],
    STAGES,
    ["doctor", "draft", "project", "inference", "export"],
    ["compare"],
    ["studies"],
    ["subcommands"],
    ["cli"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
# They check, show or describe and hold no value that a result could depend on; DVC sees the values
# of params.yaml through `params:`.
HOLD_NO_VALUES = {"config", "errors", "artifacts", "progress", "provenance"}


def module_file(name: str) -> Path | None:
    path = SRC / name.replace(".", "/")
    found = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return found if found.exists() else None


@cache
def imported(path: Path) -> frozenset[Path]:
    """Files of the project that a file imports, anywhere in it, packages on the way included."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    prefixes = {
        ".".join(parts[:end])
        for parts in (name.split(".") for name in names)
        for end in range(1, len(parts) + 1)
        if parts[0] in ("thorax", "thorax_phantom")
    }
    return frozenset(found for name in prefixes if (found := module_file(name)))


def room_of(path: Path) -> str:
    """First-level room of `thorax`, or the name of another package."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return parts[1] if parts[0] == "thorax" else parts[0]


def closure(start: Path) -> set[Path]:
    """All files with code that a file reaches, but those that hold no values."""
    reached: set[Path] = set()
    todo = set(imported(start))
    while todo:
        path = todo.pop()
        if path not in reached and room_of(path) not in HOLD_NO_VALUES:
            reached.add(path)
            todo |= imported(path)
    return {path for path in reached if has_code(path)}


def has_code(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not isinstance(node, ast.Expr) for node in body)


def pipeline() -> dict:
    return YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def test_every_room_has_a_level():
    package = SRC / "thorax"
    rooms = {p.stem for p in package.glob("*.py")} | {p.parent.name for p in package.glob("*/*.py")}
    assert rooms - {"__init__", "__pycache__"} == set(LEVEL)


@pytest.mark.parametrize("room", sorted(LEVEL))
def test_imports_point_one_way(room):
    files = [path for path in SRC.rglob("thorax/**/*.py") if room_of(path) == room]
    for path in files:
        others = {room_of(other) for other in imported(path)} - {room, "__init__", "thorax_phantom"}
        upward = {other for other in others if LEVEL[other] >= LEVEL[room]}
        assert not upward, f"{path.relative_to(SRC)} imports {', '.join(sorted(upward))}"


def test_the_phantom_stands_alone():
    for path in (SRC / "thorax_phantom").glob("*.py"):
        assert {room_of(other) for other in imported(path)} <= {"thorax_phantom"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_deps_are_the_import_closure(script):
    """Every file reached is covered, and a folder stands only for files that are all reached."""
    deps = pipeline()["stages"][script.stem]["deps"]
    listed = {ROOT / dep for dep in deps if dep.startswith(("src/", "stages/"))}
    covered = {
        path
        for dep in listed
        for path in (dep.rglob("*.py") if dep.is_dir() else [dep])
        if has_code(path)
    }
    assert covered == closure(script) | {script}


def test_stages_scripts_and_packages_have_the_same_names():
    assert [*pipeline()["stages"]] == STAGES
    assert {script.stem for script in SCRIPTS} == set(STAGES)
    assert all((SRC / "thorax" / stage / "__init__.py").exists() for stage in STAGES)


def test_no_param_is_called_size_or_nfiles():
    """DVC drops these two names from its run-cache key (iterative/dvc#10296)."""

    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)

    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert not {"size", "nfiles"} & set(keys(params))


TORCH = ("torch", "torchvision", "lightning_fabric", "dvclive")


def imports_by_name(path: Path) -> set[str]:
    """Top-level packages that a file imports when it is imported itself."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("stage", ["download", "preprocess", "split", "evaluate", "report"])
def test_stages_without_a_network_do_not_wait_for_torch(stage):
    for path in closure(ROOT / "stages" / f"{stage}.py"):
        heavy = imports_by_name(path) & set(TORCH)
        assert not heavy, f"{path.relative_to(SRC)} imports {', '.join(heavy)}"


@pytest.mark.parametrize(
    "words", [["--help"], ["recipe", "list"], ["recipe", "show", "kermany-cnn-deep"], ["ledger"]]
)
def test_commands_that_need_no_torch_do_not_wait_for_it(words):
    code = (
        f"import sys; sys.argv = ['thorax', *{words}]; from thorax.cli import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


# What must run again after an edit, and nothing else: the file edited → the stages.
EDITS = {
    "src/thorax/download/sources/nih.py": ["download"],
    "src/thorax_phantom/bones.py": ["download"],
    "src/thorax/download/http.py": ["download"],
    "src/thorax/preprocess/decode.py": ["preprocess"],
    "src/thorax/dicom/gray.py": ["preprocess"],
    "src/thorax/dicom/header.py": ["download", "preprocess"],
    "src/thorax/split/leakage.py": ["split"],
    "src/thorax/train/optim.py": ["train"],
    "src/thorax/dataset/augment.py": ["train", "predict", "explain"],
    "src/thorax/models/networks.py": ["train", "predict", "explain"],
    "src/thorax/predict/__init__.py": ["predict"],
    "src/thorax/metrics/classification.py": ["train", "evaluate", "explain"],
    "src/thorax/metrics/intervals.py": ["evaluate", "explain"],
    "src/thorax/metrics/bootstrap.py": ["evaluate", "explain"],
    "src/thorax/metrics/thresholds.py": ["evaluate"],
    "src/thorax/metrics/calibration.py": ["evaluate"],
    "src/thorax/evaluate/subgroups.py": ["evaluate"],
    "src/thorax/explain/gradcam.py": ["explain"],
    "src/thorax/report/wording.py": ["report"],
    "src/thorax/report/templates/page.css": ["report"],
    "src/thorax/progress.py": [],
    "src/thorax/config/schema.py": [],
    "src/thorax/typicality.py": ["train", "predict"],
    "src/thorax/bundle/graph.py": [],
    "src/thorax/compare/gate.py": [],
    "src/thorax/studies/recipes.py": [],
}


@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_reruns_the_stages_that_use_the_file(edited):
    """What is downstream then reruns only if the outputs of these stages change."""
    assert (ROOT / edited).exists()
    stages = pipeline()["stages"]
    changed = [
        name
        for name in STAGES
        if any(edited == dep or edited.startswith(f"{dep}/") for dep in stages[name]["deps"])
    ]
    assert changed == EDITS[edited]


PARAMS = {
    "data.phantom.seed": ["download"],
    "preprocess.image_size": ["preprocess"],
    "split.seed": ["split"],
    "train.optimizer.lr": ["train"],
    "evaluate.threshold": ["evaluate"],
    "evaluate.min_subgroup_size": ["evaluate"],
    "evaluate.n_bootstrap": ["evaluate", "explain"],
    "explain.occlusion_images": ["explain"],
    "report.examples": ["report"],
}


@pytest.mark.parametrize("param", PARAMS)
def test_a_setting_reruns_the_stages_that_read_it(param):
    stages = pipeline()["stages"]
    changed = [
        name
        for name in STAGES
        if any(param == key or param.startswith(f"{key}.") for key in stages[name]["params"])
    ]
    assert changed == PARAMS[param]
