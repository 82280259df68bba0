"""The ranking: by validation, seeds of equal settings together, test only when asked for."""

import shutil
from pathlib import Path

import pytest

from made_up_predictions import predictions
from made_up_repository import (
    CACHE,
    commit,
    commit_experiment,
    start,
    start_with_a_run,
    store,
    write_metrics,
    write_outputs,
)
from thorax.compare.ranking import compare
from thorax.errors import ConfigError, DataError


def experiment(name, auroc, quality, **train):
    write_metrics(auroc=auroc)
    write_outputs(predictions(noise=1, quality=quality), fingerprint=name)
    store(CACHE, **train)
    commit_experiment(name)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two seeds of one variant, and one of another that is better than either on test."""
    monkeypatch.chdir(tmp_path)
    start_with_a_run(tmp_path)
    commit("start")
    experiment("plain", 0.91, 1.0)
    experiment("plain-1", 0.95, 1.1, seed=1)
    experiment("better", 0.92, 2.5, lr=1.0)
    return tmp_path


def rows(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()
            if line.startswith("| ")]  # fmt: skip


def test_variants_are_ranked_by_the_mean_of_their_seeds_on_validation(project):
    text = compare([], test=False)
    assert rows(text)[2:] == [
        ["HEAD", "0", "0.9000 (0.8800–0.9300)", "0.9250 ± 0.0354"],
        ["plain", "0", "0.9100 (0.8800–0.9300)", "0.9250 ± 0.0354"],
        ["plain-1", "1", "0.9500 (0.8800–0.9300)", "0.9250 ± 0.0354"],
        ["better", "0", "0.9200 (0.8800–0.9300)", ""],
    ]
    assert "test" not in text
    text = compare(["plain", "better", "plain-1"], test=False)
    assert rows(text)[2:] == [
        ["plain", "0", "0.9100 (0.8800–0.9300)", "0.9300 ± 0.0283"],
        ["plain-1", "1", "0.9500 (0.8800–0.9300)", "0.9300 ± 0.0283"],
        ["better", "0", "0.9200 (0.8800–0.9300)", ""],
    ]
    assert [row[0] for row in rows(compare(["better", "plain-1"], test=False))[2:4]] == [
        "plain-1", "better",
    ]  # fmt: skip


def test_two_are_paired_on_validation_unless_test_is_asked_for(project):
    text = compare(["plain", "better"], test=False)
    assert "baseline: plain, current: better; 240 validation images of 80 patients" in text
    gap = next(row for row in rows(text) if row[0] == "auroc")[3]
    assert gap.startswith("+0.")
    assert "(+0." in gap
    shutil.rmtree(CACHE)
    assert "240 test images of 80 patients" in compare(["plain", "better"], test=True)
    with pytest.raises(DataError, match=r"val\.csv of plain is neither in the DVC cache"):
        compare(["plain", "better"], test=False)


def test_an_undefined_metric_comes_last_and_a_run_without_metrics_is_named(project):
    experiment("undefined", None, 1.0, lr=2.0)
    Path("dvc.lock").unlink()
    commit_experiment("broken")
    text = compare([], test=False)
    assert rows(text)[-1][:3] == ["undefined", "0", "undefined"]
    assert "broken: broken has no dvc.lock" in text


def test_an_unknown_experiment_or_none_at_all_is_explained(project, tmp_path_factory, monkeypatch):
    with pytest.raises(ConfigError, match="there are: better, plain, plain-1"):
        compare(["plain", "other"], test=False)
    folder = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(folder)
    start(folder)
    commit("start")
    with pytest.raises(DataError, match="no finished run"):
        compare([], test=False)
