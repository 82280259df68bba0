"""Every stage as the process that DVC starts: mistakes end it at once, with words and a code."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGES = ["download", "preprocess", "split", "train", "evaluate", "report"]


@pytest.fixture
def checkout(tmp_path):
    """Settings and an empty data folder; the code stays where it is."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data/local").mkdir(parents=True)
    return tmp_path


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def run_stage(folder: Path, stage: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "stages" / f"{stage}.py"), "0"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stage", STAGES)
def test_mistakes_in_any_section_stop_any_stage_at_once(checkout, stage):
    edit(checkout, "threshold: youden", "threshold: best")
    edit(checkout, "name: adamw", "name: adamm")
    start = time.perf_counter()
    ended = run_stage(checkout, stage)
    seconds = time.perf_counter() - start
    assert ended.returncode == 2
    assert "2 mistakes" in ended.stderr
    assert "evaluate.threshold" in ended.stderr
    assert "'sgd', 'adam', 'adamw' or 'rmsprop'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert seconds < 2  # well under one where nothing else runs


@pytest.mark.parametrize("stage", ["preprocess", "split", "train", "evaluate", "report"])
def test_a_missing_input_names_the_command_that_makes_it(checkout, stage):
    ended = run_stage(checkout, stage)
    assert ended.returncode == 3
    assert "dvc repro" in ended.stderr
    assert "Traceback" not in ended.stderr


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
        (
            lambda root: (root / "a").mkdir(parents=True) or (root / "a/x.txt").write_text("x"),
            "image",
        ),
        (lambda root: [write_images(root / c, n) for c, n in (("a", 1), ("b", 0))], ""),
    ],
    ids=["missing", "empty", "one class", "no image", "one patient"],
)
def test_unusable_data_is_explained(checkout, make, says):
    make(checkout / "mine")
    edit(checkout, "source: phantom ", "source: folder ")
    edit(checkout, "path: data/local ", "path: mine ")
    ended = run_stage(checkout, "download")
    assert ended.returncode == 3
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
