"""Training learns, stops, restores, and goes on after a kill as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from small_run import ROOT, finished_run, params, train_folds, write_run
from thorax.artifacts.model import ModelFile
from thorax.dataset import open_dataset
from thorax.dataset.loader import Batches
from thorax.errors import BusyError, ConfigError, NumericsError
from thorax.io import locked
from thorax.models.build import build
from thorax.models.inference import open_model, predict_logits, single_device
from thorax.train import loop, train
from thorax.train.setup import open_run, require_full_batches

CHECKPOINTS = Path(".dvc/tmp/checkpoints")
EXACT = {"atol": 0, "rtol": 0}
# Without clipping, momentum, decay, dropout and batch statistics, a step of SGD is the mean
# gradient over the images times the learning rate.
ADDITIVE = {"name": "cnn-baseline", "dropout": 0.0}
PLAIN_SGD = {
    "max_grad_norm": None,
    "schedule": {"name": "none"},
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def history(paths, fold=0):
    return ModelFile.read(Path(paths.models) / str(fold) / "model.json").training.history


def weights(paths, fold=0):
    return load_file(Path(paths.models) / str(fold) / "weights.safetensors")


def run(paths, settings, fold=0, *, keep=False):
    """Train and, so that the next one trains again, forget that it was."""
    train(fold, settings.model, settings.train, settings.augment, paths)
    if not keep:
        shutil.rmtree(CHECKPOINTS)
    return history(paths, fold)


def opened(paths, settings):
    return open_run(0, settings.model, settings.train, settings.augment, paths)


def assert_same_weights(paths, others, **tolerance):
    expected = weights(others)
    for key, value in weights(paths).items():
        torch.testing.assert_close(value, expected[key], **tolerance)


@pytest.mark.parametrize("task", ["multi-label", "binary", "multi-class"])
def test_an_easy_task_is_learned(folder, task):
    paths = write_run(folder, images=96, task=task)
    epochs = run(paths, params(train={"epochs": 12, "patience": 12}, augment={"shift": 0.0}))
    assert max(epoch.val["auroc"] for epoch in epochs) > 0.9
    assert epochs[-1].train["loss"] < epochs[0].train["loss"]


def test_the_best_weights_are_kept_and_patience_ends_the_run(folder):
    """What is kept is what a run that ends with the best epoch ends with."""
    wild = {"optimizer": {"lr": 0.05}, "schedule": {"name": "none"}}
    long, short = write_run(folder / "long"), write_run(folder / "short")
    epochs = run(long, params(train=wild | {"epochs": 40, "patience": 2}))
    best = max(i for i, epoch in enumerate(epochs) if epoch.best)
    assert len(epochs) < 40
    assert len(epochs) - 1 - best == 2
    assert epochs[best].val["loss"] == min(epoch.val["loss"] for epoch in epochs)
    ended = run(short, params(train=wild | {"epochs": best + 1, "patience": 99}))
    assert epochs[: best + 1] == ended
    assert_same_weights(long, short, **EXACT)


def test_two_runs_give_the_same_bytes(folder):
    runs = [write_run(folder / name) for name in "ab"]
    for paths in runs:
        run(paths, params())
    for name in ("weights.safetensors", "model.json"):
        first, second = (Path(paths.models) / "0" / name for paths in runs)
        assert first.read_bytes() == second.read_bytes()


def test_a_finished_run_leaves_only_what_its_model_can_be_written_from():
    paths, _ = finished_run()
    (checkpoint,) = (Path(paths.models).parent / CHECKPOINTS).iterdir()
    assert [path.name for path in checkpoint.glob("*.pt")] == ["finished.pt"]


def test_a_model_that_could_not_be_written_is_there_after_no_more_epochs(
    folder, monkeypatch, capsys
):
    """The checkpoint was deleted first: a full disk at the end cost every epoch."""
    paths = write_run(folder)
    with monkeypatch.context() as broken:
        broken.setattr(loop, "save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            run(paths, params())
    monkeypatch.setattr(loop, "train_epoch", None)
    capsys.readouterr()
    expected = run(paths, params(), keep=True)
    assert "trained before; to train again, delete" in capsys.readouterr().out
    weights = Path(paths.models) / "0" / "weights.safetensors"
    once = weights.read_bytes()
    shutil.rmtree(paths.models)  # as DVC does before it runs a stage again
    assert run(paths, params()) == expected
    assert weights.read_bytes() == once


def test_few_finished_runs_are_kept(folder, monkeypatch):
    monkeypatch.setattr("thorax.train.checkpoint.KEPT", 2)
    paths = write_run(folder)
    for epochs in (1, 2, 3):
        run(paths, params(train={"epochs": epochs}), keep=True)
    assert len(list(CHECKPOINTS.glob("*/finished.pt"))) == 2


def interrupt_after(epochs, paths, settings, monkeypatch):
    """Train so many epochs, and give back the folder of the checkpoint."""
    real = loop.train_epoch

    def interrupting(*arguments):
        if arguments[-1] == epochs:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "train_epoch", interrupting)
        run(paths, settings)
    (checkpoint,) = CHECKPOINTS.iterdir()
    return checkpoint


def flipped(path):
    """Turn one bit of a tensor around."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-500])


