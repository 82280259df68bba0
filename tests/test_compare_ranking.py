"""The ranking: by validation, seeds of equal settings together, test only when asked for."""

import shutil
from pathlib import Path

import pytest

from made_up_predictions import predictions
from made_up_repository import (
    CACHE,
    commit,
    commit_experiment,
    sh,
    start,
    start_with_a_run,
    store,
    write_metrics,
    write_outputs,
)
from thorax.compare.ranking import OTHER_IMAGES, compare
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


def ranking(*names, test=False):
    return compare(names, test=test, markdown=True)


def rows(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()
            if line.startswith("| ")]  # fmt: skip


def test_variants_are_ranked_by_the_mean_of_their_seeds_on_validation(project):
    text = ranking()
    assert rows(text)[2:] == [
        ["HEAD", "0", "0.9000 (0.8800–0.9300)", "0.9250 ± 0.0354", "train.lr=0.1"],
        ["plain", "0", "0.9100 (0.8800–0.9300)", "0.9250 ± 0.0354", "train.lr=0.1"],
        ["plain-1", "1", "0.9500 (0.8800–0.9300)", "0.9250 ± 0.0354", "train.lr=0.1"],
        ["better", "0", "0.9200 (0.8800–0.9300)", "", "train.lr=1.0"],
    ]
    assert "test" not in text
    assert "baseline" not in text
    text = ranking("plain", "better", "plain-1")
    assert rows(text)[2:5] == [
        ["plain", "0", "0.9100 (0.8800–0.9300)", "0.9300 ± 0.0283", "train.lr=0.1"],
        ["plain-1", "1", "0.9500 (0.8800–0.9300)", "0.9300 ± 0.0283", "train.lr=0.1"],
        ["better", "0", "0.9200 (0.8800–0.9300)", "", "train.lr=1.0"],
    ]
    assert [row[0] for row in rows(ranking("better", "plain-1"))[2:4]] == [
        "plain-1", "better",
    ]  # fmt: skip


def test_runs_that_differ_in_the_seed_alone_have_no_other_setting_to_show(project):
    assert {row[4] for row in rows(ranking("plain", "plain-1"))[2:4]} == {""}


def test_places_of_runs_on_other_data_are_said_to_mean_nothing(project):
    assert OTHER_IMAGES not in ranking()
    store(CACHE)
    lock = Path("dvc.lock")
    lock.write_text(lock.read_text().replace('{"train":', '{"data": {"path": "x"}, "train":'))
    commit_experiment("elsewhere")
    assert OTHER_IMAGES in ranking()
    assert OTHER_IMAGES not in ranking("plain", "better")


def test_branches_commits_and_the_workspace_compare_with_experiments(project):
    experiment("now", 0.93, 2.0, lr=0.3)
    sh("git", "branch", "-m", "main")
    text = ranking("main", "better", "workspace")
    assert [row[0] for row in rows(text)[2:5]] == ["workspace", "better", "main"]
    assert [row[4] for row in rows(text)[2:5]] == ["train.lr=0.3", "train.lr=1.0", "train.lr=0.1"]
    assert "baseline: main, current: better; 240 validation" in text
    assert "baseline: main, current: workspace; 240 validation" in text
    assert "baseline: main" in ranking("HEAD~0", "better").replace("HEAD~0", "main")


def test_columns_are_for_people(project):
    text = compare(["plain", "better"], test=False, markdown=False)
    assert "|" not in text
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("run "))
    row = next(line for line in lines if line.startswith("better "))
    assert row[head.index("settings that differ") :] == "train.lr=1.0"


def test_two_are_paired_on_validation_unless_test_is_asked_for(project):
    text = ranking("plain", "better")
    assert "baseline: plain, current: better; 240 validation images of 80 patients" in text
    gap = next(row for row in rows(text) if row[0] == "auroc")[3]
    assert gap.startswith("+0.")
    assert "(+0." in gap
    shutil.rmtree(CACHE)
    assert "240 test images of 80 patients" in ranking("plain", "better", test=True)
    with pytest.raises(DataError, match=r"val\.csv of plain is neither in the DVC cache"):
        ranking("plain", "better")


def test_an_undefined_metric_comes_last_and_a_run_without_metrics_is_named(project):
    experiment("undefined", None, 1.0, lr=2.0)
    Path("dvc.lock").unlink()
    commit_experiment("broken")
    text = ranking()
    assert rows(text)[-1][:3] == ["undefined", "0", "undefined"]
    assert "broken: broken has no dvc.lock" in text


def test_an_unknown_experiment_or_none_at_all_is_explained(project, tmp_path_factory, monkeypatch):
    with pytest.raises(ConfigError, match="no experiment; experiments: better, plain, plain-1"):
        ranking("plain", "other")
    folder = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(folder)
    start(folder)
    commit("start")
    with pytest.raises(DataError, match="no finished run"):
        ranking()
