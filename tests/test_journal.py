"""The journal: kept by fingerprint in the checkout, and only there."""

from small_run import params, write_run
from thorax import provenance
from thorax.models.inference import load
from thorax.train.loop import train


def test_a_training_leaves_its_machine_time_and_versions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths, settings = write_run(tmp_path), params(train={"epochs": 1})
    train(0, settings.model, settings.train, settings.augment, paths)
    bundle, _ = load(tmp_path / "models" / "0")
    entry = provenance.recorded_run(bundle.fingerprint)
    assert entry["images_per_second"] > 0
    assert entry["seconds"] > 0
    assert "cores" in entry["machine"]
    assert set(entry["packages"]) == set(provenance.PACKAGES)
    assert provenance.recorded_run("another") is None
    kept = [path for path in tmp_path.rglob("*") if path.suffix == ".json"]
    assert [path.name for path in kept if "journal" in str(path)] == [f"{bundle.fingerprint}.json"]


def test_outside_of_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert provenance.commit() is None