class Payload:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def replaced_by_code(path):
    torch.save({"state": Payload()}, path)


@pytest.mark.parametrize("damage", [flipped, truncated, replaced_by_code])
def test_a_damaged_checkpoint_is_left_aside_for_the_one_before(folder, monkeypatch, capsys, damage):
    settings = params(train={"epochs": 4, "patience": 9})
    whole, damaged = write_run(folder / "whole"), write_run(folder / "damaged")
    checkpoint = interrupt_after(3, damaged, settings, monkeypatch)
    damage(checkpoint / "state.pt")
    capsys.readouterr()
    result = run(damaged, settings)
    printed = capsys.readouterr().out
    assert "state.pt is damaged; it is left aside" in printed
    assert "resuming at epoch 3 of 4" in printed
    assert not Path("executed").exists()
    assert run(whole, settings) == result
    assert_same_weights(damaged, whole, **EXACT)


def test_with_no_whole_checkpoint_a_run_starts_from_the_beginning(folder, monkeypatch, capsys):
    paths, settings = write_run(folder), params(train={"epochs": 3, "patience": 9})
    checkpoint = interrupt_after(2, paths, settings, monkeypatch)
    for name in ("state.pt", "previous.pt"):
        truncated(checkpoint / name)
    capsys.readouterr()
    run(paths, settings)
    assert "epoch   1 of 3" in capsys.readouterr().out


def test_no_checkpoint_is_resumed_on_other_pixels(folder):
    paths = write_run(folder)
    before = opened(paths, params()).identity
    pixels = np.load(Path(paths.cache) / "images.npy", mmap_mode="r+")
    pixels[0, 0, 0] ^= 1
    pixels.flush()
    assert opened(paths, params()).identity != before


PHASES = [
    {"name": "head", "trainable": "head", "epochs": 2},
    {"name": "all", "epochs": 3, "schedule": {"name": "plateau", "patience": 0}},
]


@pytest.mark.parametrize("phases", [[], PHASES], ids=["one phase", "two phases"])
@pytest.mark.parametrize("interrupted", [1, 2, 4])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    folder, monkeypatch, capsys, phases, interrupted
):
    settings = params(train={"epochs": 5, "patience": 9, "phases": phases})
    whole, resumed = write_run(folder / "whole"), write_run(folder / "resumed")
    expected = run(whole, settings)
    real, trained = loop.train_epoch, []

    def interrupting(*arguments):
        metrics = real(*arguments)
        trained.append(arguments[-1])
        if trained == list(range(interrupted + 1)):
            raise KeyboardInterrupt  # the epoch is done and not yet saved
        return metrics

    monkeypatch.setattr(loop, "train_epoch", interrupting)
    with pytest.raises(KeyboardInterrupt):
        run(resumed, settings)
    assert "same command goes on after the last finished epoch" in capsys.readouterr().err
    torch.manual_seed(123)  # whatever happened in between
    assert run(resumed, settings) == expected
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("cnn5 (")
    assert " on CPU, 1 thread, fp32; 32 × 32 pixels, batches of 16; " in printed[0]
    assert printed[1] == f"resuming at epoch {interrupted + 1} of 5"
    assert printed[2].startswith(f"epoch   {interrupted + 1} of 5  train loss ")
    assert all(
        (" left" in line) == (" 5 of 5 " not in line) for line in printed[2 : 7 - interrupted]
    )
    assert trained == [*range(interrupted + 1), *range(interrupted, 5)]
    assert_same_weights(resumed, whole, **EXACT)


