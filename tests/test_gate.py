"""The gate: verdicts and exit codes through the command, from a CSV, a commit or metrics alone."""

import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest

from made_up_predictions import predictions
from made_up_repository import (
    CACHE,
    commit,
    commit_experiment,
    results,
    sh,
    start_with_a_run,
    store,
    write_metrics,
    write_outputs,
)
from thorax.artifacts import Estimate
from thorax.cli import main
from thorax.compare.gate import Verdict, compare, unpaired_verdict
from thorax.errors import ConfigError, DataError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose only commit holds the run that also stands in the working tree."""
    monkeypatch.chdir(tmp_path)
    start_with_a_run(tmp_path)
    commit("start")
    return tmp_path


def gate(*words):
    """Exit code and output of the command."""
    output = io.StringIO()
    with mock.patch.object(sys, "argv", ["thorax", "gate", *words]):
        with redirect_stdout(output), redirect_stderr(output), pytest.raises(SystemExit) as ended:
            sys.exit(main())
        return ended.value.code, output.getvalue()


def test_the_same_model_passes_against_the_commit(project):
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert text.startswith("PASS. Gate on test auroc, margin 0.02, paired over 80 patients.")
    assert "| auroc | " in text
    assert "+0.0000 (+0.0000 to +0.0000) | PASS |" in text


def test_a_cache_elsewhere_is_still_paired(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("cache")
    shutil.copytree(CACHE, elsewhere, dirs_exist_ok=True)
    shutil.rmtree(CACHE)
    Path(".dvc/config.local").write_text(f"[cache]\n    dir = {elsewhere}\n")
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert "paired over 80 patients" in text


def test_a_worse_model_fails_with_7(project):
    write_outputs(predictions(noise=1, quality=0.4))
    code, text = gate("--baseline", "HEAD")
    assert code == 7
    assert "GateFailed: FAIL." in text


def test_too_few_patients_are_inconclusive_with_8_and_how_many_would_do(project):
    few = {"seed": 2, "patients": 12, "images": 2}
    predictions(noise=1, quality=1.0, **few).to_csv("old.csv", index=False)
    write_outputs(predictions(noise=2, quality=1.0, **few))
    code, text = gate("--baseline", "old.csv")
    assert code == 8
    assert "test patients would decide" in text


def test_a_margin_and_a_metric_can_be_chosen(project):
    write_outputs(predictions(noise=1, quality=1.1))
    assert gate("--baseline", "HEAD", "--metric", "average_precision", "--margin", "0.5")[0] == 0
    assert gate("--baseline", "HEAD", "--metric", "loss")[0] == 2


def test_without_replicates_there_is_no_verdict(project):
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("n_bootstrap: 2000", "n_bootstrap: 0"))
    code, text = gate("--baseline", "HEAD")
    assert code == 2
    assert "evaluate.n_bootstrap is 0" in text


def test_an_empty_cache_leaves_two_metrics_files_and_says_so(project):
    shutil.rmtree(CACHE)
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert "UNPAIRED" in text
    assert "test.csv of HEAD is neither in the DVC cache nor in a remote" in text
    assert "same test images is unknown" in text
    write_metrics(auroc=0.87)
    write_outputs(result=results(auroc=Estimate(value=0.87, low=0.85, high=0.89)))
    assert gate("--baseline", "HEAD")[0] == 7
    write_outputs(result=results(auroc=Estimate(value=0.87, low=0.83, high=0.91)))
    assert gate("--baseline", "HEAD")[0] == 8


def test_a_baseline_of_an_older_version_is_unpaired_for_another_reason(project):
    sh("git", "rm", "--quiet", "--cached", "dvc.lock", "dvc.yaml")
    sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "old")
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert "HEAD has no evaluation/test.csv" in text
    assert "cache" not in text
    code, text = gate("--baseline", "HEAD", "--metric", "precision")
    assert code == 3
    assert "Test precision of HEAD is not in metrics/metrics.json" in text


@pytest.mark.parametrize(
    ("baseline", "current", "high", "expected"),
    [
        (0.90, 0.88, 0.89, Verdict.PASS),
        (0.90, 0.95, None, Verdict.PASS),
        (0.90, 0.87, 0.89, Verdict.FAIL),
        (0.90, 0.87, 0.91, Verdict.INCONCLUSIVE),
        (0.90, 0.87, None, Verdict.INCONCLUSIVE),
        (0.90, None, None, Verdict.FAIL),
        (None, 0.90, 0.91, Verdict.FAIL),
        (0.90, "0.9", 0.91, Verdict.FAIL),
        (0.90, True, 0.91, Verdict.FAIL),
        (0.90, float("nan"), 0.91, Verdict.FAIL),
    ],
)
def test_verdict_without_pairs(baseline, current, high, expected):
    assert unpaired_verdict(baseline, current, high, margin=0.02) is expected


@pytest.mark.parametrize("other", [results(images=6), results(classes=("healthy", "sick"))])
def test_unpaired_metrics_of_another_test_set_are_refused(project, other):
    for path in (CACHE / "files/md5").rglob("*"):
        if path.is_file() and b"image_id,patient_id" in path.read_bytes():
            path.unlink()
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert "unknown" not in text
    write_outputs(result=other)
    code, text = gate("--baseline", "HEAD")
    assert code == 3
    assert "The test sets differ" in text


def test_without_a_run_there_is_nothing_to_compare(project):
    Path("evaluation/test.csv").unlink()
    code, text = gate("--baseline", "HEAD")
    assert code == 3
    assert "dvc repro" in text


def test_other_test_images_are_refused(project):
    write_outputs(predictions(noise=1).iloc[3:])
    code, text = gate("--baseline", "HEAD")
    assert code == 3
    assert "00000.png" in text


def test_without_a_test_set_there_is_nothing_to_compare(project):
    none = predictions().iloc[:0]
    none.to_csv("old.csv", index=False)
    write_outputs(none)
    code, text = gate("--baseline", "old.csv")
    assert code == 3
    assert "There is no test image" in text


def test_an_unknown_baseline_is_explained(project):
    code, text = gate("--baseline", "no-such-ref")
    assert code == 2
    assert "no-such-ref" in text


@pytest.fixture
def two(project):
    for name, quality in (("plain", 1.0), ("better", 2.5)):
        write_outputs(predictions(noise=1, quality=quality))
        store(CACHE)
        commit_experiment(name)
    return project


def test_the_second_experiment_minus_the_first_with_intervals(two):
    text = compare("plain", "better")
    assert text.startswith("baseline: plain, current: better; 240 test images of 80 patients")
    row = next(line for line in text.splitlines() if line.startswith("| auroc |"))
    gap = row.split("|")[4]
    assert gap.strip().startswith("+0.")
    assert "(+0." in gap


def test_an_unknown_experiment_or_an_empty_cache_is_named(two):
    with pytest.raises(ConfigError, match="there are: better, plain"):
        compare("plain", "other")
    shutil.rmtree(CACHE)
    with pytest.raises(DataError, match=r"test\.csv of plain is neither in the DVC cache"):
        compare("plain", "better")


def test_an_experiment_can_be_a_baseline(two):
    Path("metrics/metrics.json").write_text(json.dumps({}))
    assert gate("--baseline", "plain")[0] == 0
