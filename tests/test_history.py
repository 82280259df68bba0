"""History: what a commit recorded, from any DVC cache or remote, and why something is missing."""

import json
import shutil
from pathlib import Path

import pytest
from scipy.special import expit

from made_up_predictions import predictions
from made_up_repository import (
    CACHE,
    commit,
    commit_experiment,
    results,
    sh,
    start,
    store,
    write_metrics,
    write_outputs,
)
from thorax.compare import history
from thorax.compare.history import NotCachedError, NotRecordedError, working_tree
from thorax.errors import ConfigError, DataError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose commit holds a run; the tag `old` lies before it."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    start(folder)
    commit("start")
    sh("git", "tag", "old")
    write_metrics()
    write_outputs(fingerprint="abc")
    store(CACHE)
    commit("run")
    return folder


def test_everything_that_was_recorded_can_be_read(project):
    (test_file,) = Path("metrics/predictions").iterdir()
    shutil.rmtree("evaluation")
    shutil.rmtree("metrics/predictions")
    head = history.commit("HEAD")
    assert head.metrics()["test"]["auroc"] == 0.9
    assert head.params().split.method == "patient"
    assert head.results() == results()
    assert head.predictions("val")["p_A"].tolist() == predictions(noise=1)["p_A"].tolist()
    on_test = head.test_predictions()
    assert on_test.test_set == test_file.stem
    assert expit(on_test.table["logit_A"]).tolist() == pytest.approx(predictions(noise=1)["p_A"])
    assert head.variant()[1] == 0
    assert head.fingerprint(0) == "abc"


@pytest.mark.parametrize(
    "settings",
    ["[cache]\n    dir = {}\n", "[core]\n    remote = r\n['remote \"r\"']\n    url = {}\n"],
)
def test_a_cache_elsewhere_and_a_remote_are_read(project, tmp_path, settings):
    shutil.move(CACHE, tmp_path / "elsewhere")
    Path(".dvc/config.local").write_text(settings.format(tmp_path / "elsewhere"))
    assert len(history.commit("HEAD").predictions("val")) == 240


def test_what_is_not_cached_is_not_what_was_never_recorded(project):
    shutil.rmtree(CACHE)
    with pytest.raises(NotCachedError, match=r"evaluation/results\.json of HEAD is neither"):
        history.commit("HEAD").results()
    with pytest.raises(NotRecordedError, match=r"old has no evaluation/val\.csv"):
        history.commit("old").predictions("val")
    with pytest.raises(NotRecordedError, match=r"old has no metrics/predictions"):
        history.commit("old").test_predictions()
    assert len(history.commit("HEAD").test_predictions().table) == 240
    with pytest.raises(ConfigError, match=r"'nothing' is no branch, tag or commit"):
        history.commit("nothing").metrics()


def test_one_file_that_is_not_cached_is_named(project):
    for path in (CACHE / "files/md5").rglob("*"):
        if path.is_file() and b"image_id,patient_id" in path.read_bytes():
            path.unlink()
    head = history.commit("HEAD")
    with pytest.raises(NotCachedError, match=r"val\.csv of HEAD"):
        head.predictions("val")
    assert head.results() == results()


def test_results_of_another_version_count_as_not_recorded(project):
    Path("evaluation/results.json").write_text('{"auroc": 0.9}')
    store(CACHE)
    commit("other")
    with pytest.raises(NotRecordedError, match="another version of thorax"):
        history.commit("HEAD").results()


def test_broken_metrics_are_named(project):
    Path("metrics/metrics.json").write_text("{")
    commit("broken")
    with pytest.raises(DataError, match=r"metrics\.json of HEAD is not valid JSON"):
        history.commit("HEAD").metrics()


def test_outside_of_git_there_is_no_baseline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(json.dumps({"vars": []}))
    with pytest.raises(ConfigError, match="not a git repository"):
        history.commit("HEAD").md5("manifest")


def test_checksums_of_outputs_now_and_then(project):
    then = history.commit("HEAD").md5("manifest")
    assert then == working_tree().md5("manifest")
    write_outputs(manifest="another\n")
    store(CACHE)
    assert then != working_tree().md5("manifest")
    assert then == history.commit("HEAD").md5("manifest")


def test_the_newest_experiment_of_a_name_counts(project, monkeypatch):
    assert history.experiments() == {}
    for number, date in enumerate(("2026-01-01", "2026-01-03", "2026-01-02")):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{date}T12:00:00")
        write_metrics(auroc=number / 10)
        commit(f"start {number}")
        Path("note").write_text(str(number))
        commit_experiment("a" if number < 2 else "b")
    assert {name: run.date for name, run in history.experiments().items()} == {
        "a": "2026-01-03", "b": "2026-01-02",
    }  # fmt: skip
    assert history.experiment("a").metrics()["test"]["auroc"] == 0.1
    with pytest.raises(ConfigError, match="there are: a, b"):
        history.experiment("c")
