"""The whole line through DVC, on a few phantoms: what reruns, what does not, and where it works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow

SMALL = {
    "phantom_patients: 600": "phantom_patients: 40",
    "phantom_pixels: 192": "phantom_pixels: 64",
    "image_size: 96": "image_size: 32",
    "epochs: 30": "epochs: 2",
    "threads: null": "threads: 1",
    "bootstrap: 1000": "bootstrap: 50",
}


def run(folder, *command, ok=True):
    """Run a command in the checkout with this interpreter first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    names = {
        f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    ended = subprocess.run(
        command, cwd=folder, env=os.environ | names | {"PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode == 0) == ok, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout + ended.stderr


def stages_run(output):
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A small copy of the project, committed, in a path with a space, after one `dvc repro`."""
    folder = tmp_path_factory.mktemp("a path") / "thorax"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if (
            name
            and not name.startswith(("tests/", "metrics/", "dvc.lock"))
            and (ROOT / name).is_file()
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    for old, new in SMALL.items():
        assert old in params
        params = params.replace(old, new)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-qm", "start")
    out = run(folder, "dvc", "repro")
    assert stages_run(out) == ["download", "preprocess", "split", "train@0", "evaluate", "report"]
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-qm", "results")
    return folder


def test_a_second_run_does_nothing(checkout):
    assert "Data and pipelines are up to date" in run(checkout, "dvc", "repro")
    assert run(checkout, "git", "status", "--porcelain") == ""


def test_a_forced_run_gives_the_same_bytes(checkout):
    run(checkout, "dvc", "repro", "-f")
    assert run(checkout, "git", "status", "--porcelain") == ""


def test_the_lock_agrees_without_any_data(checkout, tmp_path):
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(checkout), str(clone))
    assert not stages_run(run(clone, "dvc", "repro", "--allow-missing", "--dry"))


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ("evaluate.threshold=f1", ["evaluate", "report"]),
        ("report.examples=2", ["report"]),
        ("train.optimizer.lr=0.001", ["train@0", "evaluate", "report"]),
        ("split.folds=[0,1]", None),
    ],
)
def test_only_what_a_change_touches_runs_again(checkout, change, stages):
    extra = ["-S", "split.n_folds=2"] if stages is None else []
    out = run(
        checkout,
        "dvc",
        "exp",
        "run",
        "-n",
        change.split("=")[0].replace(".", "-"),
        "-S",
        change,
        *extra,
    )
    if stages is None:
        assert stages_run(out) == ["split", "train@0", "train@1", "evaluate", "report"]
        folds = json.loads((checkout / "metrics/metrics.json").read_text())["folds"]
        assert set(folds) == {"0", "1", "mean", "deviation"}
    else:
        assert stages_run(out) == stages
    run(checkout, "git", "checkout", "-q", ".")
    run(checkout, "dvc", "checkout")


def test_a_queued_experiment_works_and_is_listed(checkout):
    run(checkout, "dvc", "exp", "run", "--queue", "-n", "queued", "-S", "train.optimizer.name=sgd")
    run(checkout, "dvc", "exp", "run", "--run-all")
    shown = json.loads(run(checkout, "dvc", "exp", "show", "--json"))
    text = json.dumps(shown)
    assert "queued" in text
    assert "metrics/metrics.json" in text


def test_a_zip_download_without_git_works(checkout, tmp_path):
    folder = tmp_path / "no git"
    ignore = shutil.ignore_patterns(".git", "cache", "tmp", "models", "predictions", "raw")
    shutil.copytree(checkout, folder, ignore=ignore)
    run(folder, "dvc", "config", "--local", "core.no_scm", "true")
    assert "report" in stages_run(run(folder, "dvc", "repro"))
    assert (folder / "reports/report.html").exists()
