"""Lung fields: close to the truth where that is known, and a chest's shape whatever comes."""

from functools import cache

import cv2
import numpy as np
import pytest

from thorax.explain.lung_mask import lung_fields
from thorax_phantom.cohort import draw_patient
from thorax_phantom.lungs import lung_field
from thorax_phantom.radiograph import photograph, render

SIZE = 96


@cache
def phantoms():
    """First visits of 40 patients: images and true fields [40, SIZE, SIZE]."""
    images, fields = [], []
    for number in range(1, 41):
        patient = draw_patient(3, number)
        visit = patient.visits[0]
        attenuation, _ = render(patient, visit, SIZE)
        images.append(photograph(3, patient, visit, attenuation, marker=True))
        fields.append(lung_field(patient, visit, SIZE))
    return np.stack(images), np.stack(fields)


def dice(a, b):
    return 2 * (a & b).sum((1, 2)) / (a.sum((1, 2)) + b.sum((1, 2)))


def test_fields_lie_where_the_lungs_of_phantoms_are():
    images, truth = phantoms()
    score = dice(lung_fields(images), truth)
    average = np.broadcast_to(truth.mean(axis=0) > 0.5, truth.shape)
    assert score.mean() > 0.82
    assert score.min() > 0.65
    assert score.mean() > dice(average, truth).mean() + 0.02  # they follow each image


def test_a_field_moves_with_the_chest():
    images, _ = phantoms()
    shift = np.float32([[1, 0, 5], [0, 1, 5]])
    moved = [cv2.warpAffine(image, shift, (SIZE, SIZE), borderMode=1) for image in images]

    def centre(fields):
        return np.array([np.argwhere(field).mean(axis=0) for field in fields]).mean(axis=0)

    away = centre(lung_fields(np.stack(moved))) - centre(lung_fields(images))
    assert (away > 2).all()  # less than the chest: usual places are likelier than odd ones
    assert (away < 6).all()


@pytest.mark.parametrize("shape", [(2, 64, 64), (1, 100, 80), (1, 320, 320), (0, 64, 64)])
def test_any_size_gives_two_lungs(shape):
    rng = np.random.default_rng(0)
    fields = lung_fields(rng.integers(0, 255, shape).astype(np.uint8))
    assert fields.shape == shape
    assert fields.dtype == bool
    for field in fields:
        assert cv2.connectedComponents(field.astype(np.uint8))[0] == 3  # the background is one
        assert 0.1 < field.mean() < 0.6


def test_a_flat_image_has_a_usual_field():
    (field,) = lung_fields(np.full((1, 64, 64), 90, np.uint8))
    assert field.any()


def test_the_true_field_leaves_findings_and_what_the_heart_hides_out_of_account():
    drawn = (draw_patient(3, number) for number in range(1, 200))
    patient = next(p for p in drawn if "Consolidation" in p.visits[0].severity)
    visit = patient.visits[0]
    truth = lung_field(patient, visit, SIZE)
    _, masks = render(patient, visit, SIZE)
    white = masks["Consolidation"] > 0
    assert (truth & white).sum() > 0.7 * white.sum()  # still lung
    assert not truth[SIZE // 2 :, SIZE // 2].any()  # heart, spine
    assert cv2.connectedComponents(truth.astype(np.uint8))[0] == 3
