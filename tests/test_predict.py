"""Predict: every model once, the same batches as in training, and the mean of probabilities."""

from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from scipy.special import expit, softmax
from torch import nn

import thorax.predict
from small_run import finished_run
from thorax.artifacts.data import SplitSummary
from thorax.artifacts.evaluation import PredictionsInfo
from thorax.artifacts.model import ModelFile, TrainedOn
from thorax.contamination import hashes
from thorax.dataset import open_dataset
from thorax.dataset.loader import Batches
from thorax.errors import IntegrityError
from thorax.io import read_csv, write_csv
from thorax.metrics.predictions import read_predictions
from thorax.models.inference import open_model, predict_logits, single_device
from thorax.predict import ensemble, predict, run_models
from thorax.tasks import TASKS

SATURATED = (-800.0, -45.0, -20.0, 0.5, 20.0, 45.0, 800.0)


def exact_log_odds(logits):
    """Log-odds of the mean of probabilities, with a thousand digits."""
    with localcontext() as context:
        context.prec = 1000
        odds = [Decimal(z).exp() for z in logits]
        p = sum(each / (1 + each) for each in odds) / len(odds)
        return float((p / (1 - p)).ln())


class TestEnsemble:
    @pytest.mark.parametrize("task", ["multi-label", "binary"])
    def test_is_the_log_odds_of_the_mean_probability(self, task):
        pairs = list(product(SATURATED, repeat=2))
        z = ensemble(task, np.array(pairs).T[:, :, None])[:, 0]
        expected = [exact_log_odds(pair) for pair in pairs]
        np.testing.assert_allclose(z, expected, rtol=1e-12, atol=1e-12)

    def test_is_the_logarithm_of_the_mean_softmax(self):
        z = np.random.default_rng(0).normal(0, 3, (3, 50, 4))
        found = ensemble("multi-class", z)
        expected = softmax(z, axis=2).mean(axis=0)
        np.testing.assert_allclose(softmax(found, axis=1), expected, rtol=1e-12)
        certain = ensemble("multi-class", np.array([[[900.0, 0, 0]], [[1000.0, 0, 0]]]))
        np.testing.assert_allclose(certain[0], [0, -900 - np.log(2), -900 - np.log(2)], rtol=1e-12)

    @pytest.mark.parametrize("task", list(TASKS))
    def test_of_one_model_is_its_own(self, task):
        z = np.random.default_rng(0).normal(0, 50, (1, 20, 3))
        np.testing.assert_array_equal(ensemble(task, z), z[0])


