"""The results registry: which run stands beside which claim, and whether its interval holds it."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from made_up_repository import (
    PATHS,
    commit,
    commit_experiment,
    results,
    start,
    store,
    write_metrics,
    write_outputs,
)
from small_run import ROOT
from thorax.config import Params, as_override, load_params, merge
from thorax.config.overrides import overridden
from thorax.errors import ConfigError
from thorax.io import read_json, write_json
from thorax.metrics.intervals import wilson
from thorax.provenance import record_run
from thorax.studies import ledger, ledger_page
from thorax.studies.claims import Claim
from thorax.studies.recipes import load_recipes

CACHE = Path(".dvc/cache")
DEEP = "kermany-cnn-deep"


@pytest.fixture(scope="module")
def recipes():
    return load_recipes(ROOT / "recipes")


@pytest.fixture
def run(tmp_path, monkeypatch, recipes):
    """A function that leaves a finished experiment of a recipe in an empty project."""
    monkeypatch.chdir(tmp_path)
    start(tmp_path)
    shutil.copytree(ROOT / "recipes", "recipes")
    base = Path("params.yaml").read_bytes()
    commit("start")

    def add(name, recipe, *, fingerprint="0", leaky=False, table=None, **changes):
        settings = [*recipes[recipe].overrides(), *(as_override(*item) for item in changes.items())]
        Path("params.yaml").write_bytes(overridden(ROOT / "params.yaml", settings))
        write_metrics()
        write_outputs(table, results(images=700, leaky=leaky), fingerprint=fingerprint)
        shutil.copy("evaluation/test.csv", "evaluation/val.csv")
        store(CACHE)
        commit_experiment(name)
        Path("params.yaml").write_bytes(base)

    return add


def lines_of(recipe):
    claims = [claim for claim in ledger.registry().comparisons if claim.recipe.name == recipe]
    return [line for claim in claims for line in claim.lines]


@pytest.mark.parametrize(
    ("name", "recipe", "changes"),
    [
        (DEEP, DEEP, {}),
        ("whatever", DEEP, {}),
        ("kermany-cnn-baseline", DEEP, {}),  # named after another
        (f"{DEEP}-image_size-96", DEEP, {"preprocess": {"image_size": 96}}),
        (f"{DEEP}-method-patient", f"{DEEP}-by-patient", {"split": {"method": "patient"}}),
        (
            f"{DEEP}-by-patient-image_size-96",
            f"{DEEP}-by-patient",
            {"split": {"method": "patient"}, "preprocess": {"image_size": 96}},
        ),
        (f"{DEEP}-smoke", None, {"data": {"path": "/a/data/raw/smoke/kermany"}}),
        (f"protocol-{DEEP}-random-0", None, {}),
        (DEEP, None, {"model": {"name": "resnet18"}}),
        (DEEP, None, {"data": {"source": "phantom"}}),
    ],
)
def test_a_run_is_of_the_recipe_with_its_settings(name, recipe, changes, recipes):
    base = load_params(ROOT / "params.yaml").model_dump()
    params = Params.model_validate(merge(merge(base, recipes[DEEP].params), changes))
    nearest = ledger.recipe_of(name, params, recipes)
    assert (nearest.name if nearest else None) == recipe


def test_among_equally_near_recipes_the_name_decides(recipes):
    params = load_params(ROOT / "params.yaml").model_dump()
    wanted = "three-class-transfer-batch-64"
    params = merge(params, merge(recipes[wanted].params, {"train": {"batch_size": 8}}))
    assert ledger.recipe_of(f"{wanted}-x", Params.model_validate(params), recipes).name == wanted


def test_a_claim_without_a_run_says_so(run):
    (line,) = lines_of("kermany-resnet50-frozen")
    assert (line.entry, line.verdict) == (None, "not run")


def test_runs_under_other_splits_stand_beside_the_claim(run):
    run(DEEP, DEEP, leaky=True)
    run("small", f"{DEEP}-by-patient", **{"preprocess.image_size": 96})
    accuracy = [line for line in lines_of(DEEP) if line.claim.subset == "test"
                and line.metric == "accuracy"]  # fmt: skip
    entries = {line.entry.experiment: line.entry for line in accuracy}
    assert entries[DEEP].leaky
    assert entries[DEEP].changed == {}
    assert entries["small"].changed == {"preprocess.image_size": 96}
    assert entries["small"].split == "patient"
    assert {line.verdict for line in accuracy} == {"compatible with ours"}


def test_another_model_does_not_stand_beside_the_claim(run):
    run("nih-resnet-152", "nih-resnet-152")
    assert {line.entry for line in lines_of("nih-efficientnet-b6")} == {None}


def line(claim, value, low, high, metric="accuracy"):
    figures = {"test": {metric: value, f"{metric}_low": low, f"{metric}_high": high}}
    return ledger.Line(claim, metric, ledger.Entry(DEEP, DEEP, "random", True, {}, figures, "here"))


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [("94.80", "below"), ("95.6", "compatible with"), ("98.2", "compatible with"),
     ("98.7", "above")],
)  # fmt: skip
def test_the_verdict_knows_the_sampling_of_both(recipes, accuracy, verdict):
    """The claim is of 846 images, so a claim outside our interval of .96-.98 may be compatible."""
    claim = recipes[DEEP].claims()[1].model_copy(update={"figures": {"accuracy": accuracy}})
    assert line(claim, 0.97, 0.96, 0.98).verdict == f"{verdict} ours"


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [
        ("95.99", "below"),
        ("96.0", "compatible with"),
        ("98", "compatible with"),
        ("98.01", "above"),
    ],
)
def test_a_claim_of_unknown_images_counts_as_exact_and_that_is_said(accuracy, verdict):
    claim = Claim(subset="test", figures={"accuracy": accuracy})
    assert line(claim, 0.97, 0.96, 0.98).verdict == f"{verdict} ours, its own error unknown"


def test_two_samples_of_one_truth_rarely_differ():
    """Tests of 846 and 782 images with a true accuracy of .95: one in twenty, not one in six."""
    rng, differ = np.random.default_rng(0), 0
    for claimed, found in rng.binomial((846, 782), 0.95, (400, 2)).tolist():
        printed = f"{100 * claimed / 846:.2f}"
        claim = Claim(subset="test", images=846, figures={"accuracy": printed})
        differ += line(claim, found / 782, *wilson(found, 782)).verdict != "compatible with ours"
    assert differ < 0.08 * 400


def test_a_figure_is_compared_with_ours_of_the_same_mean(run):
    """The study prints means over images; our macro F1 of .97 must not stand beside them."""
    table = pd.DataFrame(
        {"image_id": list("abcd"), "patient_id": list("wxyz"), "y_A": [1, 1, 0, 0],
         "y_B": [0, 1, 1, 0], "predicted": ["A", "A", "B", ""], "p_A": 0.5, "p_B": 0.5}
    )  # fmt: skip
    run("nih", "nih-efficientnet-b6", table=table)
    ours = {x.metric: x.ours[0] for x in lines_of("nih-efficientnet-b6") if x.entry}
    assert ours["f1"] == pytest.approx((1 + 2 / 3 + 1 + 0) / 4, abs=1e-4)
    assert ours["accuracy"] == pytest.approx(7 / 8)
    assert ours["loss"] == 0.1


def test_a_figure_without_interval_has_no_verdict(run):
    run(DEEP, DEEP)
    loss = next(x for x in lines_of(DEEP) if x.entry and x.metric == "loss")
    assert (loss.ours, loss.claimed, loss.verdict) == ((0.1, None, None), 0.075, "no interval")


def test_the_machine_is_that_of_the_training_or_unknown(run):
    record_run("here", 1.0, 1.0)
    run(DEEP, DEEP, fingerprint="here")
    run("elsewhere", DEEP, fingerprint="not trained here")
    machines = {line.entry.experiment: line.entry.machine for line in lines_of(DEEP) if line.entry}
    assert "cores" in machines[DEEP]
    assert machines["elsewhere"].startswith("unknown machine, 2")


def test_an_experiment_that_cannot_be_read_is_named_with_the_reason(run):
    run(DEEP, DEEP)
    shutil.rmtree(CACHE)
    content = ledger.registry()
    assert list(content.unread) == [DEEP]
    for shown in (ledger_page.text(content), ledger_page.page(content)):
        assert f"results.json of {DEEP} is neither in the DVC cache" in shown


def test_a_recorded_run_outlives_the_experiment(run, monkeypatch):
    run(DEEP, DEEP)
    assert "1 runs recorded" in ledger.record([DEEP])
    (kept,) = read_json(ledger.RECORD)
    assert kept["figures"]["test"]["sensitivity_high"] == 0.98
    monkeypatch.setattr(ledger, "experiments", dict)
    assert {x.entry.experiment for x in lines_of(DEEP) if x.entry} == {DEEP}


def test_only_finished_runs_of_recipes_are_recorded(run):
    with pytest.raises(ConfigError, match="No experiment is called"):
        ledger.record([DEEP])
    run("other", DEEP, **{"model.name": "resnet18"})
    with pytest.raises(ConfigError, match="no run of a recipe"):
        ledger.record(["other"])


def test_the_published_record_can_be_read(run, recipes):
    record = read_json(ROOT / ledger.RECORD)
    write_json(ledger.RECORD, record)
    assert {run["recipe"] for run in record} <= set(recipes)
    lines = [line for claim in ledger.registry().comparisons for line in claim.lines if line.entry]
    assert {line.entry.experiment for line in lines} == {run["experiment"] for run in record}
    assert all(line.ours[0] is not None for line in lines)


def test_text_and_page_say_the_same(run):
    run(DEEP, DEEP, leaky=True)
    content = ledger.registry()
    text, page = ledger_page.text(content), ledger_page.page(content)
    for shown in ("TP 602, FN 13, TN 225, FP 6", "97.00% (96.00–98.00%)", "random split (leaky)",
                  "compatible with ours", "no count of 624 images gives 87.77%",
                  "-0.80% (-2.05% to +0.83%)", "the claim beats none of it"):  # fmt: skip
        assert shown in text
        assert shown in page
    assert "https://" not in page
    assert Path(PATHS["report"]).with_name(ledger_page.PAGE).name in ledger_page.ledger()
