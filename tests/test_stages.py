"""Every stage as DVC starts it: mistakes end it at once, with words and an exit code."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from made_up import write_folder

ROOT = Path(__file__).resolve().parent.parent
STAGES = [path.stem for path in sorted((ROOT / "stages").glob("*.py"))]
HEAVY = ("numpy", "pandas", "torch", "dvc", "requests")


def test_commands_mean_the_same_to_every_shell():
    """DVC hands them to cmd.exe on Windows, to sh elsewhere."""
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        assert re.fullmatch(rf"python stages/{name}\.py( \$\{{item\.fold\}})?", stage["cmd"])


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Settings and an empty data folder; the code stays where it is."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data/local").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def failing(checkout, monkeypatch, capsys):
    """Run a stage in this process, which has the heavy imports done; its code and its words."""

    def run(stage):
        script = str(ROOT / "stages" / f"{stage}.py")
        monkeypatch.setattr(sys, "argv", [script, "0"])
        monkeypatch.setattr(sys, "path", sys.path[:])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(script)
        return ended.value.code, capsys.readouterr().err

    return run


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_mistakes_in_any_section_stop_any_stage_before_its_imports(checkout, stage):
    edit(checkout, "threshold: youden", "threshold: best")
    edit(checkout, "name: adamw", "name: adamm")
    command = [sys.executable, "-X", "importtime", str(ROOT / "stages" / f"{stage}.py"), "0"]
    ended = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    lines = ended.stderr.splitlines()
    imports = {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}
    words = "\n".join(line for line in lines if not line.startswith("import time:"))
    assert ended.returncode == 2
    assert "2 mistakes" in words
    assert "evaluate.threshold" in words
    assert "'sgd', 'adam', 'adamw' or 'rmsprop'" in words
    assert "Traceback" not in words
    assert "pydantic" in imports
    assert not imports & {*HEAVY, f"thorax.{stage}"}


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "download"])
def test_a_missing_input_names_the_command_that_makes_it(failing, stage):
    code, words = failing(stage)
    assert code == 3
    assert "dvc repro" in words


def write_images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 255, (32, 32), np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), noise)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: None, "does not exist"),
        (lambda root: root.mkdir(), "empty"),
        (lambda root: write_images(root / "only", 5), "class"),
        (lambda root: write_folder(root, {"a/x.txt": b"x"}), "image"),
        (lambda root: [write_images(root / name, n) for name, n in (("a", 1), ("b", 0))], "class"),
    ],
    ids=["missing", "empty", "one class", "no image", "an empty class"],
)
def test_unusable_data_is_explained(checkout, failing, make, says):
    make(checkout / "mine")
    edit(checkout, "source: phantom ", "source: folder ")
    edit(checkout, "path: data/local ", "path: mine ")
    code, words = failing("download")
    assert code == 3
    assert says in words
