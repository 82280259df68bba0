"""The journal: kept by fingerprint in the checkout, and only there."""

from small_run import params, write_run
from thorax import journal
from thorax.predict import load
from thorax.train import train


def test_a_training_leaves_its_machine_time_and_versions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths, settings = write_run(tmp_path), params(train={"epochs": 1})
    train(0, settings.model, settings.train, settings.augment, paths)
    bundle, _ = load(tmp_path / "models" / "0")
    entry = journal.read(bundle.fingerprint)
    assert entry["images_per_second"] > 0
    assert entry["seconds"] > 0
    assert "cores" in entry["machine"]
    assert set(entry["packages"]) == set(journal.PACKAGES)
    assert journal.read("another") is None
    kept = [path for path in tmp_path.rglob("*") if path.suffix == ".json"]
    assert [path.name for path in kept if "journal" in str(path)] == [f"{bundle.fingerprint}.json"]


def test_outside_of_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert journal.commit() is None
