"""Predictions stand in their tables in full precision, and nothing is computed from less."""

from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax
from sklearn.metrics import average_precision_score, roc_auc_score

from thorax.errors import DataError
from thorax.metrics.bootstrap import resample
from thorax.metrics.calibration import log_loss
from thorax.metrics.classification import auroc_and_ap, ones
from thorax.metrics.predictions import Predictions, read_decided, read_predictions
from thorax.metrics.thresholds import choose


def predictions(z, y, task="multi-label"):
    z, y = np.array(z, float), np.array(y, float)
    ids = [f"{i:03}.png" for i in range(len(y))]
    images = pd.DataFrame(
        {"image_id": ids, "patient_id": ids, "sha256": ids, "subset": "test", "fold": -1}
    )
    return Predictions(task, list("ABC"[: y.shape[1]]), images, y, z)


def shifted(shift, n=200):
    """Logits of one class that separate it a little, all moved to one side."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (n, 1)).astype(float)
    return predictions(rng.normal(0, 2, (n, 1)) + 2 * y + shift, y)


def written(part, folder):
    part.write(folder / "test.csv")
    return read_predictions(folder / "test.csv", part.task_name, part.outputs)


def exact_loss(part, temperature=1.0):
    """Mean binary cross-entropy with sixty digits."""
    with localcontext() as context:
        context.prec = 60
        terms = []
        for z, y in zip(part.z.ravel().tolist(), part.y.ravel().tolist(), strict=True):
            logit = Decimal(z) / Decimal(temperature)
            terms.append((1 + logit.exp()).ln() - Decimal(y) * logit)
        return float(sum(terms) / len(terms))


def test_a_table_reads_back_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 20, (300, 3)).astype(np.float32).astype(float)
    y = rng.choice([0, 1, np.nan], z.shape)
    part = predictions(z, y)
    again = written(part, tmp_path)
    np.testing.assert_array_equal(again.z, part.z)
    np.testing.assert_array_equal(again.y, part.y)
    np.testing.assert_array_equal(again.p, part.p)
    pd.testing.assert_frame_equal(again.images, part.images)


@pytest.mark.parametrize("shift", [-24, -300], ids=["below 5e-7", "below 1e-100"])
def test_a_rare_finding_still_ranks(shift, tmp_path):
    """Six decimals would be 0 for every image."""
    part = written(shifted(shift), tmp_path)
    y, p, z = part.y[:, 0], part.p[:, 0], part.z[:, 0]
    assert 0 < p.max() < 5e-7
    (auroc,), (precision,) = auroc_and_ap(y, p, ones(len(y)))
    assert auroc == pytest.approx(roc_auc_score(y, z), abs=1e-12)
    assert precision == pytest.approx(average_precision_score(y, z), abs=1e-12)
    assert auroc > 0.7


@pytest.mark.parametrize("rule", ["youden", "f1"])
def test_a_rare_finding_gets_the_threshold_of_its_logits(rule, tmp_path):
    usual, rare = shifted(0), written(shifted(-24), tmp_path)
    replicates = resample(usual.images["patient_id"], 20, 0)
    positive = [
        part.p[:, 0] >= choose(rule, part.y[:, 0], part.p[:, 0], replicates).value
        for part in (usual, rare)
    ]
    np.testing.assert_array_equal(*positive)


@pytest.mark.parametrize("shift", [-24, 0, 24, 60])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_the_loss_is_that_of_sixty_digits(shift, temperature, tmp_path):
    part = written(shifted(shift), tmp_path)
    expected = exact_loss(part, temperature)
    assert log_loss(part, part.z / temperature) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("task", ["multi-label", "multi-class"])
def test_a_decided_table_says_what_is_true_and_predicted(task, tmp_path):
    y = [[1, 1], [0, 1], [0, 0]] if task == "multi-label" else [[1, 0], [0, 1], [0, 1]]
    part = predictions([[3, -30], [-1, 2], [-40, -2]], y, task)
    decisions = part.task.decide(part.p, np.array([0.5, 0.5]))
    part.write_decided(decisions, tmp_path / "test.csv")
    table = read_decided(tmp_path / "test.csv")
    labels = {"multi-label": ["A|B", "B", ""], "multi-class": ["A", "B", "B"]}[task]
    assert table["true"].tolist() == labels
    assert table["predicted"].tolist() == ["A", "B", "" if task == "multi-label" else "B"]
    np.testing.assert_array_equal(table[["p_A", "p_B"]].to_numpy(float), part.p)
    np.testing.assert_array_equal(table[["y_A", "y_B"]].to_numpy(float), part.y)


@pytest.mark.parametrize("task", ["multi-label", "multi-class"])
def test_what_git_keeps_ranks_alike_and_names_nobody(tmp_path, task):
    rng = np.random.default_rng(0)
    y = np.eye(2)[rng.integers(0, 2, 500)]
    part = predictions(rng.normal(0, 30, (500, 2)), y, task)
    decisions = part.task.decide(part.p, np.array([0.5, 0.5]))
    path = part.write_anonymous(decisions, tmp_path / "kept")
    assert "png" not in path.read_text()
    part.write_decided(decisions, tmp_path / "full.csv")
    table, full = read_decided(path), read_decided(tmp_path / "full.csv")
    for column in ("y_A", "y_B", "predicted"):
        assert table[column].tolist() == full[column].tolist()
    exact = log_softmax(part.z, axis=1) if task == "multi-class" else part.z
    np.testing.assert_allclose(table[["logit_A", "logit_B"]], exact, rtol=5.1e-5)
    kept, true = roc_auc_score(y, table[["logit_A", "logit_B"]]), roc_auc_score(y, exact)
    assert kept == pytest.approx(true, abs=1e-4)


def test_the_file_that_git_keeps_is_called_after_images_and_patients_in_any_order(tmp_path):
    part = predictions([[1.0], [2], [3]], [[0.0], [1], [1]])
    folder = tmp_path / "kept"
    first = part.write_anonymous(part.y, folder)
    kept = first.read_bytes()
    backward = replace(part, images=part.images[::-1], y=part.y[::-1], z=part.z[::-1])
    assert backward.write_anonymous(backward.y, folder) == first
    assert first.read_bytes() == kept
    for column in ("image_id", "patient_id", "sha256"):
        other = replace(part, images=part.images.assign(**{column: ["000.png", "001.png", "x"]}))
        assert other.write_anonymous(part.y, folder) != first
        assert len(list(folder.iterdir())) == 1


def test_a_table_of_something_else_is_named(tmp_path):
    (tmp_path / "other.csv").write_text("image_id,age\na,3\n")
    with pytest.raises(DataError, match=r"other\.csv is no table .* patient_id, predicted"):
        read_decided(tmp_path / "other.csv")


def test_some_images_keep_their_rows():
    part = predictions([[1.0], [2], [3]], [[0.0], [1], [1]])
    some = part.take(pd.Series([True, False, True]))
    assert some.images["image_id"].tolist() == ["000.png", "002.png"]
    assert some.images.index.tolist() == [0, 1]
    assert some.z.tolist() == [[1], [3]]
    assert some.y.tolist() == [[0], [1]]
