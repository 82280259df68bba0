"""A bundle on other images: its classes, preprocessing and thresholds, no known patients."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from small_run import ROOT, finished_run
from thorax.artifacts.evaluation import Results
from thorax.artifacts.model import OperatingPoints, TrainedOn
from thorax.cli import main
from thorax.compare.external import evaluate_bundle
from thorax.config import load_paths
from thorax.contamination import FILE, hashes
from thorax.errors import ConfigError, DataError, IntegrityError
from thorax.evaluate import POINTS, freeze
from thorax.io import sha256_file
from thorax.metrics.predictions import read_decided
from thorax.near_duplicates import fingerprint


@pytest.fixture
def bundle():
    """Two folds that distinguish class A (a bright square) from class B (stripes)."""
    return Path(finished_run("binary", folds=2)[0].bundle)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with the shipped settings and 24 other images; the overrides that name them."""
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
            if name == "A":
                image[16:40, 16:40] += 120
            else:
                image[::8] += 90
            cv2.imwrite(str(folder / name / f"{name}{i:02}.png"), image)


def evaluated(bundle, overrides, to="out", *, forced=False):
    """What is shown, the metrics, what is said about them, and the predictions."""
    shown = evaluate_bundle(bundle, overrides, Path(to), forced=forced)
    results = Results.read(Path(to) / "evaluation/results.json")
    return shown, results.test, results, read_decided(Path(to) / "evaluation/test.csv")


def test_metrics_are_those_of_the_predictions_at_the_frozen_thresholds(bundle, elsewhere):
    shown, metrics, about, table = evaluated(bundle, elsewhere)
    assert len(table) == metrics.images == 24
    assert table["y_A"].sum() == 12
    auroc = metrics.metrics["auroc"].value
    assert auroc == round(roc_auc_score(table["y_A"], table["p_A"]), 4)
    frozen = OperatingPoints.read(bundle / POINTS).thresholds["A"]
    assert ((table["p_A"] >= frozen) == (table["predicted"] == "A")).all()
    assert metrics.classes["A"].threshold == frozen
    assert (about.contaminated, about.patients_unknown, about.val.images) == (False, True, 0)
    assert f"{auroc:.4f}" in shown
    assert "CONTAMINATED" not in shown


def frozen_again(bundle):
    freeze(bundle, OperatingPoints.read(bundle / POINTS))


def test_both_folds_models_are_used(bundle, elsewhere, tmp_path):
    both = evaluated(bundle, elsewhere)[-1]
    for fold in "01":
        alone = shutil.copytree(bundle, tmp_path / fold)
        shutil.rmtree(alone / ("1" if fold == "0" else "0"))
        frozen_again(alone)
        one = evaluated(alone, elsewhere, f"out-{fold}")[-1]
        assert not np.allclose(both["p_A"], one["p_A"])


def test_known_images_are_refused_and_marked_when_forced(bundle, elsewhere, tmp_path):
    known = shutil.copytree(bundle, tmp_path / "known")
    image = hashes("image", [sha256_file(tmp_path / "images" / "A" / "A03.png")])
    trained_on = TrainedOn.read(known / "1" / FILE)
    trained_on.model_copy(update={"images": image}).write(known / "1" / FILE)
    frozen_again(known)
    with pytest.raises(IntegrityError, match=r"on 1 of these images.*--forced"):
        evaluated(known, elsewhere)
    shown, _, about, _ = evaluated(known, elsewhere, forced=True)
    assert "CONTAMINATED" in shown
    assert about.contaminated


def test_a_known_image_is_recognized_re_encoded_and_under_another_name(bundle, elsewhere, tmp_path):
    known = shutil.copytree(bundle, tmp_path / "known")
    path = tmp_path / "images" / "A" / "A03.png"
    digest = fingerprint(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))[0].tobytes().hex()
    trained_on = TrainedOn.read(known / "1" / FILE)
    trained_on.model_copy(update={"pictures": [digest]}).write(known / "1" / FILE)
    frozen_again(known)
    image = cv2.resize(cv2.imread(str(path)), (150, 140), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path.with_name("another.jpg")), image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    path.unlink()
    with pytest.raises(IntegrityError, match="on 1 of these images"):
        evaluated(known, elsewhere)


