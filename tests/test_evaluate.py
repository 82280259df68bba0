"""Evaluate: nothing from test chooses anything, the tables hold every number, no network opens."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from small_run import finished_run, params
from thorax.artifacts.data import DatasetInfo, LeakageAudit, SplitSummary
from thorax.artifacts.evaluation import (
    Calibration,
    PredictionsInfo,
    Results,
    Stress,
    Subgroups,
)
from thorax.artifacts.explanation import Localization, Occlusion, PixelBaselines
from thorax.artifacts.model import ModelFile, OperatingPoints, TrainedOn
from thorax.config import METRICS
from thorax.evaluate import DOUBTS, choose_thresholds, evaluate, headline
from thorax.evaluate.results import fold_metrics, subset_metrics
from thorax.io import read_csv, read_json
from thorax.metrics import classification
from thorax.metrics.predictions import Predictions, read_decided, read_predictions
from thorax.metrics.scaling import fit_scaling
from thorax.predict import predict

TASKS = ["multi-label", "binary", "multi-class"]
WRITES = ("evaluation", "bundle", "metrics", "test_predictions", "plots")
ARTIFACTS = {
    "predictions.json": PredictionsInfo, "results.json": Results, "calibration.json": Calibration,
    "subgroups.json": Subgroups, "localization.json": Localization, "occlusion.json": Occlusion,
    "baselines.json": PixelBaselines, "stress.json": Stress,
    "operating_points.json": OperatingPoints, "model.json": ModelFile, "trained_on.json": TrainedOn,
    "dataset": DatasetInfo, "split_summary": SplitSummary, "leakage": LeakageAudit,
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    """Evaluating leaves a trace in the current folder, which must not be the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module", params=TASKS)
def run(request):
    """A finished run of each task, with two folds."""
    return finished_run(request.param, folds=2)


def results_of(paths):
    return Results.read(Path(paths.evaluation) / "results.json")


def points_of(paths):
    return OperatingPoints.read(Path(paths.bundle) / "operating_points.json")


def predictions_of(paths, subset):
    info = PredictionsInfo.read(Path(paths.predictions) / "predictions.json")
    return read_predictions(Path(paths.predictions) / f"{subset}.csv", info.task, info.outputs)


def elsewhere(paths, folder, *names):
    """The same paths but for what evaluate writes, and for `names`, which lie in the folder."""
    return paths.model_copy(update={name: str(folder / name) for name in (*WRITES, *names)})


