"""Recipes: every file is valid, complete and says what it is; overrides survive DVC."""

import shutil

import pytest
from dvc.utils.hydra import apply_overrides

from small_run import ROOT
from thorax.config import flatten, load_params, read_yaml
from thorax.errors import ConfigError
from thorax.studies.claims import verdict
from thorax.studies.recipes import FREE, find, load_recipes

FILES = sorted((ROOT / "recipes").glob("*.yaml"))
BASE = read_yaml(ROOT / "params.yaml")
STUDIES = [
    "nih-efficientnet-b6", "nih-resnet-152", "nih-efficientnet-b6-sgd", "nih-resnet-152-sgd",
    "kermany-cnn-five-block", "three-class-transfer", "kermany-resnet50-frozen",
    "kermany-cnn-baseline", "kermany-cnn-deep",
]  # fmt: skip


@pytest.fixture(scope="module")
def recipes():
    return load_recipes(ROOT / "recipes")


def test_settings_are_valid(recipes):
    for recipe in recipes.values():
        assert recipe.settings(BASE).train.phase_list(), recipe.name


def test_every_value_on_which_the_result_depends_is_set(recipes):
    needed = {path for path, _ in flatten(BASE) if not path.startswith(FREE)}
    for recipe in recipes.values():
        assert needed - {path for path, _ in flatten(recipe.params)} == set(), recipe.name


def test_dvc_writes_what_the_recipe_says(recipes, tmp_path):
    for recipe in recipes.values():
        copy = tmp_path / "params.yaml"
        shutil.copy(ROOT / "params.yaml", copy)
        apply_overrides(copy, recipe.overrides())
        assert load_params(copy) == recipe.settings(BASE), recipe.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_opens_with_source_claim_and_command(path, recipes):
    lines = path.read_text(encoding="utf-8").splitlines()
    keys = [line.partition(":")[0] for line in lines if line[:1].isalpha()]
    assert keys[:4] == ["study", "source", "claim", "command"]
    assert recipes[path.stem].file.command.startswith(f"thorax recipe run {path.stem}")


def test_the_five_studies_and_their_variants_are_there(recipes):
    assert set(STUDIES) <= set(recipes)
    assert [recipes[name].settings(BASE).train.optimizer.name for name in STUDIES[:4]] == [
        "adam", "adam", "sgd", "sgd",
    ]  # fmt: skip


def test_what_the_three_class_study_tried_is_a_variant_each(recipes):
    study = recipes["three-class-transfer"].file
    family = [recipe.settings(BASE) for recipe in recipes.values() if recipe.file is study]
    assert {s.train.batch_size for s in family} == {16, 32, 64}
    assert {s.model.dropout for s in family} == {0.2, 0.5, 0.7}
    assert {s.train.phase_list()[0].optimizer.name for s in family} == {"adamw", "sgd", "adam"}
    assert {s.model.name for s in family} == {
        "vgg16", "resnet50", "densenet121", "mobilenet_v2", "cnn5",
    }  # fmt: skip


def test_phases_of_the_transfer_study(recipes):
    head, last = recipes["three-class-transfer"].settings(BASE).train.phase_list()
    assert (head.trainable, head.optimizer.name, head.optimizer.lr) == ("head", "adamw", 1e-4)
    assert (last.trainable, last.optimizer.name, last.optimizer.lr) == ("last:15", "adam", 1e-5)
    schedule = last.schedule
    assert (schedule.name, schedule.factor, schedule.min_lr) == ("plateau", 0.2, 1e-6)


def test_claims_belong_to_the_variant_they_are_of(recipes):
    figures = {name: [c.figures["accuracy"] for c in recipes[name].claims()] for name in recipes}
    assert figures["three-class-transfer"] == ["98.04"]
    assert figures["three-class-transfer-densenet121"] == ["88.24"]
    assert figures["three-class-transfer-resnet50"] == []
    assert figures["kermany-cnn-five-block-by-patient"] == []


def test_arithmetic_of_the_claims(recipes):
    def says(name):
        return [verdict(claim) for claim in recipes[name].claims()]

    assert says("kermany-cnn-five-block")[0] == "TP 377, FN 13, TN 191, FP 43"
    assert says("kermany-resnet50-frozen")[0].startswith("no count of 624 images")
    assert says("three-class-transfer")[0].startswith("50 of 51 images")
    assert says("kermany-cnn-deep")[1] == "TP 602, FN 13, TN 225, FP 6"


def test_an_unknown_recipe_gets_the_nearest_names(recipes):
    with pytest.raises(ConfigError, match="kermany-cnn-deep"):
        find("kermany-deep", recipes)
    with pytest.raises(ConfigError, match="thorax recipe list"):
        find("qqqq", recipes)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("claims:", "clams:", "clams: unknown key"),
        ('"97.8"', '"978"', r"claims\.1: '978' is not a number between 0 and 100"),
        ("images: 846", "images: 0", r"claims\.1: 615 positives of 0 images"),
        ("subset: test", "part: test", r"claims\.1\.part: unknown key"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_it(tmp_path, right, wrong, message):
    text = (ROOT / "recipes" / "kermany-cnn-deep.yaml").read_text(encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"bad\.yaml(.|\n)*{message}"):
        load_recipes(tmp_path)


def test_changes_of_a_run_are_those_that_a_recipe_does_not_leave_to_the_user(recipes):
    recipe = recipes["kermany-cnn-deep"]
    run = recipe.settings(BASE).model_dump()
    assert recipe.changes(run) == {}
    run["data"]["path"] = "elsewhere"
    run["evaluate"] |= {"n_bootstrap": 7, "threshold": {"sensitivity": 0.9}}
    run["train"]["optimizer"]["lr"] = 0.5
    assert recipe.changes(run) == {
        "train.optimizer.lr": 0.5, "evaluate.threshold.sensitivity": 0.9,
    }  # fmt: skip


def test_outside_of_a_checkout_it_is_said_that_there_are_no_recipes(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_recipes(tmp_path / "recipes")
