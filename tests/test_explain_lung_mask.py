"""Lung masks: close to the truth where that is known, and a chest's shape whatever comes."""

from functools import cache

import cv2
import numpy as np
import pytest

from thorax.explain.lung_mask import lung_masks
from thorax_phantom.cohort import draw_patient
from thorax_phantom.radiograph import acquire, lung_field, render

SIZE = 96


@cache
def phantoms():
    """First visits of 40 patients: images and true lung fields [40, SIZE, SIZE]."""
    images, fields = [], []
    for number in range(1, 41):
        patient = draw_patient(3, number)
        visit = patient.visits[0]
        attenuation, _ = render(patient, visit, SIZE)
        images.append(acquire(3, patient, visit, attenuation, marker=True))
        fields.append(lung_field(patient, visit, SIZE))
    return np.stack(images), np.stack(fields)


def dice(a, b):
    return 2 * (a & b).sum((1, 2)) / (a.sum((1, 2)) + b.sum((1, 2)))


def test_masks_lie_where_the_lungs_of_phantoms_are():
    images, truth = phantoms()
    overlap = dice(lung_masks(images), truth)
    average = np.broadcast_to(truth.mean(axis=0) > 0.5, truth.shape)
    assert overlap.mean() > 0.82
    assert overlap.min() > 0.65
    assert overlap.mean() > dice(average, truth).mean() + 0.02  # they follow each image


def test_a_mask_moves_with_the_chest():
    images, _ = phantoms()
    shift = np.float32([[1, 0, 5], [0, 1, 5]])
    moved = [cv2.warpAffine(image, shift, (SIZE, SIZE), borderMode=1) for image in images]

    def center(masks):
        return np.array([np.argwhere(mask).mean(axis=0) for mask in masks]).mean(axis=0)

    away = center(lung_masks(np.stack(moved))) - center(lung_masks(images))
    assert (away > 2).all()  # less than the chest: usual places are likelier than odd ones
    assert (away < 6).all()


@pytest.mark.parametrize("shape", [(2, 64, 64), (1, 100, 80), (1, 320, 320), (0, 64, 64)])
def test_any_size_gives_two_lungs(shape):
    rng = np.random.default_rng(0)
    masks = lung_masks(rng.integers(0, 255, shape).astype(np.uint8))
    assert masks.shape == shape
    assert masks.dtype == bool
    for mask in masks:
        assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 3  # the background is one
        assert 0.1 < mask.mean() < 0.6


def test_a_flat_image_has_a_usual_mask():
    (mask,) = lung_masks(np.full((1, 64, 64), 90, np.uint8))
    assert mask.any()


def test_the_true_field_includes_diseased_lung_and_not_what_the_heart_hides():
    drawn = (draw_patient(3, number) for number in range(1, 200))
    patient = next(p for p in drawn if "Consolidation" in p.visits[0].severity)
    visit = patient.visits[0]
    truth = lung_field(patient, visit, SIZE)
    _, masks = render(patient, visit, SIZE)
    white = masks["Consolidation"] > 0
    assert (truth & white).sum() > 0.7 * white.sum()  # still lung
    assert not truth[SIZE // 2 :, SIZE // 2].any()  # heart, spine
    assert cv2.connectedComponents(truth.astype(np.uint8))[0] == 3
