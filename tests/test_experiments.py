"""Experiments by name, in a small DVC project of one stage."""

import json
import subprocess

import pytest

from made_up_repository import PATHS
from thorax.artifacts.headline import SUMMARY_FOLLOWS
from thorax.compare import history
from thorax.errors import ConfigError
from thorax.studies import experiments

STAGE = f"""
vars:
  - paths: {json.dumps(PATHS)}
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [train]
    metrics:
      - metrics/metrics.json:
          cache: false
"""
TRAIN = """
import json, sys
from ruamel.yaml import YAML
train = YAML(typ="safe").load(open("params.yaml"))["train"]
print("training at", train["lr"])
if train["fail"]:
    sys.exit("\\nDataError: it broke")
json.dump(train, open("metrics/metrics.json", "w"))
"""


def sh(*command):
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / ".keep").touch()
    (tmp_path / "dvc.yaml").write_text(STAGE)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "params.yaml").write_text("train:\n  lr: 1.0\n  epochs: 3\n  fail: false\n")
    sh("git", "init", "--quiet")
    sh("dvc", "init", "--quiet")
    sh("dvc", "config", "core.analytics", "false")
    sh("git", "add", "--all")
    sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "start")
    return tmp_path


def test_a_folder_without_git_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="git init"):
        experiments.require_clean_params()


def test_modified_params_are_refused(project):
    experiments.require_clean_params()
    (project / "params.yaml").write_text("train:\n  lr: 2.0\n  epochs: 3\n  fail: false\n")
    with pytest.raises(ConfigError, match=r"git checkout params\.yaml"):
        experiments.require_clean_params()


def metrics(name):
    return history.experiment(name).metrics()


@pytest.mark.slow
def test_runs_are_named_logged_replaced_and_do_not_inherit(project, capfd):
    assert experiments.run("first", ["train.lr=0.5"])
    assert "training at 0.5" in capfd.readouterr().out
    assert "training at 0.5" in experiments.log_of("first").read_text()
    assert experiments.run("second", ["train.epochs=7"])
    assert set(history.experiments()) == {"first", "second"}
    assert metrics("second") == {"lr": 1.0, "epochs": 7, "fail": False}
    assert experiments.run("first", ["train.lr=0.25"])
    assert metrics("first")["lr"] == 0.25
    assert not experiments.run("first", ["train.lr=9.0", "train.fail=true"])
    assert experiments.reason("first").startswith("not run. DataError: it broke (log: ")
    assert metrics("first")["lr"] == 0.25
    assert set(history.experiments()) == {"first", "second"}
    assert not (project / "metrics" / "metrics.json").exists()


@pytest.mark.slow
def test_queued_runs_wait(project):
    assert experiments.queue("later", ["train.lr=0.5"])
    assert history.experiments() == {}
    status = subprocess.check_output(["dvc", "queue", "status"], text=True)
    assert "later" in status
    assert "Queued" in status


def test_a_summary_follows_what_runs_in_the_checkout_alone(project, capfd):
    (project / "train.py").write_text(
        f"import os; print('followed', '{SUMMARY_FOLLOWS}' in os.environ)\n{TRAIN}"
    )
    assert experiments.start([], "here", None)
    assert "followed True" in capfd.readouterr().out
    assert experiments.start(["train.lr=2.0"], "there", "--temp")
    assert "followed False" in capfd.readouterr().out
