"""The gate fails on a fall, and on everything that cannot be compared."""

import copy
import json
import subprocess

import pytest

from thorax.errors import ConfigError, DataError, GateFailed
from thorax.gate import PARTS, RISING, compare, gate

BASE = {part: dict.fromkeys(RISING, 0.9) for part in PARTS}


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A git repository whose first commit holds metrics of 0.9 throughout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    write(tmp_path, BASE)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "base"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
        subprocess.run(["git", *identity, *command], check=True)
    return tmp_path


def write(folder, metrics):
    (folder / "metrics/metrics.json").write_text(json.dumps(metrics))


def changed(name, value):
    metrics = copy.deepcopy(BASE)
    metrics["test"][name] = value
    return metrics


def run(folder, tolerance=0.02):
    return gate((folder / "metrics/metrics.json").relative_to(folder), "HEAD", tolerance)


def test_equal_metrics_pass(repo):
    assert "test.auroc" in run(repo)


def test_a_fall_within_the_tolerance_passes_and_beyond_fails(repo):
    write(repo, changed("auroc", 0.88))
    run(repo)
    write(repo, changed("auroc", 0.8799))
    with pytest.raises(GateFailed, match=r"test\.auroc"):
        run(repo)


def test_a_rise_passes(repo):
    write(repo, changed("f1", 1.0))
    run(repo)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "0.9", True])
def test_what_is_no_finite_number_fails(repo, value):
    write(repo, changed("recall", value))
    with pytest.raises(GateFailed, match=r"test\.recall"):
        run(repo)


def test_a_missing_metric_or_part_fails_on_either_side():
    short = copy.deepcopy(BASE)
    del short["val"]["f1"]
    assert [r[0] for r in compare(short, BASE, 0.02) if r[-1] != "ok"] == ["val.f1"]
    assert [r[0] for r in compare(BASE, short, 0.02) if r[-1] != "ok"] == ["val.f1"]
    assert len([r for r in compare({}, BASE, 0.02) if r[-1] != "ok"]) == len(PARTS) * len(RISING)


def test_an_unknown_ref_is_explained(repo):
    with pytest.raises(ConfigError, match="No baseline"):
        gate((repo / "metrics/metrics.json").relative_to(repo), "nowhere", 0.02)


def test_a_broken_baseline_is_no_pass(repo):
    (repo / "metrics/metrics.json").write_text("{")
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", *identity, "commit", "-qam", "broken"], check=True)
    write(repo, BASE)
    with pytest.raises(DataError, match="not valid JSON"):
        run(repo)
