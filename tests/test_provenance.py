"""What is known of runs: their metadata, looks at a test set, other seeds."""

import shutil
import subprocess
from pathlib import Path
from statistics import stdev

import pytest

from made_up_predictions import predictions
from made_up_repository import (
    AUTHOR,
    CACHE,
    PATHS,
    commit as commit_all,
    commit_experiment,
    sh,
    store,
    write_metrics,
    write_outputs,
)
from small_run import finished_run
from thorax import provenance
from thorax.artifacts.model import ModelFile
from thorax.config import Paths
from thorax.provenance import (
    PACKAGES,
    commit,
    machine,
    record_run,
    recorded_latency,
    recorded_run,
)
from thorax.provenance.looks import looks, record_look
from thorax.provenance.seeds import seeds


def test_a_training_leaves_its_machine_time_and_versions(monkeypatch):
    paths, _ = finished_run()
    checkout = Path(paths.models).parent
    monkeypatch.chdir(checkout)
    fingerprint = ModelFile.read(Path(paths.models) / "0" / "model.json").fingerprint
    entry = recorded_run(fingerprint)
    assert entry["images_per_second"] > 0
    assert entry["seconds"] > 0
    assert entry["machine"] == machine()
    assert set(entry["packages"]) == set(PACKAGES)
    assert recorded_run("another") is None
    assert {path.parent for path in checkout.rglob(f"*{fingerprint}*")} == {
        checkout / provenance.FOLDER
    }


def test_predicting_leaves_how_long_one_image_takes_of_every_fold(monkeypatch):
    paths, _ = finished_run("multi-label", 2)
    monkeypatch.chdir(Path(paths.models).parent)
    for fold in "01":
        model = ModelFile.read(Path(paths.models) / fold / "model.json")
        latency = recorded_latency(model.fingerprint)
        assert latency["milliseconds"] > 0
        assert latency["machine"] == machine()
    assert recorded_latency("another") is None


def test_a_run_in_a_temporary_copy_is_recorded_in_the_checkout(tmp_path, monkeypatch):
    copy = tmp_path / ".dvc/tmp/exps/tmpabc"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    record_run("f", seconds=2.0, images_per_second=10.0)
    monkeypatch.chdir(tmp_path)
    assert recorded_run("f")["seconds"] == 2.0


def test_the_commit_says_whether_tracked_files_differ(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert commit() is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    Path("a").write_text("1")
    for words in (["init", "-q"], ["add", "a"], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], check=True)
    clean = commit()
    Path("a").write_text("2")
    assert commit() == f"{clean}+"
    assert len(clean) == 12


def on_test():
    (path,) = Path(PATHS["test_predictions"]).iterdir()
    return path


def test_every_commit_experiment_and_recorded_run_is_a_look_and_equal_ones_are_one(project):
    assert looks(on_test()) == 1
    write_outputs(predictions(noise=2))
    assert looks(on_test()) == 2
    commit_experiment("second")
    record_look(on_test())
    assert looks(on_test()) == 2
    write_outputs(predictions(noise=3))
    commit_all("third")
    assert looks(on_test()) == 3
    write_outputs(predictions(noise=4).iloc[3:])
    assert looks(on_test()) == 1


def test_a_removed_experiment_stays_a_look_and_so_does_one_of_a_temporary_copy(
    project, monkeypatch
):
    copy = project / ".dvc/tmp/exps/tmpabc"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".git", "exps"))
    monkeypatch.chdir(copy)
    write_outputs(predictions(noise=2))
    record_look(on_test())
    assert looks(on_test()) == 2
    monkeypatch.chdir(project)
    assert looks(on_test()) == 2


def test_a_merged_branch_keeps_its_looks(project):
    main = sh("git", "branch", "--show-current")
    sh("git", "checkout", "--quiet", "-b", "side")
    write_outputs(predictions(noise=2))
    commit_all("side")
    sh("git", "checkout", "--quiet", main)
    sh("git", *AUTHOR, "merge", "--quiet", "--no-ff", "--strategy=ours", "-m", "merge", "side")
    sh("git", "branch", "--quiet", "-D", "side")
    assert looks(on_test()) == 2


def test_outside_of_git_there_is_this_look_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_outputs()
    assert looks(on_test()) == 1


def seeds_now():
    return seeds(on_test(), Paths(**PATHS))


def experiment(name, *, auroc=0.9, noise=1, **train):
    write_metrics(auroc=auroc)
    write_outputs(predictions(noise=noise), fingerprint=name)
    store(CACHE, **train)
    commit_experiment(name)


def test_runs_that_differ_in_the_seed_alone_belong_together(project):
    assert seeds_now().deviation("test", "auroc") is None
    experiment("another-rate", auroc=0.5, noise=2, seed=5, lr=1.0)
    experiment("one", auroc=0.91, noise=3, seed=1)
    experiment("two", auroc=0.95, noise=4, seed=2)
    write_metrics()
    write_outputs()
    store(CACHE)
    assert {seed: run["val"]["auroc"] for seed, run in seeds_now().runs.items()} == {
        0: 0.9, 1: 0.91, 2: 0.95,
    }  # fmt: skip
    assert seeds_now().deviation("test", "auroc") == pytest.approx(stdev([0.9, 0.91, 0.95]))
    assert seeds_now().deviation("test", "precision") is None
    store(CACHE, lr=1.0)
    assert set(seeds_now().runs) == {0, 5}


def test_other_data_or_no_lock_has_no_seeds(project):
    experiment("one", noise=3, seed=1)
    write_outputs(manifest="image_id\nanother.png\n")
    store(CACHE)
    assert set(seeds_now().runs) == {0}
    Path("dvc.lock").unlink()
    assert seeds_now().runs == {}
