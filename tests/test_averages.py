"""Means over classes by their images and over images: scikit-learn's, with intervals."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from thorax.metrics.classification import ones
from thorax.studies.averages import averaged, by_image, weighted

NAMES = ("precision", "sensitivity", "f1")


def labels_and_decisions(images=60):
    rng = np.random.default_rng(0)
    y = rng.random((images, 3)) < (0.2, 0.5, 0.7)
    return y.astype(float), (y ^ (rng.random(y.shape) < 0.3)).astype(float)


@pytest.mark.parametrize(("mean", "average"), [(weighted, "weighted"), (by_image, "samples")])
def test_means_are_those_of_scikit_learn(mean, average):
    y, d = labels_and_decisions()
    ours = {name: value[0] for name, value in mean(y, d, ones(len(y))).items()}
    expected = precision_recall_fscore_support(y, d, average=average, zero_division=0)[:3]
    assert [ours[name] for name in NAMES] == pytest.approx(expected)
    accuracy = accuracy_score(y, d) if average == "weighted" else (y == d).mean()
    assert ours["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("mean", [weighted, by_image])
def test_a_weight_counts_an_image_so_often(mean):
    y, d = labels_and_decisions(20)
    times = np.random.default_rng(1).integers(0, 4, 20)
    repeated = np.repeat(np.arange(20), times)
    drawn = mean(y, d, times[None].astype(float))
    alone = mean(y[repeated], d[repeated], ones(len(repeated)))
    for name, value in drawn.items():
        np.testing.assert_allclose(value, alone[name])


def test_a_table_of_predictions_gives_each_mean_with_its_interval():
    y, d = labels_and_decisions()
    table = pd.DataFrame(y, columns=["y_a", "y_b", "y_c"])
    table["patient_id"] = [str(i // 2) for i in range(len(y))]
    table["predicted"] = ["|".join(np.array(["a", "b", "c"])[row == 1]) for row in d]
    found = averaged(table, "images", 200, 0)
    for name, value in by_image(y, d, ones(len(y))).items():
        assert found[name].value == pytest.approx(value[0], abs=1e-4)
        assert found[name].low < value[0] < found[name].high
    table.loc[0, "y_a"] = np.nan
    assert averaged(table, "images", 2, 0) == averaged(table[1:], "images", 2, 0)
