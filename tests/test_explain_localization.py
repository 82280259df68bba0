"""Localization: regions land where they belong, and the rival is a fixed place."""

import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest

from small_run import params
from thorax.dataset import GEOMETRY
from thorax.download.annotations import read_annotations
from thorax.explain.localization import compare, iou, location_prior, masks_of, pointing
from thorax.metrics.bootstrap import resample
from thorax.preprocess.decode import resize
from thorax.survey import survey
from thorax_phantom import write_archive


def geometry(ids, size, cached):
    """Of square images that were only resized."""
    place = {name: 0 if name.endswith(("_x", "_y")) else size for name in GEOMETRY}
    return pd.DataFrame([place | {"new_width": cached, "new_height": cached}] * len(ids), ids)


def regions(**polygons):
    """Annotations of one image, a polygon per finding."""
    return pd.DataFrame(
        {"image_id": "a", "finding": list(polygons), "polygons": list(polygons.values())}
    )


class TestMasks:
    def test_of_a_phantom_come_back_from_the_archive(self, tmp_path):
        write_archive(
            tmp_path / "p.zip", patients=30, pixels=96, seed=1, marker_correlation=0.0,
            marker_label="Nodule",
        )  # fmt: skip
        annotations = read_annotations(survey(tmp_path / "p.zip", "read"))
        places = geometry(annotations["image_id"].unique(), 96, 96)
        with zipfile.ZipFile(tmp_path / "p.zip") as archive:
            names = [name for name in archive.namelist() if name.startswith("masks/")]
            assert len(names) > 20
            for name in names:
                image, _, finding = name.removeprefix("masks/").removesuffix(".png").rpartition("_")
                truth = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), 0) > 0
                (mask,) = masks_of(annotations, places, [f"{image}.png"], finding, 96)
                assert (mask != truth).sum() <= max(2, 0.04 * truth.sum()), name

    @pytest.mark.parametrize("changes", [{}, {"keep_aspect": True}, {"crop_borders": True}])
    def test_follow_the_image_through_crop_and_resize(self, changes):
        image = np.zeros((200, 300), np.uint8)
        image[20:180, 30:270] = 60
        image[80:120, 150:210] = 255  # what the box is drawn around
        settings = params(preprocess={"image_size": 64, "clahe_clip": None, **changes}).preprocess
        cached, place = resize(image, settings)
        box = regions(F="150 80 210 80 210 120 150 120")
        (mask,) = masks_of(box, pd.DataFrame([vars(place)], index=["a"]), ["a"], "F", 64)
        bright = cached > 150
        assert (mask & bright).sum() / (mask | bright).sum() > 0.85

    def test_boxes_of_one_finding_join_and_others_do_not_count(self):
        boxes = pd.concat(
            [regions(F="0 0 2 0 2 2 0 2", G="4 4 6 4 6 6 4 6"), regions(F="8 8 17 8 17 10 8 10")]
        )
        (mask,) = masks_of(boxes, geometry(["a"], 10, 10), ["a"], "F", 10)
        assert mask[:2, :2].all()
        assert mask[8:, 8:].all()
        assert mask.sum() == 8

    def test_a_hole_is_not_marked_and_a_speck_is_one_pixel(self):
        hole = "0 0 40 0 40 40 0 40;12 12 28 12 28 28 12 28"
        drawn = regions(F=hole, G="21 21 22 21 22 22 21 22")
        (mask,) = masks_of(drawn, geometry(["a"], 40, 10), ["a"], "F", 10)
        assert mask.sum() == 100 - 16
        assert not mask[3:7, 3:7].any()
        (mask,) = masks_of(drawn, geometry(["a"], 40, 10), ["a"], "G", 10)
        assert np.argwhere(mask).tolist() == [[5, 5]]


def replicates(patients, n_bootstrap):
    return resample(pd.Series(patients).astype(str), n_bootstrap, 0)


