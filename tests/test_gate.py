"""The gate: verdicts and exit codes through the command, from a CSV, a cache or metrics alone."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from made_up_predictions import predictions
from small_run import ROOT
from thorax.compare.history import committed_metrics, committed_predictions, read_predictions
from thorax.errors import ConfigError, DataError

METRICS = {"auroc": 0.9, "auroc_high": 0.93, "average_precision": 0.8, "accuracy": 0.9,
           "precision": 0.8, "recall": 0.8, "f1": 0.8}  # fmt: skip


def sh(*command):
    subprocess.run(command, check=True, capture_output=True)


def write_metrics(folder, **changes):
    (folder / "metrics").mkdir(exist_ok=True)
    values = dict.fromkeys(("val", "test"), METRICS | changes)
    (folder / "metrics" / "metrics.json").write_text(json.dumps(values))


def store_in_cache(folder, table):
    """As DVC keeps an output folder: a list of files under its own checksum, and the file."""
    content = table.to_csv(index=False).encode()
    digests = [hashlib.md5(content).hexdigest()]
    listing = json.dumps([{"md5": digests[0], "relpath": "test.csv"}]).encode()
    digests.append(hashlib.md5(listing).hexdigest() + ".dir")
    for digest, data in zip(digests, (content, listing), strict=True):
        path = folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    out = {"path": "predictions", "hash": "md5", "md5": digests[1]}
    lock = {"schema": "2.0", "stages": {"evaluate": {"cmd": "x", "outs": [out]}}}
    (folder / "dvc.lock").write_text(json.dumps(lock))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose only commit holds metrics and a lock that names cached predictions."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "predictions").mkdir()
    write_metrics(tmp_path)
    store_in_cache(tmp_path, predictions(noise=1))
    predictions(noise=1).to_csv("predictions/test.csv", index=False)
    sh("git", "init", "--quiet")
    sh("git", "add", "dvc.yaml", "dvc.lock", "metrics")
    sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "start")
    return tmp_path


def gate(*words):
    code = "import sys; from thorax.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "gate", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_same_model_passes_against_the_cache(project):
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert text.startswith("PASS. Gate on test auroc, margin 0.02, paired over 80 patients.")
    assert "| auroc | " in text
    assert "+0.0000 (+0.0000 to +0.0000) | PASS |" in text


def test_a_worse_model_fails_with_7(project):
    predictions(noise=1, quality=0.4).to_csv("predictions/test.csv", index=False)
    code, text = gate("--baseline", "HEAD")
    assert code == 7
    assert "GateFailed: FAIL." in text


def test_too_few_patients_are_inconclusive_with_8_and_how_many_would_do(project):
    few = {"seed": 2, "patients": 12, "images": 2}
    predictions(noise=1, quality=1.0, **few).to_csv("old.csv", index=False)
    predictions(noise=2, quality=1.0, **few).to_csv("predictions/test.csv", index=False)
    code, text = gate("--baseline", "old.csv")
    assert code == 8
    assert "test patients would decide" in text


def test_a_margin_and_a_metric_can_be_chosen(project):
    worse = predictions(noise=1, quality=1.1)
    worse.to_csv("predictions/test.csv", index=False)
    assert gate("--baseline", "HEAD", "--metric", "average_precision", "--margin", "0.5")[0] == 0
    assert gate("--baseline", "HEAD", "--metric", "speed")[0] == 2


def test_without_a_cache_the_comparison_is_called_unpaired(project):
    shutil.rmtree(".dvc")
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert "UNPAIRED" in text
    write_metrics(project, auroc=0.87, auroc_high=0.89)
    assert gate("--baseline", "HEAD")[0] == 7
    write_metrics(project, auroc=0.87, auroc_high=0.91)
    assert gate("--baseline", "HEAD")[0] == 8
    write_metrics(project, auroc=0.88, auroc_high=0.89)
    assert gate("--baseline", "HEAD")[0] == 0
    for broken in (None, "0.9", True):
        write_metrics(project, auroc=broken)
        assert gate("--baseline", "HEAD")[0] == 7


@pytest.mark.parametrize("changes", [{"images": 6}, {"per_class": {"healthy": {}, "sick": {}}}])
def test_unpaired_metrics_of_another_test_part_are_refused(project, changes):
    shutil.rmtree(".dvc")
    metrics = json.loads(Path("metrics/metrics.json").read_text())
    known = {"images": 240, "per_class": {"A": {}, "B": {}}}
    metrics["test"] |= known
    Path("metrics/metrics.json").write_text(json.dumps(metrics))
    sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-am", "known")
    assert gate("--baseline", "HEAD")[0] == 0
    metrics["test"] |= changes
    Path("metrics/metrics.json").write_text(json.dumps(metrics))
    code, text = gate("--baseline", "HEAD")
    assert code == 3
    assert "The test parts differ" in text


def test_where_nothing_was_run_nothing_is_judged(project):
    Path("predictions/test.csv").unlink()
    code, text = gate("--baseline", "HEAD")
    assert code == 3
    assert "dvc repro" in text


def test_other_test_images_are_refused(project):
    predictions(noise=1).iloc[3:].to_csv("predictions/test.csv", index=False)
    code, text = gate("--baseline", "HEAD")
    assert code == 3
    assert "00000.png" in text


def test_nothing_to_compare_with_is_explained(project):
    code, text = gate("--baseline", "no-such-ref")
    assert code == 2
    assert "no-such-ref" in text
    (project / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no table of predictions"):
        read_predictions(project / "bad.csv")
    with pytest.raises(ConfigError, match="No baseline"):
        committed_metrics("HEAD", "nothing.json")
    assert committed_predictions("no-such-ref") is None


def test_the_cache_gives_the_table_that_was_committed(project):
    table = committed_predictions("HEAD")
    assert table["p_A"].tolist() == predictions(noise=1)["p_A"].tolist()


def test_broken_metrics_are_named(project):
    (project / "metrics" / "metrics.json").write_text("{")
    sh("git", "add", "metrics")
    sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "broken")
    with pytest.raises(DataError, match="not valid JSON"):
        committed_metrics("HEAD", "metrics/metrics.json")