def frozen(paths):
    """Bytes of every file in the bundle."""
    folder = Path(paths.bundle)
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def made_up(task="multi-label", classes=2, n=120, seed=0):
    """Predictions of a poor model, two images a patient."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (n, classes)).astype(float)
    if task == "multi-class":
        y = np.eye(classes)[rng.integers(0, classes, n)]
    ids = [f"{i}.png" for i in range(n)]
    patients = [str(i // 2) for i in range(n)]
    images = pd.DataFrame({"image_id": ids, "patient_id": patients, "sha256": ids}).assign(
        subset="test", fold=-1
    )
    names = [f"class {i}" for i in range(classes)]
    return Predictions(task, names, images, y, rng.normal(0, 2, y.shape) + y)


def metrics_of(part):
    thresholds = np.full(len(part.outputs), 0.5)
    return subset_metrics(part, part.task.decide(part.p, thresholds), thresholds)


class TestMetricsFile:
    @pytest.mark.parametrize("classes", [2, 15])
    @pytest.mark.parametrize("flag", [None, "leaky", "contaminated", "patients_unknown"])
    def test_has_15_figures_and_a_flag_only_where_all_are_in_doubt(self, classes, flag):
        subset = metrics_of(made_up(classes=classes))
        flags = dict.fromkeys(DOUBTS, False) | ({flag: True} if flag else {})
        folds = fold_metrics({}, np.zeros(classes))
        results = Results(
            settings=params().evaluate, out_of_fold=False, thresholds={}, val=subset, test=subset,
            folds=folds, **flags,
        )  # fmt: skip
        figures = headline(results)
        assert set(figures) == {"test", "val"} | ({flag} if flag else set())
        assert len(figures["test"]) == 8
        assert len(figures["val"]) == 7
        assert all(figures[name] is True for name in set(figures) - {"test", "val"})

    def test_never_has_more_than_16_values(self):
        subset = metrics_of(made_up())
        doubts, folds = dict.fromkeys(DOUBTS, True), fold_metrics({}, np.zeros(2))
        results = Results(
            settings=params().evaluate, out_of_fold=False, thresholds={}, val=subset, test=subset,
            folds=folds, **doubts,
        )  # fmt: skip
        figures = headline(results)
        assert set(figures) == {"test", "val", "contaminated"}

    def test_is_the_headline_of_the_results(self, run):
        paths, _ = run
        figures, results = read_json(Path(paths.metrics)), results_of(paths)
        assert figures == headline(results)
        assert set(figures) == {"test", "val"}
        for subset in ("test", "val"):
            metrics = results.subset(subset).metrics
            assert figures[subset]["auroc_low"] == metrics["auroc"].low
            assert figures[subset]["loss"] == metrics["loss"].value
            for value in figures[subset].values():
                assert value is None or (math.isfinite(value) and round(value, 4) == value)


def test_every_artifact_of_a_run_reads_back_to_what_was_written(run):
    paths, _ = run
    folder = Path(paths.evaluation).parent
    names = ("predictions", "evaluation", "explanations", "bundle", "models")
    files = [file for name in names for file in (folder / name).rglob("*.json")]
    files += [Path(paths.dataset), Path(paths.split_summary), Path(paths.leakage)]
    assert {file.name for file in files} == set(ARTIFACTS)
    for file in files:
        assert ARTIFACTS[file.name].read(file).model_dump(mode="json") == read_json(file)


def test_no_network_is_opened_and_no_torch_imported(tmp_path):
    """The weights go into the bundle as they are, here as no weights at all."""
    paths, settings = finished_run("multi-label", folds=2)
    changed = elsewhere(paths, tmp_path, "models")
    shutil.copytree(paths.models, changed.models)
    (Path(changed.models) / "1" / "weights.safetensors").write_bytes(b"no weights")
    code = (
        "import sys; from thorax.config import Evaluate, Paths; from thorax.evaluate import"
        " evaluate; evaluate(Evaluate.model_validate_json(sys.argv[1]),"
        " Paths.model_validate_json(sys.argv[2])); assert 'torch' not in sys.modules"
    )
    words = (settings.evaluate.model_dump_json(), changed.model_dump_json())
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    assert frozen(changed)["1/weights.safetensors"] == b"no weights"
    assert results_of(changed) == results_of(paths)
    assert Path(changed.metrics).read_bytes() == Path(paths.metrics).read_bytes()


def test_everything_can_be_computed_again_from_the_tables(run):
    paths, _ = run
    for subset in ("val", "test"):
        part = predictions_of(paths, subset)
        table = read_decided(Path(paths.evaluation) / f"{subset}.csv")
        assert table["image_id"].tolist() == part.images["image_id"].tolist()
        p = table[[f"p_{name}" for name in part.outputs]].to_numpy(float)
        np.testing.assert_array_equal(p, part.p)
        decided = [row.split("|") for row in table["predicted"]]
        d = np.array([[float(name in row) for name in part.outputs] for row in decided])
        thresholds = np.array(list(points_of(paths).thresholds.values()))
        np.testing.assert_array_equal(d, part.task.decide(p, thresholds))
        expected = classification.headline(part.task, part.y, part.z, d)
        for name, estimate in results_of(paths).subset(subset).metrics.items():
            assert estimate.value == pytest.approx(expected[name], abs=5.1e-5)


def test_validation_is_out_of_fold_and_covers_trainval_once(run):
    paths, _ = run
    split = read_csv(Path(paths.split))
    val = read_csv(Path(paths.evaluation) / "val.csv")
    assert sorted(val["image_id"]) == sorted(split["image_id"][split["subset"] == "trainval"])


class TestIntervals:
    @pytest.mark.parametrize("task", ["multi-label", "multi-class"])
    def test_hold_their_value(self, task):
        subset = metrics_of(made_up(task, classes=3))
        classes = [each.metrics for each in subset.classes.values()]
        for estimates in (subset.metrics, subset.micro, *classes):
            for estimate in estimates.values():
                assert estimate.low < estimate.value < estimate.high

    def test_nothing_is_certain(self, run):
        paths, _ = run
        for subset in ("val", "test"):
            for each in results_of(paths).subset(subset).classes.values():
                for estimate in each.metrics.values():
                    if estimate.low is None:  # nothing, or one patient
                        assert estimate.value is None or estimate.caution.endswith("(1)")
                        continue
                    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
                    assert estimate.low < estimate.high

    def test_that_of_a_proportion_of_one_is_wilsons_over_patients(self):
        y = np.array([1.0, 1, 1, 1, 0, 0])[:, None]
        images = pd.DataFrame({"patient_id": list("aabbcd")})
        part = Predictions("multi-label", ["A"], images, y, 4 * y - 2)
        metrics = metrics_of(part).classes["A"].metrics
        low, high = binomtest(2, 2).proportion_ci(method="wilson")  # two patients, not four images
        sensitivity = metrics["sensitivity"]
        assert (sensitivity.low, sensitivity.high) == (round(low, 4), high)
        assert sensitivity.caution == "under 30 patients with the finding (2)"
        assert metrics["npv"].low == sensitivity.low

    def test_a_mean_says_which_classes_it_leaves_out(self):
        """A class that is never predicted has an F1 of 0 and no precision."""
        part = made_up(classes=3)
        part.z[:, 1] = -9
        subset = metrics_of(part)
        per_class = [each.metrics for each in subset.classes.values()]
        assert (per_class[1]["precision"].value, per_class[1]["f1"].value) == (None, 0)
        f1, precision = subset.metrics["f1"], subset.metrics["precision"]
        assert f1.value == pytest.approx(np.mean([m["f1"].value for m in per_class]), abs=1e-4)
        assert f1.caution == ""
        two = [per_class[i]["precision"].value for i in (0, 2)]
        assert precision.value == pytest.approx(np.mean(two), abs=1e-4)
        assert precision.caution == "without class 1, where it is undefined"

    def test_a_class_of_one_patient_leaves_a_mean_without_an_interval(self):
        part = made_up(classes=3)
        part.y[1:, 2] = 0
        auroc = metrics_of(part).metrics["auroc"]
        assert auroc.value is not None
        assert (auroc.low, auroc.high) == (None, None)
        assert auroc.caution == "no interval, as class 2 rests on one patient"

    def test_a_single_class_is_all_there_is(self):
        subset = metrics_of(made_up("binary", classes=1))
        (only,) = subset.classes.values()
        for name in set(METRICS) - {"loss"}:
            assert subset.metrics[name] == only.metrics[name]


@pytest.mark.parametrize("task", ["multi-label", "multi-class"])
def test_a_fold_is_measured_like_all_of_them(task):
    part, thresholds = made_up(task, classes=3), np.full(3, 0.5)
    folds = fold_metrics({0: part, 3: made_up(task, classes=3, seed=1)}, thresholds)
    expected = {name: each.value for name, each in metrics_of(part).metrics.items()}
    assert folds.by_fold[0] == expected
    first, second = folds.by_fold[0]["auroc"], folds.by_fold[3]["auroc"]
    assert folds.mean["auroc"] == pytest.approx((first + second) / 2, abs=5.1e-5)
    assert folds.std["auroc"] == pytest.approx(abs(first - second) / 2**0.5, abs=5.1e-5)
    assert fold_metrics({0: part}, thresholds).std["auroc"] is None


def test_micro_averages_are_over_all_known_labels():
    part = made_up(classes=3)
    part.y[:9, 1] = np.nan
    micro, known = metrics_of(part).micro, ~np.isnan(part.y)
    y, d = part.y[known], part.p[known] >= 0.5
    for name, score in (("f1", f1_score), ("precision", precision_score),
                        ("sensitivity", recall_score), ("accuracy", accuracy_score)):  # fmt: skip
        assert micro[name].value == pytest.approx(score(y, d), abs=5.1e-5)


def test_exclusive_classes_are_ranked_by_probability():
    part = made_up("multi-class", classes=3)
    expected = roc_auc_score(part.y.argmax(axis=1), part.p, multi_class="ovr")
    subset = metrics_of(part)
    assert subset.metrics["auroc"].value == pytest.approx(expected, abs=5.1e-5)


def test_counts_add_up_to_the_images():
    part = made_up()
    part.y[:7, 0] = np.nan
    first = metrics_of(part).classes["class 0"]
    assert (first.unknown, first.positives + first.negatives) == (7, 113)
    for value, patients in ((1, first.positive_patients), (0, first.negative_patients)):
        assert patients == part.images["patient_id"][part.y[:, 0] == value].nunique()
    known = ~np.isnan(part.y[:, 0])
    matrix = confusion_matrix(part.y[known, 0], part.p[known, 0] >= 0.5)
    assert [first.tn, first.fp, first.fn, first.tp] == matrix.ravel().tolist()


def test_the_bundle_holds_every_model_and_what_it_is_used_with(run):
    paths, _ = run
    files = ("model.json", "trained_on.json", "typicality.safetensors", "weights.safetensors")
    assert set(frozen(paths)) == {
        "operating_points.json", *(f"{fold}/{name}" for fold in (0, 1) for name in files),
    }  # fmt: skip
    for fold in (0, 1):
        for name in files:
            trained = (Path(paths.models) / str(fold) / name).read_bytes()
            assert frozen(paths)[f"{fold}/{name}"] == trained
    assert list(points_of(paths).scaling) == predictions_of(paths, "val").outputs


def test_permuting_the_test_labels_changes_nothing_that_is_frozen(run, tmp_path):
    paths, settings = run
    manifest, split = pd.read_csv(paths.manifest), pd.read_csv(paths.split)
    test = (split["subset"] == "test").to_numpy()
    labels = [name for name in manifest if name.startswith("label_")]
    shuffled = manifest.copy()
    shuffled.loc[test, labels] = manifest.loc[test, labels].to_numpy()[::-1]
    assert not shuffled.equals(manifest)
    changed = elsewhere(paths, tmp_path, "manifest", "predictions")
    shuffled.to_csv(changed.manifest, index=False)
    predict([0, 1], changed)
    evaluate(settings.evaluate, changed)
    assert read_json(Path(changed.metrics))["test"] != read_json(Path(paths.metrics))["test"]
    assert read_json(Path(changed.metrics))["val"] == read_json(Path(paths.metrics))["val"]
    assert chosen(changed) == chosen(paths)


def chosen(paths):
    """What is frozen, but for what is only reported of the test set."""
    files = frozen(paths)
    points = json.loads(files.pop("operating_points.json"))
    assert points.pop("performance")
    return files, points


def test_what_is_frozen_is_chosen_on_validation(run):
    paths, settings = run
    val, points = predictions_of(paths, "val"), points_of(paths)
    chosen = {} if val.task.exclusive else choose_thresholds(settings.evaluate, val)
    assert points.thresholds == {name: each.value for name, each in chosen.items()}
    assert results_of(paths).thresholds == chosen
    calibration = Calibration.read(Path(paths.evaluation) / "calibration.json")
    assert calibration.scaling == points.scaling
    assert calibration.val.log_loss.raw == results_of(paths).val.metrics["loss"].value
    for each in calibration.test.classes.values():
        prevalences = [at.prevalence for at in each.predictive_values]
        assert prevalences == settings.evaluate.prevalences


def test_a_single_class_present_in_validation_is_decided_at_one_half():
    part = made_up()
    part.y[:, 1] = 0
    first, second, *_ = choose_thresholds(params().evaluate, part).values()
    assert first.low < first.value < first.high
    assert second.value is None
    assert "single class present in validation: 0.5" in second.reason


def test_with_several_folds_what_is_frozen_fits_their_ensemble_or_says_that_it_does_not():
    paths, _ = finished_run("multi-label", folds=2, val=True)
    val, points = predictions_of(paths, "val"), points_of(paths)
    assert points.for_ensemble
    assert points.scaling == fit_scaling(val)
    assert not results_of(paths).out_of_fold
    paths, _ = finished_run("multi-label", folds=2)
    points = points_of(paths)
    assert not points.for_ensemble
    assert results_of(paths).out_of_fold
    assert all("out of fold" in scaling.reason for scaling in points.scaling.values())


def test_a_target_is_written_as_it_stands_in_the_parameters(run, tmp_path):
    paths, settings = run
    changed = elsewhere(paths, tmp_path)
    target = params(evaluate={"threshold": {"sensitivity": 0.9}}).evaluate
    evaluate(target, changed)
    points, val = points_of(changed), predictions_of(paths, "val")
    assert points.rule == {"sensitivity": 0.9}
    assert points_of(paths).rule == settings.evaluate.threshold
    for i, threshold in enumerate(points.thresholds.values()):
        assert (val.p[val.y[:, i] == 1, i] >= threshold).mean() >= 0.9


@pytest.mark.parametrize("task", ["multi-label", "multi-class"])
def test_without_a_test_set_its_metrics_are_undefined(task):
    paths, _ = finished_run(task, folds=2, test=False)
    results, figures = results_of(paths), read_json(Path(paths.metrics))
    assert (results.test.images, results.val.images) == (0, 60)
    assert set(figures["test"].values()) == {None}
    assert len(figures["test"]) == 8
    assert figures["val"]["auroc"] is not None
    assert results.folds.by_fold == {}
    assert results.test.metrics["auroc"].reason == "undefined in every class"
    subgroups = Subgroups.read(Path(paths.evaluation) / "subgroups.json")
    assert sum(group.images for group in subgroups.attributes["sex"].groups) == 60


def test_curves_run_from_corner_to_corner_and_confusion_holds_every_image(run):
    paths, _ = run
    roc = read_csv(Path(paths.plots) / "roc.csv", ["fpr", "tpr"])
    for _, curve in roc.groupby(["subset", "class"]):
        assert curve[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
    confusion = read_csv(Path(paths.plots) / "confusion.csv", ["count"])
    for (subset, _), counts in confusion.groupby(["subset", "class"]):
        assert counts["count"].sum() == results_of(paths).subset(subset).images
    bars = read_csv(Path(paths.plots) / "per_class.csv", ["auroc"])
    for row in bars.itertuples():
        metrics = results_of(paths).subset(row.subset).classes[row._2].metrics
        assert row.auroc == metrics["auroc"].value
