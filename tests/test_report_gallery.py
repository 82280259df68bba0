"""The data of the gallery: what each image is, how it was decided, and which images are shown."""

import base64

import cv2
import numpy as np
import pytest

from small_run import finished_run
from thorax.config import Report
from thorax.metrics.groups import attributes
from thorax.report.inputs import gather
from thorax.report.sections import gallery
from thorax.report.thumbnails import layer


@pytest.fixture(scope="module", params=["multi-label", "multi-class"])
def run(request):
    return gather(Report(examples=2), finished_run(request.param)[0])


def images(run, rows=None, side=32):
    table = run.predictions["test"]
    rows = np.arange(len(table)) if rows is None else rows
    return table.iloc[rows], gallery.images(run, rows, attributes(run.table), side)


def test_counts_are_those_of_the_confusion_and_scores_those_of_the_predictions(run):
    table, data = images(run)
    assert data["ids"] == table["image_id"].tolist()
    for name, of in zip(run.model.outputs, data["classes"], strict=True):
        y, called = np.array(of["y"]), np.array(of["called"])
        record = run.metrics.classes[name]
        assert (y & called).sum() == record.tp
        assert ((1 - y) & called).sum() == record.fp
        np.testing.assert_allclose(of["p"], table[f"p_{name}"], atol=5e-5)


def test_every_mistake_has_its_heat_map_and_nothing_else(run):
    _, data = images(run)
    for of in data["classes"]:
        wrong = {
            i
            for i, (y, called) in enumerate(zip(of["y"], of["called"], strict=True))
            if y != called
        }
        assert set(of["maps"]) == wrong


def test_pictures_are_the_cached_ones_and_groups_those_of_the_manifest(run):
    table, data = images(run, np.array([3, 1]))
    rows = run.table.set_index("image_id", drop=False).loc[table["image_id"]]
    assert data["groups"][0] == rows["sex"].tolist()
    assert data["truth"][0] == (
        " and ".join(n for n in run.dataset.classes if rows.iloc[0][f"label_{n}"] == 1)
        or "none of the classes"
    )
    encoded = base64.b64decode(data["pictures"][0].split(",")[1])
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    original = run.images[run.table.index[run.table["image_id"] == data["ids"][0]][0]]
    assert picture.shape == original.shape
    assert np.abs(picture.astype(int) - original).mean() < 8


def test_of_many_images_a_sample_is_shown_and_said(run, monkeypatch):
    total = len(run.predictions["test"])
    assert f"All {total} images of the test set, at the resolution" in gallery.section(run).body
    monkeypatch.setattr(gallery, "MOST", 4)
    monkeypatch.setattr(gallery, "PIXELS", 4 * 16 * 16)
    body = gallery.section(run).body
    assert f"4 evenly spaced of {total} images of the test set, reduced to 16 pixels" in body


def test_the_heat_map_is_orange_and_as_see_through_as_the_evidence_is_weak():
    drawn = layer(np.array([[0, 255]], np.uint8))
    assert drawn.shape == (1, 2, 4)
    assert drawn[0, 0, 3] == 0 < drawn[0, 1, 3] < 255
    assert drawn[0, 1, 2] > drawn[0, 1, 0], "red above blue"
