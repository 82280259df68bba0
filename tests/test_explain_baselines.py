"""Simple baselines learn what gray levels and borders tell, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from thorax.explain.baselines import border_ring, gray_statistics, pixel_baselines
from thorax.metrics.baseline import beside_model
from thorax.metrics.predictions import Predictions


def predictions_of(y, p):
    ids = [str(i) for i in range(len(y))]
    images = pd.DataFrame({"image_id": ids, "patient_id": ids, "sha256": ids})
    z = np.log(p / (1 - p))
    outputs = [f"F{i}" for i in range(y.shape[1])]
    return Predictions("multi-label", outputs, images.assign(subset="test", fold=-1), y, z)


def baselines_on(images, y, p):
    """Fitted on the first two thirds, evaluated on the others."""
    trained = np.arange(len(y) * 2 // 3)
    evaluated = np.arange(len(trained), len(y))
    predictions = predictions_of(y[evaluated], p[evaluated])
    return pixel_baselines(images, trained, y[trained], evaluated, predictions)


def cohort(planted, number=450):
    """Noise in which the finding is a darker image, a bright edge, or a square in the middle."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (number, 1)).astype(float)
    images = rng.integers(60, 160, (number, 32, 32)).astype(np.uint8)
    sick = y[:, 0] == 1
    if planted == "level":
        images[sick] -= 20
    if planted == "edge":  # pixels change places, so that gray levels stay
        images[sick, :2] = np.sort(images[sick, :2], axis=1)
        images[sick] = np.sort(images[sick], axis=1)
    if planted == "middle":
        images[sick, 12:20, 12:20] = np.sort(images[sick, 12:20, 12:20], axis=2)
    return images, y, np.where(sick, 0.9, 0.2)[:, None]


@pytest.mark.parametrize(
    ("planted", "gray", "ring"),
    [("level", True, True), ("edge", None, True), ("middle", None, False)],
)
def test_each_baseline_sees_its_own_part(planted, gray, ring):
    found = baselines_on(*cohort(planted))
    for name, sees in (("gray statistics", gray), ("border ring", ring)):
        auroc = found[name].mean.baseline.value
        if sees is not None:
            assert (auroc > 0.9) if sees else (auroc < 0.65), name
        assert found[name].mean.model.value == 1


def test_the_difference_is_the_models_minus_the_baselines_and_paired():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, (200, 2)).astype(float)
    p = rng.random((200, 2)) * 0.8 + 0.1
    y[:30, 0] = np.nan
    predictions = predictions_of(y, p)
    score = rng.random(200)
    classes, average = beside_model([score, p[:, 1]], predictions, "")
    expected = roc_auc_score(y[30:, 0], score[30:])
    assert classes["F0"].baseline.value == round(expected, 4)
    own = classes["F1"].difference
    assert (own.value, own.low, own.high) == (0, 0, 0)
    mean = average.difference.value
    assert mean == pytest.approx(classes["F0"].difference.value / 2, abs=1e-4)


def test_a_class_without_both_labels_is_undefined_with_its_reason():
    images, y, p = cohort("level")
    y[:, 0] = 1
    for baseline in baselines_on(images, y, p).values():
        assert baseline.mean.baseline.value is None
        assert baseline.mean.baseline.reason == "a single class present"


def test_gray_statistics_by_hand():
    image = np.full((10, 10), 100, np.uint8)
    image[:, :5], image[0, 9] = 0, 255
    mean, spread, low, *_, high, black, white, sharpness = gray_statistics(image)
    assert mean == image.mean()
    assert spread == pytest.approx(image.std())
    assert (low, high, black, white) == (0, 100, 0.5, 0.01)
    assert sharpness > 0
    assert len(border_ring(image)) == 16 * 16 - 12 * 12
