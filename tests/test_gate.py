"""The gate: verdicts and exit codes through the command, against a CSV or a commit."""

import io
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
    sh,
    write_outputs,
)
from thorax.cli import main


def gate(*words, how="--markdown"):
    """Exit code and output of the command."""
    output = io.StringIO()
    with mock.patch.object(sys, "argv", ["thorax", "gate", *words, how]):
        with redirect_stdout(output), redirect_stderr(output), pytest.raises(SystemExit) as ended:
            sys.exit(main())
        return ended.value.code, output.getvalue()


def test_the_same_model_passes_against_the_commit(project):
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert text.startswith("PASS. Gate on test auroc, margin 0.02, paired over 80 patients.")
    assert "| auroc | " in text
    assert "+0.0000 (+0.0000 to +0.0000) | PASS |" in text


def test_columns_are_for_people(project):
    code, text = gate("--margin", "0.02", how="--baseline=HEAD")
    assert code == 0
    assert "|" not in text
    assert "auroc              0.9" in text


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


def test_git_alone_is_enough_and_no_cache_is_asked(project):
    shutil.rmtree(CACHE)
    shutil.rmtree("evaluation")
    code, text = gate("--baseline", "HEAD")
    assert code == 0
    assert "paired over 80 patients" in text


def test_a_fall_within_the_margin_has_its_own_word_and_passes(project):
    write_outputs(predictions(noise=1, quality=1.2))
    assert gate("--baseline", "HEAD", "--margin", "0.02")[0] in (7, 8)
    code, text = gate("--baseline", "HEAD", "--margin", "0.2")
    assert code == 0
    assert text.startswith("WORSE BUT WITHIN THE MARGIN. Gate on test auroc, margin 0.2, paired")


def test_a_baseline_without_predictions_is_inconclusive_whatever_its_metrics(project):
    sh("git", "rm", "--quiet", "-r", "--cached", "metrics/predictions", "dvc.yaml", "dvc.lock")
    sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "old")
    code, text = gate("--baseline", "HEAD")
    assert code == 8
    assert "INCONCLUSIVE. HEAD has no metrics/predictions" in text
    assert "commit metrics/predictions/" in text


def test_an_undefined_metric_is_no_verdict(project):
    write_outputs(predictions(noise=1).assign(y_A=0, y_B=0))
    commit("a single outcome")
    code, text = gate("--baseline", "HEAD")
    assert code == 8
    assert "Test auroc is undefined" in text


def test_without_a_run_there_is_nothing_to_compare(project):
    shutil.rmtree("metrics/predictions")
    code, text = gate("--baseline", "HEAD")
    assert code == 8
    assert "the working tree has no metrics/predictions" in text
    assert "dvc repro" in text


def test_other_test_images_are_refused(project):
    predictions(noise=1).to_csv("old.csv", index=False)
    write_outputs(predictions(noise=1).iloc[3:])
    code, text = gate("--baseline", "HEAD")
    assert code == 3
    assert "HEAD was evaluated on other test images" in text
    code, text = gate("--baseline", "old.csv")
    assert code == 3
    assert "00000.png" in text


def test_without_a_test_set_there_is_nothing_to_compare(project):
    none = predictions().iloc[:0]
    none.to_csv("old.csv", index=False)
    write_outputs(none)
    code, text = gate("--baseline", "old.csv")
    assert code == 3
    assert "There is no such image" in text


def test_an_unknown_baseline_is_explained(project):
    code, text = gate("--baseline", "no-such-ref")
    assert code == 2
    assert "no-such-ref" in text


def test_an_experiment_can_be_a_baseline(project):
    write_outputs(predictions(noise=1, quality=2.5))
    commit_experiment("better")
    assert gate("--baseline", "better")[0] == 0