KILLED = """
import sys, time
sys.path[:0] = {folders!r}
from pathlib import Path
from small_run import params, paths_in
from thorax.train import loop
real = loop.train_epoch
def slow(*arguments):
    if arguments[-1] == 3:
        print("in the fourth epoch", flush=True); time.sleep(600)
    return real(*arguments)
if sys.argv[1] == "die": loop.train_epoch = slow
s = params(train={train!r})
loop.train(0, s.model, s.train, s.augment, paths_in(Path("killed").absolute()))
"""


def test_a_killed_process_goes_on_to_the_same_bits(folder):
    changes = {"epochs": 5, "patience": 9, "phases": PHASES}
    whole, killed = write_run(folder / "whole"), write_run(folder / "killed")
    expected = run(whole, params(train=changes))
    script = folder / "run.py"
    folders = [str(ROOT / "src"), str(ROOT / "tests")]
    script.write_text(KILLED.format(folders=folders, train=changes))
    with subprocess.Popen(
        [sys.executable, script, "die"], stdout=subprocess.PIPE, text=True
    ) as started:
        assert any("in the fourth" in line for line in started.stdout)
        os.kill(started.pid, signal.SIGKILL)
    assert len(list(CHECKPOINTS.iterdir())) == 1
    out = subprocess.run(
        [sys.executable, script, "go"], capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stderr
    assert "epoch   4" in out.stdout
    assert "epoch   3" not in out.stdout
    assert history(killed) == expected
    assert_same_weights(killed, whole, **EXACT)
    curves = [Path(p.curves) / "0/plots/metrics/val/loss.tsv" for p in (whole, killed)]
    assert curves[0].read_text() == curves[1].read_text()


def test_other_settings_or_data_never_resume(folder):
    paths = write_run(folder / "a")
    base = opened(paths, params()).identity
    assert opened(paths, params()).identity == base
    assert opened(paths, params(train={"optimizer": {"lr": 0.003}})).identity != base
    assert opened(paths, params(augment={"shift": 0.2})).identity != base
    assert opened(write_run(folder / "b", seed=1), params()).identity != base


def test_the_same_run_twice_at_once_is_refused(folder):
    paths = write_run(folder)
    lock = CHECKPOINTS / opened(paths, params()).identity[:32] / "lock"
    with locked(lock, "x"), pytest.raises(BusyError):
        run(paths, params())


def test_a_loss_that_is_no_number_ends_the_run(folder):
    settings = params(train={"optimizer": {"name": "sgd", "lr": 1e30}, "max_grad_norm": None})
    with pytest.raises(NumericsError, match=r"optimizer\.lr"):
        run(write_run(folder), settings)


def test_weights_of_unknown_classes_are_refused(folder):
    with pytest.raises(ConfigError, match="outputs of this data are A, B"):
        run(write_run(folder), params(train={"class_weights": {"Z": 2.0}}))


def test_a_later_phase_that_makes_it_worse_is_not_kept(folder):
    """The weights are those of a run that ends after the first phase."""
    first = {"epochs": 3, "schedule": {"name": "none"}}
    wild = {"name": "wild", "epochs": 2, "optimizer": {"name": "sgd", "lr": 3.0}}
    one, two = write_run(folder / "one"), write_run(folder / "two")
    run(one, params(train=first))
    epochs = run(two, params(train=first | {"phases": [{"name": "good"}, wild]}))
    assert [epoch.phase for epoch in epochs] == [0, 0, 0, 1, 1]
    assert min(epoch.val["loss"] for epoch in epochs[3:]) > epochs[2].val["loss"]
    assert not any(epoch.best for epoch in epochs[3:])
    assert_same_weights(two, one, **EXACT)


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "none", "plateau"])
def test_a_schedule_over_all_epochs_is_not_cut_by_patience(folder, name):
    """SGD with a rate of nothing never gets better."""
    still = {"name": "sgd", "lr": 1e-30}
    changes = {"epochs": 4, "patience": 1, "schedule": {"name": name}, "optimizer": still}
    epochs = run(write_run(folder), params(train=changes, model={"name": "cnn-baseline"}))
    assert len(epochs) == (4 if name in ("one_cycle", "cosine") else 2)


