"""Recipes: every file is valid, complete and says what it is; overrides survive DVC."""

import shutil
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from small_run import ROOT
from thorax.config import load_params, read_yaml
from thorax.errors import ConfigError
from thorax.studies.claims import Claim, verdict
from thorax.studies.recipes import find, leaves, load_recipes, merged, override

RECIPES = load_recipes(ROOT / "recipes")
FILES = sorted((ROOT / "recipes").glob("*.yaml"))
BASE = read_yaml(ROOT / "params.yaml")
STUDIES = [
    "nih-efficientnet-b6", "nih-resnet-152", "nih-efficientnet-b6-sgd", "nih-resnet-152-sgd",
    "kermany-cnn-five-block", "three-class-transfer", "kermany-resnet50-frozen",
    "kermany-cnn-baseline", "kermany-cnn-deep",
]  # fmt: skip
# What a recipe leaves to the user: where the data lies, how the machine is used, how the result is
# described beyond its thresholds, what the page shows, and the phantom that no recipe trains on.
NOT_THE_RECIPES = (
    "data.path", "data.phantom_", "preprocess.max_bad", "train.channels_last", "train.compile",
    "train.devices", "train.threads", "evaluate.prevalences",
    "evaluate.bootstrap", "evaluate.min_group", "evaluate.localised", "evaluate.probed",
    "evaluate.seed", "report.",
)  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_settings_are_valid(name):
    assert RECIPES[name].settings(BASE).train.phase_list()


@pytest.mark.parametrize("name", RECIPES)
def test_every_value_on_which_the_result_depends_is_set(name):
    needed = {p for p, _ in leaves(BASE) if not p.startswith(NOT_THE_RECIPES)}
    assert needed - {path for path, _ in leaves(RECIPES[name].params)} == set()


@pytest.mark.parametrize("name", RECIPES)
def test_dvc_writes_what_the_recipe_says(name, tmp_path):
    copy = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", copy)
    apply_overrides(copy, [override(*leaf) for leaf in leaves(RECIPES[name].params)])
    assert load_params(copy) == RECIPES[name].settings(BASE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_one_screen_and_opens_with_source_claim_and_command(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    keys = [line.partition(":")[0] for line in lines if line[:1].isalpha()]
    assert keys[:4] == ["study", "source", "claim", "command"]
    assert len(lines) <= 70
    assert RECIPES[path.stem].file.command.startswith(f"thorax recipe run {path.stem}")


def test_the_five_studies_and_their_variants_are_there():
    assert set(STUDIES) <= set(RECIPES)
    assert [RECIPES[name].settings(BASE).train.optimizer.name for name in STUDIES[:4]] == [
        "adam", "adam", "sgd", "sgd",
    ]  # fmt: skip


def test_what_the_three_class_study_tried_is_a_variant_each():
    study = RECIPES["three-class-transfer"].file
    family = [recipe.settings(BASE) for recipe in RECIPES.values() if recipe.file is study]
    assert {s.train.batch_size for s in family} == {16, 32, 64}
    assert {s.model.dropout for s in family} == {0.2, 0.5, 0.7}
    assert {s.train.phase_list()[0].optimizer.name for s in family} == {"adamw", "sgd", "adam"}
    assert {s.model.name for s in family} == {
        "vgg16", "resnet50", "densenet121", "mobilenet_v2", "cnn5",
    }  # fmt: skip


def test_phases_of_the_transfer_study():
    head, last = RECIPES["three-class-transfer"].settings(BASE).train.phase_list()
    assert (head.trainable, head.optimizer.name, head.optimizer.lr) == ("head", "adamw", 1e-4)
    assert (last.trainable, last.optimizer.name, last.optimizer.lr) == ("last:22", "adam", 1e-5)
    schedule = last.schedule
    assert (schedule.name, schedule.factor, schedule.min_lr) == ("plateau", 0.2, 1e-6)


def test_claims_belong_to_the_variant_they_are_of():
    figures = {name: [c.figures["accuracy"] for c in RECIPES[name].claims()] for name in RECIPES}
    assert figures["three-class-transfer"] == ["98.04"]
    assert figures["three-class-transfer-densenet121"] == ["88.24"]
    assert figures["three-class-transfer-resnet50"] == []
    assert figures["kermany-cnn-five-block-by-patient"] == []


def test_arithmetic_of_the_claims():
    def says(name):
        return [
            verdict(Claim(c.part, c.figures, c.images, c.positives)) for c in RECIPES[name].claims()
        ]

    assert says("kermany-cnn-five-block")[0] == "TP 377, FN 13, TN 191, FP 43"
    assert says("kermany-resnet50-frozen")[0].startswith("no count of 624 images")
    assert says("three-class-transfer")[0].startswith("50 of 51 images")
    assert says("kermany-cnn-deep")[1].startswith("859 of 878 images")


def test_an_unknown_recipe_gets_the_nearest_names():
    with pytest.raises(ConfigError, match="kermany-cnn-deep"):
        find("kermany-deep", RECIPES)
    with pytest.raises(ConfigError, match="thorax recipe list"):
        find("qqqq", RECIPES)


def test_a_mistake_in_a_file_is_named_with_it(tmp_path):
    text = (ROOT / "recipes" / "kermany-cnn-deep.yaml").read_text(encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(text.replace("claims:", "clams:", 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.yaml(.|\n)*clams: unknown key"):
        load_recipes(tmp_path)


def test_lists_and_class_weights_are_replaced_and_sections_merged():
    base = {"train": {"phases": [{"name": "a"}], "class_weights": {"A": 1.0}, "epochs": 3}}
    changes = {"train": {"phases": [], "class_weights": {"B": 2.0}}}
    assert merged(base, changes)["train"] == {
        "phases": [], "class_weights": {"B": 2.0}, "epochs": 3,
    }  # fmt: skip
    assert base["train"]["epochs"] == 3


@pytest.mark.parametrize(
    "value", ["it's", "a=b", "last:20", "a,b", "1e-4", "", "null", [1, "x"], {"N": 1.5}]
)
def test_odd_values_survive_dvc(value, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: 1\n")
    apply_overrides(path, [override("a", value)])
    assert read_yaml(Path(path))["a"] == value


def test_outside_of_a_checkout_it_is_said_that_there_are_no_recipes(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_recipes(tmp_path / "recipes")
