"""A bundle on other images: own classes, preprocessing and thresholds, no known patients."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from small_run import params, write_run
from thorax.cli import main
from thorax.compare.external import evaluate_bundle, with_data
from thorax.errors import ConfigError, DataError, IntegrityError
from thorax.evaluate import evaluate
from thorax.io import read_csv, sha256_file
from thorax.models.bundle import POINTS
from thorax.models.trained_on import FILE, hashes
from thorax.train.loop import train

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Two folds that tell class A (a bright square) from class B (stripes)."""
    folder = tmp_path_factory.mktemp("trained")
    paths = write_run(folder, images=60, task="binary", folds=2)
    settings = params(train={"epochs": 4}, augment={"shift": 0.0})
    for fold in (0, 1):
        train(fold, settings.model, settings.train, settings.augment, paths)
    evaluate(settings.evaluate, [0, 1], paths)
    return Path(paths.bundle)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with the shipped settings and 24 other images of the classes."""
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, name)
    write_images(tmp_path / "images", "AB")
    return ["data.source=folder", f"data.path={tmp_path / 'images'}", "data.positive=A"]


def write_images(folder, classes):
    rng = np.random.default_rng(5)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(12):
            image = rng.integers(0, 80, (64, 64)).astype(np.uint8)
            if name == classes[0]:
                image[16:40, 16:40] += 120
            else:
                image[::8] += 90
            cv2.imwrite(str(folder / name / f"{name}{i:02}.png"), image)


def test_metrics_are_those_of_the_predictions_at_the_frozen_thresholds(bundle, elsewhere):
    shown = evaluate_bundle(bundle, elsewhere, Path("out"), forced=False)
    found = json.loads(Path("out/metrics.json").read_text())
    table = read_csv(Path("out/predictions.csv"), ["y_A", "p_A"])
    assert len(table) == found["external"]["images"] == 24
    assert table["y_A"].sum() == 12
    assert found["external"]["auroc"] == round(roc_auc_score(table["y_A"], table["p_A"]), 4)
    frozen = json.loads((bundle / POINTS).read_text())["thresholds"]["A"]
    assert ((table["p_A"] >= frozen) == (table["predicted"] == "A")).all()
    assert found["external"]["per_class"]["A"]["threshold"] == round(frozen, 4)
    assert found["protocol"]["contaminated"] is False
    assert f"{found['external']['auroc']:.4f} (" in shown


def test_both_folds_models_are_asked(bundle, elsewhere, tmp_path):
    evaluate_bundle(bundle, elsewhere, Path("both"), forced=False)
    shutil.copytree(bundle, tmp_path / "one")
    shutil.rmtree(tmp_path / "one" / "1")
    evaluate_bundle(tmp_path / "one", elsewhere, Path("one-out"), forced=False)
    both, one = (read_csv(Path(f) / "predictions.csv", ["p_A"])["p_A"] for f in ("both", "one-out"))
    assert not np.allclose(both, one)


def test_known_images_are_refused_and_marked_when_forced(bundle, elsewhere, tmp_path):
    known = shutil.copytree(bundle, tmp_path / "known")
    image = tmp_path / "images" / "A" / "A03.png"
    kept = json.loads((known / "1" / FILE).read_text())
    kept["images"] = hashes("image", [sha256_file(image)])
    (known / "1" / FILE).write_text(json.dumps(kept))
    with pytest.raises(IntegrityError, match=r"1 images themselves.*--forced"):
        evaluate_bundle(known, elsewhere, Path("out"), forced=False)
    shown = evaluate_bundle(known, elsewhere, Path("out"), forced=True)
    assert "CONTAMINATED" in shown
    assert json.loads(Path("out/metrics.json").read_text())["protocol"]["contaminated"] is True


def test_patients_of_the_same_name_elsewhere_are_others(bundle, elsewhere):
    """The bundle's come from another source; there `0` is somebody else."""
    kept = json.loads((bundle / "0" / FILE).read_text())["patients"]
    assert hashes("patient", ["squares:0"])[0] in kept
    assert hashes("patient", ["folder:0"])[0] not in kept


def test_data_without_any_of_its_classes_is_refused(bundle, elsewhere, tmp_path):
    write_images(tmp_path / "others", "CD")
    with pytest.raises(DataError, match=r"classes \(A\); it has C, D"):
        evaluate_bundle(
            bundle, [elsewhere[0], f"data.path={tmp_path / 'others'}"], Path("out"), forced=False
        )


@pytest.mark.parametrize("setting", ["train.epochs=3", "data.nothing=1", "data"])
def test_nothing_but_the_data_may_be_chosen(elsewhere, setting):
    with pytest.raises(ConfigError, match=r"only the data may be chosen here: data\.source"):
        with_data([setting])


def test_a_wrong_value_is_told_like_one_in_the_file(elsewhere):
    with pytest.raises(ConfigError, match=r"data\.source"):
        with_data(["data.source=nowhere"])


def test_what_is_no_bundle_is_told(elsewhere, tmp_path, monkeypatch, capsys):
    words = ["thorax", "evaluate", str(tmp_path), *(w for s in elsewhere for w in ("-S", s))]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code != 0
    assert POINTS in capsys.readouterr().err
