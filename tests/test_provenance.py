"""Run metadata: kept by fingerprint in the checkout, and only there."""

import subprocess
from pathlib import Path

from small_run import finished_run
from thorax import provenance
from thorax.artifacts.model import ModelFile
from thorax.provenance import PACKAGES, commit, machine, record_run, recorded_run


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
    assert [path.parent for path in checkout.rglob(f"*{fingerprint}*")] == [
        checkout / provenance.FOLDER
    ]


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
