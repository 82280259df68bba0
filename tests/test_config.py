"""All mistakes at once, each with its path and what is allowed, before any heavy import."""

import subprocess
import sys

import pytest

from small_run import ROOT, params
from thorax.config import Params, check, flatten, load_params, load_paths, read_yaml
from thorax.config.mistakes import RENAMED, RENAMED_VALUES
from thorax.errors import ConfigError


def shipped():
    return read_yaml(ROOT / "params.yaml")


def mistakes(values):
    with pytest.raises(ConfigError) as caught:
        check(values, Params, "params.yaml")
    return str(caught.value)


def test_the_shipped_settings_and_paths_are_valid():
    assert load_params(ROOT / "params.yaml").model.name == "cnn5"
    assert load_paths(ROOT / "dvc.yaml").metrics == "metrics/metrics.json"


def test_all_mistakes_are_listed_with_their_path_and_what_is_allowed():
    values = shipped()
    values["train"]["optimizer"]["name"] = "adamm"
    values["train"]["epochs"] = "10"
    values["evaluate"]["threshold"] = "best"
    values["preprocess"]["blur_kernel"] = 4
    del values["model"]["name"]
    text = mistakes(values)
    assert text.startswith("5 mistakes in params.yaml")
    for part in (
        "train.optimizer.name: 'adamm' is not allowed, it must be 'sgd', 'adam', 'adamw' or",
        "train.epochs: '10' is not allowed", "evaluate.threshold: 'best' is not allowed",
        "preprocess.blur_kernel: must be 0 or an odd number", "model.name: is missing",
    ):  # fmt: skip
        assert part in text


def test_an_unknown_key_suggests_the_nearest():
    values = shipped()
    values["train"]["optimiser"] = {}
    assert "train.optimiser: unknown key; did you mean optimizer?" in mistakes(values)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("train", "seed", True), ("train", "devices", 0), ("data", "path", None), ("data", "path", ""),
     ("split", "folds", "zero"), ("split", "folds", []), ("split", "folds", [1]),
     ("split", "folds", [0, 0]), ("split", "val_fraction", 0.9), ("train", "trainable", "some"),
     ("train", "class_weights", {"A": -1}), ("train", "phases", [{"epochs": "x"}]),
     ("train", "phases", [{"optimizer": {"lrr": 1}}]), ("model", "channels", 2)],
)  # fmt: skip
def test_wrong_values_are_named(section, key, value):
    values = shipped()
    values[section][key] = value
    text = mistakes(values)
    assert section in text
    assert key in text or "fraction" in text


# Section of every setting that had another name before.
@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_answered_with_the_new_one_which_exists(old):
    values = shipped()
    section, key = old.split(".")
    values[section][key] = 1
    assert f"1 mistake in params.yaml:\n  {old}: is now called {RENAMED[old]}" in mistakes(values)
    assert RENAMED[old] in dict(flatten(shipped()))


def test_what_stands_there_under_its_old_name_is_not_missing_as_well():
    values = shipped()
    values["train"]["clip_norm"] = values["train"].pop("max_grad_norm")
    assert "1 mistake" in mistakes(values)


def test_a_missing_section_is_named_with_its_keys():
    values = shipped()
    del values["explain"]
    assert "explain: is missing (gradcam_images, occlusion_images, shortcut_drop)" in mistakes(
        values
    )


def test_an_old_name_within_a_phase_is_answered_too():
    values = shipped()
    values["train"]["phases"] = [{"clip_norm": 1.0}]
    assert "is now called train.max_grad_norm" in mistakes(values)


def test_the_metric_recall_is_answered_with_sensitivity():
    assert RENAMED_VALUES == {"recall": "sensitivity"}
    values = shipped()
    values["train"]["monitor"] = "recall"
    text = mistakes(values)
    assert "train.monitor: 'recall' is not allowed" in text
    assert "recall is now called sensitivity" in text


def test_exponents_are_numbers(tmp_path):
    text = (ROOT / "params.yaml").read_text().replace("min_lr: 1.0e-6", "min_lr: 1e-4")
    (tmp_path / "params.yaml").write_text(text)
    assert load_params(tmp_path / "params.yaml").train.schedule.min_lr == 1e-4


def test_phases_override_and_keep_the_rest():
    train = params(train={"phases": [{"name": "a", "optimizer": {"lr": 0.5}}, {"epochs": 9}]}).train
    first, second = train.phase_list()
    assert (first.optimizer.lr, first.optimizer.name) == (0.5, "adamw")
    assert (second.epochs, second.optimizer.lr) == (9, train.optimizer.lr)
    assert params().train.phase_list() == [params().train]


def test_broken_yaml_names_the_line(tmp_path):
    (tmp_path / "params.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(ConfigError, match="line 2"):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(ConfigError, match="does not exist"):
        load_params(tmp_path / "none.yaml")


def test_checking_needs_no_heavy_library():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n"
        "from pathlib import Path; from thorax.config import load_params\n"
        f"load_params(Path({str(ROOT / 'params.yaml')!r}))\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'sklearn', 'dvc'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_phase_cannot_change_what_holds_for_the_whole_run():
    """It was accepted and ignored."""

    with pytest.raises(ValueError, match=r"phases\.0: devices, seed cannot change within a run"):
        params(train={"phases": [{"epochs": 1, "seed": 3, "devices": 2}]})