def test_patients_of_the_same_name_in_another_source_are_others(bundle):
    known = TrainedOn.read(bundle / "0" / FILE).patients
    assert hashes("patient", ["squares:0"])[0] in known
    assert hashes("patient", ["folder:0"])[0] not in known


def test_data_without_any_of_its_classes_is_refused(bundle, elsewhere, tmp_path):
    write_images(tmp_path / "others", "CD")
    with pytest.raises(DataError, match=r"classes \(A\); it has C, D"):
        evaluated(bundle, [elsewhere[0], f"data.path={tmp_path / 'others'}"])


def test_exclusive_classes_that_the_data_lacks_are_absent_and_others_left_out(
    elsewhere, tmp_path, capsys
):
    """The bundle knows A, B and C; the data has A, B and D."""
    bundle = Path(finished_run("multi-class", folds=2)[0].bundle)
    write_images(tmp_path / "images", "D")
    _, metrics, _, table = evaluated(bundle, [*elsewhere[:2], "data.task=multi-class"])
    assert "12 images of other classes are left out" in capsys.readouterr().out
    assert table["true"].value_counts().to_dict() == {"A": 12, "B": 12}
    assert metrics.classes["C"].positives == 0
    assert metrics.metrics["auroc"].value is not None


@pytest.mark.parametrize("override", ["train.epochs=3", "database=1", "evaluate.seed=1"])
def test_nothing_but_the_data_may_be_chosen(bundle, elsewhere, override):
    with pytest.raises(ConfigError, match=r"only the data may be chosen here: data\.source"):
        evaluated(bundle, [*elsewhere, override])


@pytest.mark.parametrize("override", ["data.source=nowhere", "data.nothing=1"])
def test_a_wrong_value_is_reported_like_one_in_the_file(bundle, elsewhere, override):
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        evaluated(bundle, [override])


def test_what_is_no_bundle_is_named(elsewhere, tmp_path, monkeypatch, capsys):
    words = ["thorax", "evaluate", str(tmp_path), *(w for s in elsewhere for w in ("-S", s))]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert POINTS in capsys.readouterr().err


def test_a_bundle_without_models_is_named(bundle, elsewhere, tmp_path):
    shutil.copy(bundle / POINTS, tmp_path / POINTS)
    with pytest.raises(DataError, match=r"model\.json is missing\. Copy the whole bundle"):
        evaluated(tmp_path, elsewhere)


def test_it_writes_what_the_pipeline_writes_under_the_same_names(bundle, elsewhere):
    evaluated(bundle, elsewhere)
    written = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
    pipeline = {path for _, path in load_paths()}
    assert {
        "evaluation/calibration.json", "evaluation/subgroups.json", "metrics/plots/roc.csv",
        "predictions/test.csv", "reports/report.html", "data/manifest.csv",
    } <= written  # fmt: skip
    for name in written:
        assert name in pipeline or any(name.startswith(f"{path}/") for path in pipeline), name


def test_the_report_has_the_sections_that_need_nothing_of_the_training_data(bundle, elsewhere):
    shown, metrics, *_ = evaluated(bundle, elsewhere)
    assert shown.endswith(f"Report: {Path('out/reports/report.html').absolute()}")
    page = Path("out/reports/report.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)"', page) == [
        "summary", "data", "performance", "calibration", "subgroups", "examples", "images",
        "training", "reproduction",
    ]  # fmt: skip
    text = re.sub(
        r"\s+", " ", re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    )
    assert f"{metrics.metrics['auroc'].value:.3f}" in text
    assert "trained from random weights on other data (bundle bundle)" in text
    assert "chosen with the bundle, on its own validation set" in text
    assert not re.search(r"\b(None|nan|NaN)\b", text)
    assert str(Path.cwd()) not in page, "no path of this machine"


def test_where_patients_are_unknown_the_report_counts_images(bundle, elsewhere):
    evaluated(bundle, elsewhere)
    page = Path("out/reports/report.html").read_text(encoding="utf-8")
    caveats = page[page.index("Caveats and limitations") : page.index('<section id="data"')]
    assert "Few images" in caveats
    assert "under 30 images with" in caveats
    assert not re.search(r"\d patients|[Ff]ew patients", caveats)
