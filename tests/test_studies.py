"""`thorax recipe`: what is refused before any work, what a run is called, what smoke replaces."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from small_run import ROOT
from thorax.config import flatten, load_params
from thorax.errors import ConfigError, DataError, ResourceError, ThoraxError
from thorax.studies import experiments, run as studies
from thorax.studies.recipes import load_recipes
from thorax.studies.smoke import write_data

# Threads that wait do not spin: other tests share the processors.
PATIENT = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture(scope="module")
def recipes():
    return load_recipes(ROOT / "recipes")


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Experiments that would have been started, in the order; `broken` ones fail."""
    overrides_of = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(experiments, "require_clean_params", lambda: None)
    monkeypatch.setattr(studies, "FOLDER", tmp_path)

    def run(name, overrides):
        overrides_of[name] = list(overrides)
        return "broken" not in name

    monkeypatch.setattr(experiments, "run", run)
    monkeypatch.setattr(experiments, "queue", run)
    return overrides_of


@pytest.fixture
def images(tmp_path):
    return f"data.path={write_data('kermany', tmp_path / 'images')}"


def test_data_that_is_not_here_stops_before_any_work(started):
    with pytest.raises(DataError, match=r"1\.2 GB are missing(.|\n)*--fetch(.|\n)*-S data\.path="):
        studies.run(["kermany-cnn-deep"])
    with pytest.raises(DataError, match=r"45\.\d GB are missing"):
        studies.run(["nih-efficientnet-b6"])
    with pytest.raises(DataError, match="nothing to fetch"):
        studies.run(["three-class-transfer"], fetch=True)
    assert started == {}


def test_fetch_lets_the_download_stage_fetch(started):
    studies.run(["kermany-cnn-deep"], fetch=True)
    assert list(started) == ["kermany-cnn-deep"]


def test_an_unknown_recipe_or_setting_stops_before_any_work(started, images):
    with pytest.raises(ConfigError, match="Nearest: kermany-cnn-deep"):
        studies.run(["kermany-cnn-deep", "kermany-cnn-dep"], [images])
    with pytest.raises(ConfigError, match="epoch"):
        studies.run(["kermany-cnn-deep"], [images, "train.epoch=3"])
    with pytest.raises(ConfigError, match=r"train\.epochs: 'many' is not allowed"):
        studies.run(["kermany-cnn-deep"], [images, "train.epochs=many"])
    assert started == {}


def test_missing_weights_stop_before_any_work(started, images, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(ResourceError, match="ImageNet weights of resnet50 cannot be fetched"):
        studies.run(["kermany-resnet50-frozen"], [images])
    assert started == {}


def test_a_run_is_named_after_its_changes(started, images):
    studies.run(["kermany-cnn-deep"], [images, "preprocess.image_size=96", "split.method=patient"])
    (name,) = started
    assert name == "kermany-cnn-deep-image_size-96-method-patient"
    assert started[name][-3:] == [images, "preprocess.image_size=96", "split.method=patient"]


def test_one_that_fails_does_not_stop_the_others(started, images, monkeypatch):
    monkeypatch.setattr(
        studies, "experiment_name", lambda n, *_: f"{n}-broken" if n.endswith("baseline") else n
    )
    with pytest.raises(ThoraxError, match=r"1 of 2 recipes failed:\n.*baseline-broken\.log"):
        studies.run(["kermany-cnn-baseline", "kermany-cnn-deep"], [images])
    assert list(started) == ["kermany-cnn-baseline-broken", "kermany-cnn-deep"]


def test_smoke_replaces_data_size_epochs_and_weights_alone(started, recipes):
    allowed = {
        "data.path", "preprocess.image_size", "train.epochs", "train.phases", "model.weights",
    }  # fmt: skip
    studies.run(list(recipes), smoke=True)
    for recipe, overrides in zip(recipes.values(), started.values(), strict=True):
        was, now = (
            dict(flatten(settings.model_dump()))
            for settings in (recipe.settings(), load_params(overrides=overrides))
        )
        assert {path for path in was if was[path] != now[path]} <= allowed, recipe.name
        phases = zip(was["train.phases"], now["train.phases"], strict=True)
        assert all({**old, "epochs": 2} == new for old, new in phases)
        assert now["preprocess.image_size"] == 64
        assert now["model.weights"] == "none"
        files = [
            path for path in Path(now["data.path"]).rglob("*")
            if path.suffix in (".jpeg", ".png", ".zip")
        ]  # fmt: skip
        assert 0 < len(files) <= 64


def test_names_given_all_and_with_variants(monkeypatch, recipes):
    monkeypatch.chdir(ROOT)
    every = studies.names([], every=True, variants=False)
    assert "nih-efficientnet-b6" in every
    assert "nih-resnet-152" not in every
    family = studies.names(["nih-efficientnet-b6"], every=False, variants=True)
    assert family[0] == "nih-efficientnet-b6"
    assert {"nih-resnet-152", "nih-resnet-152-sgd", "nih-efficientnet-b6-sgd"} <= set(family)
    assert len(studies.names([], every=True, variants=True)) == len(recipes)
    with pytest.raises(ConfigError, match="--all"):
        studies.names([], every=False, variants=False)


def test_list_and_show_say_what_a_recipe_is(monkeypatch, recipes):
    monkeypatch.chdir(ROOT)
    listed = studies.table()
    assert all(name in listed for name in recipes)
    assert "kermany (not here), cnn-deep, random" in listed
    shown = studies.show("kermany-cnn-deep")
    assert "split.method" in shown
    assert "patient → random" in shown
    assert "859" not in shown


@pytest.mark.slow
def test_every_recipe_runs_on_phantoms(tmp_path, recipes):
    """The real command, in a clone: all code paths of all studies."""
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    command = "import sys; from thorax.cli import main; sys.argv[0] = 'thorax'; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", command, "recipe", "run", "--all", "--smoke"],
        cwd=clone, capture_output=True, text=True, check=False, env=PATIENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    refs = subprocess.check_output(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps"], cwd=clone, text=True
    )
    for name, recipe in recipes.items():
        if not recipe.variant_of:
            assert f"/{name}-smoke\n" in refs
