"""Evaluate: nothing from test chooses anything, and the table holds every number."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest

from small_run import params, write_run
from thorax.evaluate import evaluate
from thorax.io import read_csv
from thorax.metrics import classification
from thorax.metrics.calibration import fit_temperature
from thorax.metrics.summary import Predictions, intervals
from thorax.models.inference import load
from thorax.train.loop import train


@pytest.fixture(scope="module", params=["multi-label", "binary", "multi-class"])
def run(request, tmp_path_factory):
    """A trained and evaluated run of each task, with two folds."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        paths = write_run(folder, task=request.param, images=60, folds=2)
        settings = params()
        for fold in (0, 1):
            train(fold, settings.model, settings.train, settings.augment, paths)
        evaluate(settings.evaluate, [0, 1], paths)
    return request.param, paths, settings


def metrics(paths):
    return json.loads(Path(paths.metrics).read_text())


def numbers(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    else:
        yield value


def test_metrics_are_finite_numbers_null_or_flags_with_four_decimals(run):
    _, paths, _ = run
    for value in numbers(metrics(paths)):
        assert value is None or isinstance(value, bool | int | float)
        if isinstance(value, float):
            assert math.isfinite(value)
            assert round(value, 4) == value


def test_the_contract_of_names(run):
    _, paths, _ = run
    found = metrics(paths)
    for part in ("val", "test"):
        for name in classification.HEADLINE:
            assert {name, f"{name}_low", f"{name}_high"} <= set(found[part])
    assert found["protocol"]["leaky"] is False
    assert set(found["folds"]) == {"0", "1", "mean", "deviation"}


def test_everything_can_be_computed_again_from_the_table(run):
    task, paths, _ = run
    table = read_csv(Path(paths.predictions) / "test.csv")
    names = [c.removeprefix("p_") for c in table if c.startswith("p_")]
    y = table[[f"y_{n}" for n in names]].to_numpy(float)
    p = table[[f"p_{n}" for n in names]].to_numpy(float)
    decided = [row.split("|") for row in table["predicted"]]
    d = np.array([[float(n in row) for n in names] for row in decided])
    own = classification.overall(y, p, d, exclusive=task == "multi-class")
    for name, value in own.items():
        assert metrics(paths)["test"][name] == pytest.approx(value, abs=5.1e-5)


def test_validation_is_out_of_fold_and_covers_trainval_once(run):
    _, paths, _ = run
    split = read_csv(Path(paths.split))
    val = read_csv(Path(paths.predictions) / "val.csv")
    assert sorted(val["image_id"]) == sorted(split["image_id"][split["subset"] == "trainval"])


def test_intervals_hold_their_value(run):
    _, paths, _ = run
    test = metrics(paths)["test"]
    for name in ("auroc", "accuracy", "loss"):
        low, high = test[f"{name}_low"], test[f"{name}_high"]
        assert test[name] in (0, 1) if low is None else low <= test[name] <= high


def test_a_share_of_one_is_not_certain_and_others_hold_their_value(run):
    _, paths, _ = run
    found = json.loads((Path(paths.predictions) / "intervals.json").read_text())
    keys = ("auroc", "average_precision", "recall", "specificity", "precision", "f1")
    for part in ("val", "test"):
        for name, own in metrics(paths)[part]["per_class"].items():
            for key in keys:
                low, high = (found[part][name][key][end] for end in ("low", "high"))
                if own[key] == 1 and key not in ("recall", "specificity", "precision"):
                    assert low is None or low < 1
                else:
                    assert low <= own[key] <= high
                    assert low < 1


def test_the_interval_of_a_share_of_one_is_wilsons_over_patients():
    y = np.array([1.0, 1, 1, 1, 0, 0])[:, None]
    images = pd.DataFrame({"patient_id": list("aabbcd")})
    part = Predictions("multi-label", ["A"], images, y, 0.1 + 0.8 * y)
    _, found = intervals(part, y, params(evaluate={"bootstrap": 200}).evaluate)
    low, high = binomtest(2, 2).proportion_ci(method="wilson")  # two patients, not four images
    assert (found["A"]["recall"]["low"], found["A"]["recall"]["high"]) == (round(low, 4), high)
    assert 0 < found["A"]["recall"]["dropped"] < 50  # only the patients without it were drawn
    assert found["A"]["npv"]["low"] == found["A"]["recall"]["low"]


def frozen(paths):
    """Bytes of every file in the bundle."""
    folder = Path(paths.bundle)
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_the_bundle_holds_every_model_and_what_it_is_used_with(run):
    _, paths, _ = run
    each = ("model.json", "trained_on.json", "weights.safetensors")
    assert set(frozen(paths)) == {
        "operating_points.json", *(f"{fold}/{name}" for fold in (0, 1) for name in each),
    }  # fmt: skip
    bundle, network = load(Path(paths.bundle) / "1")
    _, trained = load(Path(paths.models) / "1")
    assert list(bundle.outputs) == list(json.loads(
        frozen(paths)["operating_points.json"])["thresholds"])  # fmt: skip
    for own, other in zip(network.parameters(), trained.parameters(), strict=True):
        assert torch.equal(own, other)


def test_permuting_the_test_labels_changes_nothing_that_is_frozen(run, monkeypatch, tmp_path):
    _, paths, settings = run
    before = frozen(paths)
    manifest, split = pd.read_csv(paths.manifest), pd.read_csv(paths.split)
    test = (split["subset"] == "test").to_numpy()
    labels = [c for c in manifest if c.startswith("label_")]
    shuffled = manifest.copy()
    shuffled.loc[test, labels] = manifest.loc[test, labels].to_numpy()[::-1]
    assert not shuffled.equals(manifest)
    changed = paths.model_copy(
        update={
            n: str(tmp_path / n) for n in ("manifest", "predictions", "bundle", "metrics", "plots")
        }
    )
    shuffled.to_csv(changed.manifest, index=False)
    evaluate(settings.evaluate, [0, 1], changed)
    assert metrics(changed)["test"] != metrics(paths)["test"]
    assert frozen(changed) == before


def test_the_temperature_is_of_validation_and_the_tables_stay_raw(run):
    task, paths, settings = run
    folder = Path(paths.predictions)
    points = json.loads((Path(paths.bundle) / "operating_points.json").read_text())
    found = json.loads((folder / "calibration.json").read_text())
    table = read_csv(folder / "val.csv")
    names = list(points["thresholds"])
    y = table[[f"y_{n}" for n in names]].to_numpy(float)
    p = table[[f"p_{n}" for n in names]].to_numpy(float)
    temperature, why = fit_temperature(y, p, task == "multi-class")
    assert points["temperature"] == temperature
    assert (temperature is None) == bool(why)
    assert found["val"]["log_loss"]["raw"] == metrics(paths)["val"]["loss"]
    for part in ("val", "test"):
        for name, own in metrics(paths)[part]["per_class"].items():
            judged = found[part]["per_class"][name]
            assert judged["sensitivity"] == own["recall"]
            assert judged["specificity"] == own["specificity"]
            assert judged["ppv"] == own["precision"]
            prevalences = [at["prevalence"] for at in judged["stated"]]
            assert prevalences == settings.evaluate.prevalences


def test_a_target_is_written_as_it_stands_in_the_parameters(run, tmp_path):
    _, paths, _ = run
    changed = paths.model_copy(
        update={n: str(tmp_path / n) for n in ("predictions", "bundle", "metrics", "plots")}
    )
    evaluate(params(evaluate={"threshold": {"sensitivity": 0.9}}).evaluate, [0, 1], changed)
    points = json.loads((Path(changed.bundle) / "operating_points.json").read_text())
    assert points["rule"] == {"sensitivity": 0.9}
    table = read_csv(Path(changed.predictions) / "val.csv")
    for name, threshold in points["thresholds"].items():
        present = table[f"p_{name}"].astype(float)[table[f"y_{name}"] == "1"]
        assert (present >= threshold).mean() >= 0.9


@pytest.mark.parametrize("task", ["multi-label", "binary", "multi-class"])
def test_without_a_test_part_its_metrics_are_undefined(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = write_run(tmp_path, task=task)
    split = pd.read_csv(paths.split, dtype={"patient_id": str})
    split["subset"] = "trainval"
    split.to_csv(paths.split, index=False)
    settings = params(train={"epochs": 1})
    train(0, settings.model, settings.train, settings.augment, paths)
    evaluate(settings.evaluate, [0], paths)
    found = metrics(paths)
    assert found["test"]["images"] == 0
    assert found["test"]["auroc"] is None
    assert found["val"]["auroc"] is not None


def test_the_surest_image_of_each_class_is_explained(run):
    _, paths, _ = run
    table = read_csv(Path(paths.predictions) / "test.csv")
    with np.load(Path(paths.predictions) / "gradcam.npz") as kept:
        maps = kept["maps"]
        explained = dict(zip(kept["outputs"].tolist(), kept["image_ids"].tolist(), strict=True))
        assert str(kept["layer"]).startswith("features")
    assert maps.shape == (len(explained), 32, 32)
    assert maps.max() == 255
    for name, image_id in explained.items():
        showing = table[table[f"y_{name}"] == "1"]
        surest = showing.loc[showing[f"p_{name}"].astype(float).idxmax(), "image_id"]
        assert image_id == surest


def test_without_a_test_part_the_first_model_is_probed_on_what_it_has_not_seen(tmp_path):
    paths = write_run(tmp_path, images=72, folds=2)
    split = pd.read_csv(paths.split, dtype={"image_id": str, "patient_id": str})
    whole = split.assign(subset="trainval", fold=(split["group"] % 3 == 0).astype(int))
    whole.to_csv(paths.split, index=False)
    settings = params(train={"epochs": 1})
    for fold in (0, 1):
        train(fold, settings.model, settings.train, settings.augment, paths)
    evaluate(settings.evaluate, [0, 1], paths)
    probes = json.loads((Path(paths.predictions) / "probes.json").read_text())
    own = whole[whole["fold"] == 0]
    assert probes["images"] == len(own) == 48
    with np.load(Path(paths.predictions) / "gradcam.npz") as kept:
        assert set(kept["image_ids"]) <= set(own["image_id"])
    found = json.loads((Path(paths.predictions) / "localisation.json").read_text())
    assert found["per_class"]["A"]["model"]["images"] <= 48
    assert metrics(paths)["val"]["images"] == 72
