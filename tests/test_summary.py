"""The summary: test first, with intervals, and a change only where the data stayed the same."""

from pathlib import Path

import pytest

from made_up_predictions import predictions
from made_up_repository import (
    CACHE,
    PATHS,
    commit,
    results,
    start_with_a_run,
    store,
    write_metrics,
    write_outputs,
)
from thorax.artifacts import Estimate
from thorax.compare.summary import changes, summary
from thorax.config import METRICS, Paths
from thorax.provenance import record_latency, record_run


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start_with_a_run(tmp_path)
    return tmp_path


def test_test_comes_first_and_every_metric_has_its_interval(project):
    head, *lines = summary().splitlines()
    assert head.split() == ["test", "validation"]
    assert [line.split()[0] for line in lines[: len(METRICS)]] == list(METRICS)
    assert "0.9700 (0.9600–0.9800)" in lines[0]
    assert lines[METRICS.index("loss")].split() == ["loss", "0.1000", "0.1000"]


def test_undefined_metrics_and_a_leaky_split_are_said(project):
    write_outputs(result=results(leaky=True, f1=Estimate(value=None, reason="no positives")))
    text = summary()
    assert "undefined" in text
    assert "LEAKY" in text
    assert "No report: run `dvc repro`." in text


def test_looks_and_the_deviation_between_seeds_are_told(project):
    commit("seed 0")
    assert "Runs that have seen this test set: 1, this one included." in summary()
    assert "training seeds" not in summary()
    write_metrics(auroc=0.92)
    write_outputs(predictions(noise=2), results(images=0))
    store(CACHE, seed=1)
    text = summary()
    assert "Standard deviation between 2 training seeds, beside the intervals:" in text
    assert "  test: auroc 0.0141, average_precision 0.0000" in text
    assert "seen this test set" not in text  # there is none
    write_outputs(predictions(noise=2))
    assert "Runs that have seen this test set: 2, this one included." in summary()


def test_only_what_differs_from_the_commit_is_listed(project):
    assert changes(Paths(**PATHS)) == "No committed metrics to compare with."
    commit("run")
    assert changes(Paths(**PATHS)).startswith("Same headline metrics as the last commit")
    write_metrics(auroc=0.95, f1=None)
    assert changes(Paths(**PATHS)).splitlines()[1:] == [
        "  test.auroc: 0.9 → 0.95 (+0.0500)", "  test.f1: 0.8 → None",
        "  val.auroc: 0.9 → 0.95 (+0.0500)", "  val.f1: 0.8 → None",
    ]  # fmt: skip


def test_other_data_is_no_change_of_the_model(project):
    commit("run")
    write_metrics(auroc=0.95)
    write_outputs(manifest="image_id\nanother.png\n")
    store(CACHE)
    assert changes(Paths(**PATHS)) == "The last commit used different data: nothing to compare."


def test_metrics_that_the_commit_lacks_are_no_change(project):
    write_metrics(sensitivity=0.8)
    text = Path(PATHS["metrics"]).read_text()
    Path(PATHS["metrics"]).write_text(text.replace("sensitivity", "recall"))
    commit("of old")
    write_metrics()
    assert changes(Paths(**PATHS)).startswith("Same headline metrics")


def test_what_training_and_one_image_take_is_said_where_it_was_measured(project):
    assert "took" not in summary()
    record_run("0", seconds=74.4, images_per_second=500.0)
    record_latency("0", 3.26)
    text = summary()
    assert "Training took 74 s (" in text
    assert "One image, alone, is predicted in 3.3 ms (" in text
    record_run("of another model", seconds=9.0, images_per_second=1.0)
    assert summary() == text