class TestScore:
    def test_by_hand(self):
        maps = np.zeros((3, 4, 4), np.float32)
        maps[0, 0, 0], maps[0, 0, 1], maps[0, 3, 3] = 1.0, 0.6, 0.4
        maps[1, 3, 3] = 1.0
        masks = np.zeros((3, 4, 4), bool)
        masks[:, :2, :2] = True
        assert pointing(maps, masks).tolist() == [1, 0, 0]
        assert iou(maps, masks).tolist() == [2 / 4, 0, 0]
        found = compare(maps, maps, masks.astype(np.float32), masks, replicates(list("abb"), 100))
        model = found.model
        assert (model.pointing.value, model.iou.value, found.area) == (0.3333, 0.1667, 0.25)
        assert model.pointing.low <= model.pointing.value <= model.pointing.high
        assert (found.images, found.patients) == (3, 2)
        assert found.prior.iou.value == found.prior.pointing.value == 1
        assert found.difference.iou.value == -0.8333
        assert found.difference.pointing.low <= found.difference.pointing.value < 0

    def test_a_random_point_hits_as_often_as_the_mask_is_large(self):
        maps = np.random.default_rng(0).random((4000, 8, 8)).astype(np.float32)
        masks = np.zeros((4000, 8, 8), bool)
        masks[:, :4, :2] = True
        found = compare(maps, maps, None, masks, replicates(np.arange(4000), 0))
        assert found.model.pointing.value == pytest.approx(found.area, abs=0.02)
        assert found.model.pointing.low is None
        for undefined in (found.prior.pointing, found.difference.iou):
            assert (undefined.value, undefined.reason[:8]) == (None, "no train")


def hearts(number, seed=0):
    """Maps that follow a finding of varying place, one near the middle, and its masks."""
    rng, masks = np.random.default_rng(seed), np.zeros((number, 16, 16), bool)
    for mask, (y, x) in zip(masks, rng.integers(5, 8, (number, 2)), strict=True):
        mask[y : y + 5, x : x + 5] = True
    return masks.astype(np.float32), masks


class TestLocationPrior:
    def test_is_the_mean_training_mask_for_every_image(self):
        _, masks = hearts(9)
        _, training = hearts(40, seed=1)
        prior = location_prior(training, masks, np.arange(9))
        np.testing.assert_allclose(prior, [training.mean(axis=0)] * 9, atol=1e-6)

    def test_of_other_patients_where_no_training_image_is_annotated(self):
        _, masks = hearts(12)
        patient = np.repeat(np.arange(6), 2)
        prior = location_prior(masks[:0], masks, patient)
        others = masks[(patient % 5) != 0].mean(axis=0)
        np.testing.assert_allclose(prior[0], others, atol=1e-6)
        np.testing.assert_array_equal(prior[0], prior[10])  # patient 5 falls into the same part
        changed = masks.copy()
        changed[:2] = ~changed[:2]
        assert (location_prior(masks[:0], changed, patient)[:2] == prior[:2]).all()

    def test_of_a_single_patient_is_unknown(self):
        _, masks = hearts(3)
        assert location_prior(masks[:0], masks, np.zeros(3, int)) is None

    def test_hits_a_finding_that_lies_in_the_same_place_as_well_as_a_perfect_map(self):
        """Beside a random point, any map near the middle once seemed to find the heart."""
        maps, masks = hearts(60)
        prior = location_prior(hearts(60, seed=1)[1], masks, np.arange(60))
        found = compare(maps, np.zeros_like(maps), prior, masks, replicates(np.arange(60), 200))
        assert found.area < 0.1
        assert found.model.pointing.value == 1
        assert found.prior.pointing.value > 0.9
        assert found.difference.iou.low > 0  # where it lies in each image still shows in the IoU
        middle = np.zeros_like(maps)
        middle[:, 9, 9] = 1
        beaten = compare(middle, middle, prior, masks, replicates(np.arange(60), 200))
        assert beaten.difference.iou.high < 0
