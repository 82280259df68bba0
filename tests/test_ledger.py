"""The ledger: which run stands beside which claim, and whether the claim lies in its interval."""

import pytest

from small_run import ROOT
from thorax.config import read_yaml
from thorax.errors import ConfigError
from thorax.io import read_json
from thorax.studies import experiments, ledger, ledger_page
from thorax.studies.experiments import Result
from thorax.studies.recipes import load_recipes, merged

RECIPES = load_recipes(ROOT / "recipes")
PART = {"images": 700, "accuracy": 0.97, "accuracy_low": 0.96, "accuracy_high": 0.98, "loss": 0.1}


def result(name, recipe, *, leaky=False, **changes):
    params = merged(read_yaml(ROOT / "params.yaml"), RECIPES[recipe].params)
    metrics = {"val": PART, "test": PART, "protocol": {"leaky": leaky}}
    return Result(name, "2026-01-02", metrics, merged(params, changes))


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Finished experiments by name; the record lies in an empty folder."""
    found = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(experiments, "names", lambda: sorted(found))
    monkeypatch.setattr(experiments, "result", found.get)
    monkeypatch.setattr(ledger, "RECORD", tmp_path / "ledger.json")
    return found


def lines_of(recipe):
    return [line for line in ledger.lines() if line.recipe.name == recipe]


@pytest.mark.parametrize(
    ("experiment", "recipe"),
    [
        ("kermany-cnn-deep", "kermany-cnn-deep"),
        ("kermany-cnn-deep-image_size-96", "kermany-cnn-deep"),
        ("kermany-cnn-deep-by-patient-image_size-96", "kermany-cnn-deep-by-patient"),
        ("kermany-cnn-deep-smoke", None),
        ("kermany-cnn-deeper", None),
        ("protocol-kermany-cnn-deep-random-0", None),
    ],
)
def test_a_run_belongs_to_the_recipe_it_is_named_after(experiment, recipe):
    found = ledger.recipe_of(experiment, RECIPES)
    assert (found.name if found else None) == recipe


def test_a_claim_without_a_run_says_so(runs):
    (line,) = lines_of("kermany-resnet50-frozen")
    assert (line.entry, line.verdict) == (None, "not run")


def test_runs_under_other_splits_stand_beside_the_claim(runs):
    runs["kermany-cnn-deep"] = result("kermany-cnn-deep", "kermany-cnn-deep", leaky=True)
    name = "kermany-cnn-deep-by-patient-image_size-96"
    size = {"preprocess": {"image_size": 96}}
    runs[name] = result(name, "kermany-cnn-deep-by-patient", **size)
    accuracy = [line for line in lines_of("kermany-cnn-deep") if line.claim.part == "test"
                and line.metric == "accuracy"]  # fmt: skip
    entries = {line.entry.experiment: line.entry for line in accuracy}
    assert entries["kermany-cnn-deep"].leaky
    assert entries["kermany-cnn-deep"].changed == {}
    assert entries[name].changed == {"preprocess.image_size": 96}
    assert entries[name].split == "patient"
    assert {line.verdict for line in accuracy} == {"inside our interval"}


def test_another_model_does_not_stand_beside_the_claim(runs):
    runs["nih-resnet-152"] = result("nih-resnet-152", "nih-resnet-152")
    assert {line.entry for line in lines_of("nih-efficientnet-b6")} == {None}


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [("95.99", "below"), ("96.0", "inside"), ("98", "inside"), ("98.01", "above")],
)
def test_verdict(runs, accuracy, verdict):
    runs["kermany-cnn-deep"] = result("kermany-cnn-deep", "kermany-cnn-deep")
    line = next(x for x in lines_of("kermany-cnn-deep") if x.entry)
    claim = line.claim.model_copy(update={"figures": {"accuracy": accuracy}})
    beside = ledger.Line(line.recipe, claim, "accuracy", line.entry)
    assert beside.verdict == f"{verdict} our interval"


def test_a_figure_without_interval_has_no_verdict(runs):
    runs["kermany-cnn-deep"] = result("kermany-cnn-deep", "kermany-cnn-deep")
    loss = next(x for x in lines_of("kermany-cnn-deep") if x.entry and x.metric == "loss")
    assert (loss.ours, loss.claimed, loss.verdict) == ((0.1, None, None), 0.075, "no interval")


def test_a_recorded_run_outlives_the_experiment(runs, monkeypatch):
    runs["kermany-cnn-deep"] = result("kermany-cnn-deep", "kermany-cnn-deep")
    assert "1 runs recorded" in ledger.record(["kermany-cnn-deep"])
    runs.clear()
    (kept,) = read_json(ledger.RECORD)
    assert kept["machine"].endswith("2026-01-02")
    assert {x.entry.experiment for x in lines_of("kermany-cnn-deep") if x.entry} == {
        "kermany-cnn-deep"
    }


def test_only_finished_runs_of_recipes_are_recorded(runs):
    with pytest.raises(ConfigError, match="No finished run"):
        ledger.record(["kermany-cnn-deep"])


def test_text_and_page_say_the_same(runs):
    runs["kermany-cnn-deep"] = result("kermany-cnn-deep", "kermany-cnn-deep", leaky=True)
    found = ledger.lines()
    text, page = ledger_page.text(found), ledger_page.page(found)
    for shown in ("859 of 878 images", "97.00 % (96.00–98.00)", "random split (leaky)",
                  "inside our interval", "no count of 624 images gives 87.77 %"):  # fmt: skip
        assert shown in text
        assert shown in page
    assert "https://" not in page