@pytest.mark.parametrize("kind", ["with_l2", "weighted"])
def test_what_a_study_monitored_chooses_the_epoch(folder, kind):
    """Keras adds the head's L2 to the validation loss; others use the weighted loss again."""
    paths = write_run(folder, task="multi-class")
    changes = {"monitored_loss": kind, "head_l2": 0.01, "class_weights": {"A": 5.0}, "epochs": 1}
    (epoch,) = run(paths, params(train=changes))
    if kind == "with_l2":
        expected = epoch.val["loss"] + 0.01 * float(weights(paths)["head.1.weight"].square().sum())
    else:
        z, y = logits_and_labels(paths)
        expected = float(cross_entropy(z.float(), y, torch.tensor([5.0, 1.0, 1.0])))
    assert epoch.val["monitored_loss"] == pytest.approx(expected, abs=1e-4)


def logits_and_labels(paths):
    """Of the validation images, as the saved model has them."""
    dataset, fabric = open_dataset(paths), single_device()
    rows = dataset.rows("val", 0)
    _, network, batches = open_model(Path(paths.models) / "0", dataset, fabric)
    z = predict_logits(fabric, network, batches, rows, 16)
    return torch.tensor(z), torch.tensor(dataset.targets[rows].argmax(axis=1))


@pytest.mark.parametrize("task", ["multi-label", "multi-class"])
def test_accumulation_takes_the_same_step_whatever_the_loss_weighs(folder, task):
    """Batches of unequal weight: softmax with class weights, labels of which half are unknown."""
    step = PLAIN_SGD | {"epochs": 1, "class_weights": {"A": 8.0}}
    taken = {}
    for batch_size, steps in ((32, 1), (8, 4), (16, 8)):
        paths = write_run(folder / str(batch_size), task=task)
        if task == "multi-label":
            manifest = pd.read_csv(paths.manifest)
            manifest.loc[manifest.index % 4 < 2, "label_B"] = np.nan
            manifest.to_csv(paths.manifest, index=False)
        changes = step | {"batch_size": batch_size, "grad_accum_steps": steps}
        run(paths, params(model=ADDITIVE, train=changes))
        taken[batch_size] = paths
    for batch_size in (8, 16):
        assert_same_weights(taken[batch_size], taken[32], atol=1e-6, rtol=0)
        losses = [history(taken[size])[0].train["loss"] for size in (batch_size, 32)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.parametrize("steps", [2, 8], ids=["full", "cut short by the epoch"])
def test_accumulation_takes_the_same_step_as_a_large_batch(folder, steps):
    """32 training images: one batch, or the mean gradient of two batches."""
    large, small = write_run(folder / "large"), write_run(folder / "small")
    one = PLAIN_SGD | {"epochs": 1}
    run(large, params(model=ADDITIVE, train=one | {"batch_size": 32}))
    run(small, params(model=ADDITIVE, train=one | {"batch_size": 16, "grad_accum_steps": steps}))
    assert_same_weights(small, large, atol=1e-6, rtol=0)
    torch.manual_seed(params().train.seed)
    start = build(params(model=ADDITIVE).model, 2, 32).state_dict()
    moved = max((value - start[key]).abs().max() for key, value in weights(large).items())
    assert moved > 1e-3  # there was a step to compare


def test_l2_on_the_head_adds_the_gradient_of_its_squared_weights(folder):
    """After one step of plain SGD the weights differ by lr * 2 * l2 * weight, in the head alone."""
    after = {}
    for l2 in (0.0, 0.05):
        paths = write_run(folder / str(l2))
        step = PLAIN_SGD | {"epochs": 1, "batch_size": 64, "head_l2": l2}
        settings = params(train=step, model={"dropout": 0.0})
        run(paths, settings)
        after[l2] = weights(paths)
    torch.manual_seed(settings.train.seed)
    for key, before in build(settings.model, 2, 32).named_parameters():
        expected = 0.1 * 2 * 0.05 * before if key == "head.1.weight" else torch.zeros_like(before)
        torch.testing.assert_close(after[0.0][key] - after[0.05][key], expected, atol=1e-6, rtol=0)


def test_unknown_labels_do_not_disturb_training(folder):
    paths = write_run(folder)
    text = Path(paths.manifest).read_text().splitlines()
    text[1] = text[1].rsplit(",", 1)[0] + ","
    Path(paths.manifest).write_text("\n".join(text) + "\n")
    assert np.isfinite(run(paths, params())[-1].train["loss"])


def test_no_network_sees_more_images_at_once_than_the_batch_size(folder, monkeypatch):
    """Whatever fits into memory in training fits in validation and prediction."""
    sizes = set()
    stream = Batches.stream

    def recorded(self, batches, *arguments):
        sizes.update(map(len, batches))
        return stream(self, batches, *arguments)

    monkeypatch.setattr(Batches, "stream", recorded)
    train_folds(write_run(folder), params(train={"epochs": 1, "batch_size": 4}), [0])
    assert max(sizes) == 4


@pytest.mark.parametrize(
    ("images", "batch_size", "phases", "most"),
    [
        (32, 32, [], 32),
        (33, 32, [], 16),  # two batches of 17 and 16
        (10, 32, [], 10),
        (64, 32, [{"batch_size": 4}], 4),
        (64, 4, [{"batch_size": 32}], 32),
    ],
)
def test_every_process_needs_an_image_of_every_batch(images, batch_size, phases, most):
    settings = params(train={"batch_size": batch_size, "phases": phases}).train
    require_full_batches(images, settings, most)
    with pytest.raises(ConfigError, match=rf"{most} images cannot feed {most + 1} processes"):
        require_full_batches(images, settings, most + 1)


def test_more_processes_than_images_in_a_batch_are_refused_before_training(folder, monkeypatch):
    monkeypatch.setattr(Fabric, "world_size", property(lambda self: 8))
    with pytest.raises(ConfigError, match=r"4 images cannot feed 8 processes.*train\.batch_size"):
        opened(write_run(folder), params(train={"batch_size": 4}))


TWO = """
import sys
sys.path[:0] = {folders!r}
from pathlib import Path
from small_run import params, paths_in
from thorax.train import train
s = params(model={model!r}, train={train!r} | {{"devices": 2}})
train(0, s.model, s.train, s.augment, paths_in(Path("two").absolute()))
"""


@pytest.mark.slow
def test_two_processes_train_what_one_does(folder):
    one, two = write_run(folder / "one"), write_run(folder / "two")
    changes = PLAIN_SGD | {"epochs": 2}
    expected = run(one, params(model=ADDITIVE, train=changes))
    script = folder / "two.py"
    folders = [str(ROOT / "src"), str(ROOT / "tests")]
    script.write_text(TWO.format(folders=folders, model=ADDITIVE, train=changes))
    subprocess.run([sys.executable, str(script)], check=True, timeout=300)
    assert_same_weights(two, one, atol=1e-5, rtol=0)
    for epoch, alone in zip(history(two), expected, strict=True):
        assert epoch.val == pytest.approx(alone.val, abs=1e-4)