class Counting(nn.Module):
    """Remembers how many images it gets at once."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x_BCHW):  # noqa: N803
        self.sizes.append(len(x_BCHW))
        return x_BCHW.mean(dim=(1, 2, 3))[:, None]


@pytest.mark.parametrize("images", [1, 16, 17, 33])
def test_no_batch_is_larger_than_asked_for_and_rows_keep_their_order(images):
    pixels = np.arange(40, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    batches = Batches(pixels, [0.0], [1 / 255], torch.device("cpu"), channels_last=False)
    network, rows = Counting(), np.random.default_rng(0).permutation(40)[:images]
    z = predict_logits(Fabric(devices=1), network, batches, rows, 16)
    np.testing.assert_allclose(z[:, 0], rows, atol=1e-4)
    assert sum(network.sizes) == images
    assert max(network.sizes) <= 16


def test_a_model_predicts_in_the_batches_it_was_trained_in(monkeypatch):
    """What training could hold, prediction can; 256 at once once needed 51 GB."""
    paths, settings = finished_run("multi-label", folds=2)
    network = Counting()

    def counted(folder, dataset, fabric):
        model, _, batches = open_model(folder, dataset, fabric)
        return model, network, batches

    monkeypatch.setattr(thorax.predict, "open_model", counted)
    dataset = open_dataset(paths)
    run_models(dataset, [Path(paths.models) / "0"], [[np.arange(len(dataset.table))]])
    assert sum(network.sizes) == 60
    assert max(network.sizes) <= settings.train.batch_size == 16


def test_a_study_may_have_augmented_its_test_images(monkeypatch):
    """Only where `predict` reruns the study: another evaluation sees the images as they are."""
    paths, _ = finished_run("multi-label", folds=2)

    def studied(folder, dataset, fabric):
        model, network, batches = open_model(folder, dataset, fabric)
        augment = model.training.augment.model_copy(update={"test": True, "rotation": 90.0})
        training = model.training.model_copy(update={"augment": augment})
        return model.model_copy(update={"training": training}), network, batches

    monkeypatch.setattr(thorax.predict, "open_model", studied)
    dataset = open_dataset(paths)
    rows = np.arange(len(dataset.table))
    folder = Path(paths.models) / "0"
    ((plain, also_plain),) = run_models(dataset, [folder], [[rows, rows]])
    ((val, test),) = run_models(dataset, [folder], [[rows, rows]], as_studied=True)
    np.testing.assert_array_equal(plain, also_plain)
    np.testing.assert_array_equal(plain, val)
    assert np.abs(plain - test).max() > 1e-3


@pytest.fixture(params=list(TASKS))
def run(request):
    """A finished run of each task, with two folds."""
    return finished_run(request.param, folds=2)[0]


def of(paths, subset):
    info = PredictionsInfo.read(Path(paths.predictions) / "predictions.json")
    return read_predictions(Path(paths.predictions) / f"{subset}.csv", info.task, info.outputs)


def test_test_is_the_folds_mean_probability_and_every_fold_is_kept(run):
    test = of(run, "test")
    columns = [f"logit_{name}" for name in test.outputs]
    table = read_csv(Path(run.predictions) / "test_by_fold.csv", ["fold", *columns])
    z = np.stack([rows[columns].to_numpy(float) for _, rows in table.groupby("fold")])
    assert z.shape == (2, *test.z.shape)
    p = softmax(z, axis=2) if test.task.exclusive else expit(z)
    np.testing.assert_allclose(test.p, p.mean(axis=0), rtol=1e-9)
    assert not np.array_equal(z[0], z[1])
    for fold, rows in table.groupby("fold"):
        assert rows["image_id"].tolist() == test.images["image_id"].tolist(), fold


def test_validation_is_out_of_fold_by_the_model_that_did_not_see_it(run):
    dataset, val = open_dataset(run), of(run, "val")
    assert val.images["fold"].tolist() == sorted(val.images["fold"])
    fabric = single_device()
    for fold in (0, 1):
        rows = dataset.rows("val", fold)
        model, network, batches = open_model(Path(run.models) / str(fold), dataset, fabric)
        z = predict_logits(fabric, network, batches, rows, model.training.train.batch_size)
        part = val.take(val.images["fold"] == fold)
        assert part.images["image_id"].tolist() == dataset.table["image_id"].iloc[rows].tolist()
        np.testing.assert_array_equal(part.y, dataset.targets[rows])
        np.testing.assert_allclose(part.z, z, atol=1e-5)


def test_what_no_fold_trained_on_is_predicted_by_all_of_them():
    run, _ = finished_run("multi-label", folds=2, val=True)
    dataset, val = open_dataset(run), of(run, "val")
    assert set(val.images["subset"]) == {"val"}
    rows = dataset.held_out("val")
    models = [Path(run.models) / str(fold) for fold in (0, 1)]
    p = [expit(z) for (z,) in run_models(dataset, models, [[rows]] * 2)]
    np.testing.assert_allclose(val.p, np.mean(p, axis=0), rtol=1e-5)
    seen = TrainedOn.read(models[0] / "trained_on.json").images
    assert set(hashes("image", dataset.table["sha256"].iloc[rows])) <= set(seen)


def test_it_says_what_the_tables_are_of(run):
    info = PredictionsInfo.read(Path(run.predictions) / "predictions.json")
    assert (info.folds, info.leaky, info.contaminated) == ([0, 1], False, False)
    assert info.out_of_fold
    assert info.outputs == ModelFile.read(Path(run.models) / "0" / "model.json").outputs
    columns = list(read_csv(Path(run.predictions) / "test.csv"))
    first = info.outputs[0]
    assert columns[:5] == ["image_id", "patient_id", "sha256", "subset", "fold"]
    assert columns[5:8] == [f"y_{first}", f"p_{first}", f"logit_{first}"]


def test_a_model_of_other_classes_is_refused():
    paths, _ = finished_run("multi-label", folds=2)
    dataset = replace(open_dataset(paths), outputs=["A", "C"])
    with pytest.raises(IntegrityError, match="trained on other classes"):
        run_models(dataset, [Path(paths.models) / "0"], [[np.arange(4)]])


def test_a_model_trained_on_test_patients_is_refused_or_marked(tmp_path):
    paths, _ = finished_run("multi-label", folds=2)
    changed = paths.model_copy(
        update={name: str(tmp_path / name) for name in ("split", "split_summary", "predictions")}
    )
    table = read_csv(Path(paths.split))
    swapped = table.assign(subset=table["subset"].map({"test": "trainval", "trainval": "test"}))
    swapped["fold"] = np.where(swapped["subset"] == "test", "-1", "0")
    swapped.loc[swapped.index[swapped["subset"] == "trainval"][::2], "fold"] = "1"
    write_csv(swapped, Path(changed.split))
    summary = SplitSummary.read(Path(paths.split_summary))
    summary.write(Path(changed.split_summary))
    message = r"was trained on patients of 50 of the 50 .* split\.on_leak: warn"
    with pytest.raises(IntegrityError, match=message):
        predict([0, 1], changed)
    summary.model_copy(update={"leaky": True}).write(Path(changed.split_summary))
    predict([0, 1], changed)
    info = PredictionsInfo.read(Path(changed.predictions) / "predictions.json")
    assert (info.leaky, info.contaminated) == (True, True)
