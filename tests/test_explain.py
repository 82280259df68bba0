"""Explain: the first fold's model, on images it has not seen, and unchanged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from small_run import finished_run, params, train_folds, write_run
from thorax.artifacts.explanation import Localization, Occlusion
from thorax.explain import MISTAKES, explain, surest, write_gradcam, write_occlusion
from thorax.explain.cascade import cascading_randomization
from thorax.explain.explainer import evenly, open_explainer
from thorax.explain.localization import localize
from thorax.io import read_csv
from thorax.metrics.predictions import read_decided


@pytest.fixture(scope="module", params=["multi-label", "binary", "multi-class"])
def run(request):
    """A finished run of each task, with two folds."""
    return finished_run(request.param, folds=2)


def gradcam_of(paths):
    with np.load(Path(paths.explanations) / "gradcam.npz") as kept:
        return dict(kept)


def occlusion_of(paths):
    return Occlusion.read(Path(paths.explanations) / "occlusion.json")


def localization_of(paths):
    return Localization.read(Path(paths.explanations) / "localization.json")


def test_the_surest_images_of_each_class_right_and_wrong_are_explained(run):
    paths, _ = run
    table, kept = read_decided(Path(paths.evaluation) / "test.csv"), gradcam_of(paths)
    assert str(kept["layer"]).startswith("features")
    assert kept["maps"].shape == (len(kept["outputs"]), 32, 32)
    assert kept["maps"].max() == 255
    outputs = kept["outputs"].tolist()
    for name in dict.fromkeys(outputs):
        p, shows = table[f"p_{name}"], table[f"y_{name}"] == 1
        order = p.sort_values().index
        missed, alarms = order[shows[order]], order[~shows[order]][::-1]
        surest = dict.fromkeys([missed[-1], *missed[:MISTAKES], *alarms[:MISTAKES]])
        ids = [i for i, output in zip(kept["image_ids"], outputs, strict=True) if output == name]
        assert ids == table.loc[list(surest), "image_id"].tolist()


def test_only_so_many_mistakes_of_each_kind_and_small_maps_are_kept():
    y, p = np.r_[np.ones(100), np.zeros(100), np.nan], np.linspace(0, 1, 201)
    rows = surest(y, p)
    assert rows.tolist() == [99, *range(MISTAKES), *range(199, 199 - MISTAKES, -1)]
    assert surest(np.zeros(3), np.array([0.1, 0.3, 0.2])).tolist() == [1, 2, 0]


def test_every_version_of_the_first_image_is_kept(run):
    paths, _ = run
    explainer = open_explainer(paths)
    first = explainer.dataset.rows_of(explainer.predictions.images["image_id"])[0]
    with np.load(Path(paths.explanations) / "occlusion.npz") as kept:
        assert set(kept) == {"as it is", "corners", "lungs", "all_but_lungs"}
        np.testing.assert_array_equal(kept["as it is"], explainer.dataset.images[first])
        assert all(version.shape == (32, 32) for version in kept.values())


def test_the_evaluated_images_and_every_class_are_tested(run):
    paths, settings = run
    occlusion = occlusion_of(paths)
    assert (occlusion.images, occlusion.patients) == (10, 5)
    assert occlusion.n_bootstrap == settings.evaluate.n_bootstrap
    assert list(occlusion.classes) == open_explainer(paths).predictions.outputs
    assert localization_of(paths).n_bootstrap == settings.evaluate.n_bootstrap


def test_the_cascade_leaves_the_network_as_it_was(run):
    """It randomizes layer after layer, on a copy; the order of the analyses does not matter."""
    explainer = open_explainer(run[0])
    before = {key: value.clone() for key, value in explainer.network.state_dict().items()}
    steps = cascading_randomization(explainer)
    assert [step.layers for step in steps] == ["head", "last quarter", "last half", "all layers"]
    assert steps == cascading_randomization(explainer) == localization_of(run[0]).cascade
    for key, value in explainer.network.state_dict().items():
        assert torch.equal(value, before[key])


def test_no_more_images_at_once_than_in_a_training_batch(run, tmp_path):
    """Gradients and occlusions of hundreds of images once went through in one batch."""
    paths, settings = run
    explainer, sizes = open_explainer(paths), []
    batch_size = settings.train.batch_size
    z = np.zeros((60, len(explainer.predictions.outputs)))
    table, targets = explainer.dataset.table, explainer.dataset.targets
    more = replace(explainer.predictions, images=table, y=targets, z=z)
    explainer = replace(explainer, predictions=more)

    class Counting(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.features, self.network = network, network

        def forward(self, x_BCHW):  # noqa: N803
            sizes.append(len(x_BCHW))
            return self.network(x_BCHW)

    explainer = replace(explainer, network=Counting(explainer.network))
    write_gradcam(explainer, tmp_path / "gradcam.npz")
    cascading_randomization(explainer)
    write_occlusion(explainer, settings.explain, settings.evaluate, tmp_path)
    assert Occlusion.read(tmp_path / "occlusion.json").images == 60
    assert batch_size / 2 < max(sizes) <= batch_size


@pytest.mark.parametrize("number", [0, 7])
def test_as_many_images_as_asked_for_are_tested(number, tmp_path):
    paths, settings = finished_run("multi-label", folds=2)
    few = settings.explain.model_copy(update={"occlusion_images": number, "gradcam_images": number})
    changed = paths.model_copy(update={"explanations": str(tmp_path)})
    explain(few, settings.evaluate, changed)
    assert occlusion_of(changed).images == number
    images = [each.images for each in localization_of(changed).classes.values()]
    assert all(0 < count <= number for count in images)
    assert bool(images) == bool(number)


def test_without_a_test_set_the_first_model_is_explained_on_what_it_has_not_seen():
    paths, _ = finished_run("multi-label", folds=2, test=False)
    split = read_csv(Path(paths.split), ["fold"]).set_index("image_id")
    unseen = set(split.index[split["fold"] == 0])
    assert occlusion_of(paths).images == len(unseen) < len(split)
    assert set(gradcam_of(paths)["image_ids"]) <= unseen
    assert localization_of(paths).classes["A"].images <= len(unseen)


def test_a_model_that_learned_a_square_points_at_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = write_run(tmp_path, images=120)
    settings = params(train={"epochs": 12, "patience": 12}, augment={"shift": 0.0})
    train_folds(paths, settings, [0])
    scores = localize(open_explainer(paths), settings.explain, settings.evaluate, paths)
    assert list(scores) == ["A"]
    model, random = scores["A"].model, scores["A"].random
    assert scores["A"].images > 3
    assert scores["A"].area == pytest.approx(12 * 12 / 32**2, abs=1e-3)
    assert model.iou.value > random.iou.value
    # The square never moves, so its place is known without a look at the image.
    assert scores["A"].prior.pointing.value == scores["A"].prior.iou.value == 1
    assert scores["A"].difference.iou.high < 0


def test_spread_evenly():
    assert evenly(list("abc"), 5) == ["a", "b", "c"]
    assert evenly([str(i) for i in range(100)], 4) == ["12", "37", "62", "87"]
    assert evenly(list("abc"), 0) == []
