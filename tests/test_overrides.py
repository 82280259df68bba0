"""Settings on top of settings: merged by section, and written so that DVC reads the same value."""

import shutil
from difflib import ndiff

import pytest
from dvc.utils.hydra import apply_overrides

from small_run import ROOT
from thorax.config import as_override, load_params, merge, read_yaml
from thorax.errors import ConfigError


def test_lists_and_class_weights_are_replaced_and_sections_merged():
    base = {"train": {"phases": [{"name": "a"}], "class_weights": {"A": 1.0}, "epochs": 3}}
    changes = {"train": {"phases": [], "class_weights": {"B": 2.0}}}
    assert merge(base, changes)["train"] == {
        "phases": [], "class_weights": {"B": 2.0}, "epochs": 3,
    }  # fmt: skip
    assert base["train"]["epochs"] == 3


@pytest.mark.parametrize(
    "value", ["it's", "a=b", "last:20", "a,b", "1e-4", "", "null", [1, "x"], {"N": 1.5}]
)
def test_odd_values_survive_dvc(value, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: 1\n")
    apply_overrides(path, [as_override("a", value)])
    assert read_yaml(path)["a"] == value


@pytest.fixture
def changed(tmp_path):
    """Lines of `params.yaml` that DVC takes out and puts in for overrides, without comments."""

    def change(*overrides):
        original, copy = ROOT / "params.yaml", tmp_path / "params.yaml"
        shutil.copy(original, copy)
        apply_overrides(copy, list(overrides))
        texts = [path.read_text(encoding="utf-8").splitlines() for path in (original, copy)]
        lines = (line for line in ndiff(*texts) if line[0] in "-+")
        return [" ".join(line.partition("#")[0].split()) for line in lines]

    return change


def test_dvc_leaves_params_yaml_as_it_is_when_nothing_is_new(changed):
    assert changed("train.epochs=30") == []


@pytest.mark.parametrize(
    ("override", "lines"),
    [
        ("train.epochs=3", ["- epochs: 30", "+ epochs: 3"]),
        ("data.path=/a/path/longer/than/its/column",
         ["- path: data/local", "+ path: /a/path/longer/than/its/column"]),
        ("data.card=cards/rsna.yaml", ["- card:", "+ card: cards/rsna.yaml"]),
        ("train.num_threads=null", ["- num_threads: 2", "+ num_threads:"]),
        ("split.folds=[0,1]", ["+ - 1"]),
        ("evaluate.prevalences=[0.01,0.1]", ["- - 0.05", "- - 0.3"]),
        ("evaluate.threshold={sensitivity: 0.9}",
         ["- threshold: youden", "+ threshold:", "+ sensitivity: 0.9"]),
    ],
)  # fmt: skip
def test_dvc_changes_the_lines_of_a_setting_and_no_other(changed, override, lines):
    assert changed(override) == lines


def test_overrides_are_what_dvc_takes():
    assert as_override("train.phases", []) == "train.phases=[]"
    assert as_override("a", {"N": 3.0, "P": None}) == "a={N:3.0,P:null}"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("train.epoch=3", r"train\.epoch: unknown key; did you mean epochs\?"),
        ("nothing=3", "nothing: unknown key"),
        ("train.epochs", "write KEY=VALUE"),
        ("train.epochs=[", "no viable alternative"),
    ],
)
def test_a_mistaken_override_is_explained_in_our_words(word, says):
    with pytest.raises(ConfigError, match=says):
        load_params(ROOT / "params.yaml", ["train.seed=1", word])
