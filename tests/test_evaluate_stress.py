"""Stress: what a change of every image does to ranking and to decisions."""

import numpy as np
import pandas as pd
from scipy.special import logit

from thorax.evaluate.stress import stress_tests
from thorax.metrics.predictions import IDS, Predictions


def evaluated(y, p, task="binary"):
    number = np.arange(len(y))
    images = pd.DataFrame({name: number.astype(str) for name in IDS})
    images["patient_id"] = (number // 2).astype(str)
    return Predictions(task, [f"c{i}" for i in range(y.shape[1])], images, y, logit(p))


def cohort(n=120):
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, n // 2), 2).astype(float)[:, None]
    return y, np.clip(0.3 + 0.3 * y + rng.normal(0, 0.1, y.shape), 0.01, 0.98)


def under(part, changes, path, thresholds=(0.45,)):
    """Changes map probabilities to those of the altered images."""
    tables = []
    for name, change in changes.items():
        z = logit(np.clip(change(part.task.activation(part.z)), 1e-6, 1 - 1e-6))
        table = pd.DataFrame(z, columns=[f"logit_{output}" for output in part.outputs])
        table.insert(0, "image_id", part.images["image_id"])
        tables.append(table.assign(change=name)[::-1])  # in any order
    pd.concat(tables).to_csv(path, index=False)
    return stress_tests(part, np.array(thresholds), path)


def test_a_shift_of_all_scores_breaks_decisions_and_not_the_ranking(tmp_path):
    part = evaluated(*cohort())
    changes = {"same": lambda p: p, "higher": lambda p: p + 0.2, "lower": lambda p: p - 0.05}
    stress = under(part, changes, tmp_path / "stress.csv")
    assert [test.change for test in stress.tests][-1] == "same"
    worst, *_ = stress.tests
    assert worst.change == "higher"
    assert worst.metrics["auroc"].value == stress.unchanged.metrics["auroc"].value
    assert worst.drops["auroc"].value == 0
    assert worst.drops["specificity"].low > 0.3
    assert worst.drops["sensitivity"].value < 0
    assert (stress.images, stress.patients) == (120, 60)


def test_drops_are_paired(tmp_path):
    y, p = cohort()
    noise = np.random.default_rng(1).normal(0, 0.002, p.shape)
    stress = under(evaluated(y, p), {"noise": lambda p: p + noise}, tmp_path / "stress.csv")
    (noisy,) = stress.tests
    alone = noisy.metrics["auroc"]
    assert noisy.drops["auroc"].high - noisy.drops["auroc"].low < 0.2 * (alone.high - alone.low)


def test_only_the_altered_images_count(tmp_path):
    part = evaluated(*cohort())
    few = part.take(part.images["image_id"].astype(int) < 40)
    under(few, {"same": lambda p: p}, tmp_path / "stress.csv")
    stress = stress_tests(part, np.array([0.45]), tmp_path / "stress.csv")
    assert (stress.images, stress.patients) == (40, 20)
    assert stress.tests[0].drops["accuracy"].value == 0
