"""Training learns, stops, restores, and goes on after a kill as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from small_run import ROOT, params, write_run
from thorax.errors import BusyError, ConfigError, NumericsError
from thorax.io import locked
from thorax.models.build import build
from thorax.train.loop import train

CHECKPOINTS = Path(".dvc/tmp/checkpoints")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def history(paths, fold=0):
    return json.loads((Path(paths.models) / str(fold) / "model.json").read_text())["training"][
        "history"
    ]


def run(paths, settings, fold=0):
    train(fold, settings.model, settings.train, settings.augment, paths)
    return history(paths, fold)


@pytest.mark.parametrize("task", ["multi-label", "binary", "multi-class"])
def test_an_easy_task_is_learnt(folder, task):
    paths = write_run(folder, images=96, task=task)
    epochs = run(paths, params(train={"epochs": 12, "patience": 12}, augment={"shift": 0.0}))
    assert max(epoch["val"]["auroc"] for epoch in epochs) > 0.9
    assert epochs[-1]["train"]["loss"] < epochs[0]["train"]["loss"]


def test_the_best_weights_are_kept_and_patience_ends_the_run(folder):
    paths = write_run(folder)
    wild = params(train={"epochs": 40, "patience": 2, "optimizer": {"lr": 0.05}})
    epochs = run(paths, wild)
    best = max(i for i, epoch in enumerate(epochs) if epoch["best"])
    assert len(epochs) < 40
    assert len(epochs) - 1 - best == 2
    assert epochs[best]["val"]["loss"] == min(epoch["val"]["loss"] for epoch in epochs)
    short = write_run(folder / "short")
    same = params(train={"epochs": best + 1, "patience": 99, "optimizer": {"lr": 0.05},
                         "schedule": {"name": "none"}})  # fmt: skip
    long = params(train={"epochs": 40, "patience": 2, "optimizer": {"lr": 0.05},
                         "schedule": {"name": "none"}})  # fmt: skip
    ended = run(short, same)
    again = write_run(folder / "again")
    longer = run(again, long)
    assert longer[: len(ended)] == ended


def test_two_runs_give_the_same_bytes(folder):
    first, second = write_run(folder / "a"), write_run(folder / "b")
    for paths in (first, second):
        run(paths, params())
    for name in ("weights.safetensors", "model.json"):
        files = [Path(p.models) / "0" / name for p in (first, second)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_nothing_is_left_behind(folder):
    run(write_run(folder), params())
    assert list(CHECKPOINTS.iterdir()) == []


PHASES = [
    {"name": "head", "trainable": "head", "epochs": 2},
    {"name": "all", "epochs": 3, "schedule": {"name": "plateau", "patience": 0}},
]


@pytest.mark.parametrize("phases", [[], PHASES], ids=["one phase", "two phases"])
def test_a_killed_run_goes_on_to_the_same_bits(folder, phases):
    settings = params(train={"epochs": 5, "patience": 9, "phases": phases})
    whole = write_run(folder / "whole")
    expected = run(whole, settings)

    killed = write_run(folder / "killed")
    script = folder / "run.py"
    script.write_text(
        "import sys, time\n"
        f"sys.path[:0] = [{str(ROOT / 'src')!r}, {str(ROOT / 'tests')!r}]\n"
        "from pathlib import Path\n"
        "from small_run import params, paths_in\n"
        "import thorax.train as t\n"
        "real = t.train_epoch\n"
        "def slow(*a):\n"
        "    if a[-1] == 3:\n"
        "        print('in the fourth epoch', flush=True); time.sleep(60)\n"
        "    return real(*a)\n"
        "if sys.argv[1] == 'die': t.train_epoch = slow\n"
        f"s = params(train={{'epochs': 5, 'patience': 9, 'phases': {phases!r}}})\n"
        "t.train(0, s.model, s.train, s.augment, paths_in(Path('killed').absolute()))\n"
    )
    started = subprocess.Popen([sys.executable, script, "die"], stdout=subprocess.PIPE, text=True)
    for line in started.stdout:
        if "fourth" in line:
            break
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    started.stdout.close()
    assert len(list(CHECKPOINTS.iterdir())) == 1
    out = subprocess.run(
        [sys.executable, script, "go"], capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stderr
    assert "epoch   4" in out.stdout
    assert "epoch   3" not in out.stdout
    assert history(killed) == expected
    weights = [load_file(Path(p.models) / "0" / "weights.safetensors") for p in (whole, killed)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    curves = [Path(p.curves) / "0/plots/metrics/val/loss.tsv" for p in (whole, killed)]
    assert curves[0].read_text() == curves[1].read_text()


def test_other_settings_or_data_never_resume(folder):
    from thorax.train.setup import open_run

    def identity(paths, **changes):
        s = params(**changes)
        return open_run(0, s.model, s.train, s.augment, paths).identity

    paths = write_run(folder / "a")
    base = identity(paths)
    assert identity(paths) == base
    assert identity(paths, train={"optimizer": {"lr": 0.003}}) != base
    assert identity(paths, augment={"shift": 0.2}) != base
    assert identity(write_run(folder / "b", seed=1)) != base


def test_the_same_run_twice_at_once_is_refused(folder):
    from thorax.train.setup import open_run

    paths, s = write_run(folder), params()
    identity = open_run(0, s.model, s.train, s.augment, paths).identity
    lock = CHECKPOINTS / identity[:32] / "lock"
    with locked(lock, "x"), pytest.raises(BusyError):
        run(paths, s)


def test_a_loss_that_is_no_number_ends_the_run(folder):
    paths = write_run(folder)
    images = Path(paths.cache) / "images.npy"
    assert images.exists()
    settings = params(train={"optimizer": {"name": "sgd", "lr": 1e30}, "clip_norm": None})
    with pytest.raises(NumericsError, match=r"optimizer\.lr"):
        run(paths, settings)


def test_weights_of_unknown_classes_are_refused(folder):
    with pytest.raises(ConfigError, match="outputs of this data are A, B"):
        run(write_run(folder), params(train={"class_weights": {"Z": 2.0}}))


def test_accumulation_takes_the_same_step_as_a_large_batch(folder):
    """Without batch statistics the gradients add up exactly; with them, nearly."""
    large = run(write_run(folder / "a"), params(train={"batch_size": 32, "epochs": 1}))
    small = run(
        write_run(folder / "b"), params(train={"batch_size": 16, "accumulate": 2, "epochs": 1})
    )
    assert small[0]["train"]["loss"] == pytest.approx(large[0]["train"]["loss"], abs=0.2)


def test_l2_on_the_head_adds_the_gradient_of_its_squared_weights(folder):
    """After one step of plain SGD the weights differ by lr * 2 * l2 * weight, in the head alone."""
    step = {"epochs": 1, "clip_norm": None, "batch_size": 64, "schedule": {"name": "none"}}
    step |= {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}}
    after = {}
    for l2 in (0.0, 0.05):
        paths = write_run(folder / str(l2))
        settings = params(train=step | {"head_l2": l2}, model={"dropout": 0.0})
        run(paths, settings)
        after[l2] = load_file(Path(paths.models) / "0" / "weights.safetensors")
    torch.manual_seed(settings.train.seed)
    for key, before in build(settings.model, 2, 32).named_parameters():
        expected = 0.1 * 2 * 0.05 * before if key == "head.1.weight" else torch.zeros_like(before)
        torch.testing.assert_close(after[0.0][key] - after[0.05][key], expected, atol=1e-6, rtol=0)


def test_unknown_labels_do_not_disturb_training(folder):
    paths = write_run(folder)
    text = Path(paths.manifest).read_text().splitlines()
    text[1] = text[1].rsplit(",", 1)[0] + ","
    Path(paths.manifest).write_text("\n".join(text) + "\n")
    assert np.isfinite(run(paths, params())[-1]["train"]["loss"])


@pytest.mark.slow
def test_two_processes_share_a_run(folder):
    paths = write_run(folder)
    script = folder / "two.py"
    script.write_text(
        "import sys\n"
        f"sys.path[:0] = [{str(ROOT / 'src')!r}, {str(ROOT / 'tests')!r}]\n"
        "from pathlib import Path\n"
        "from small_run import params, paths_in\n"
        "from thorax.train import train\n"
        "s = params(train={'devices': 2, 'epochs': 2})\n"
        "train(0, s.model, s.train, s.augment, paths_in(Path('.').absolute()))\n"
    )
    start = time.time()
    subprocess.run([sys.executable, str(script)], check=True, timeout=200)
    assert time.time() - start < 200
    assert len(history(paths)) == 2
