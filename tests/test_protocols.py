"""Protocols: the difference and its interval, and the tables they stand in."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from small_run import ROOT
from thorax.errors import ConfigError
from thorax.studies import protocols
from thorax.studies.protocols import Spread, compare, difference, report

# Threads that wait do not spin: other tests share the processors.
PATIENT = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}


def metrics(auroc, trainings=None, **others):
    splits = {key: others.get(key, auroc) for key in protocols.METRICS}
    return Spread(splits, {key: trainings or values for key, values in splits.items()})


def test_the_interval_is_the_paired_t_intervals():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.9, 0.02, 6), rng.normal(0.85, 0.02, 6)
    mean, low, high = difference(first, second)
    reference = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert mean == pytest.approx((first - second).mean())
    assert (low, high) == pytest.approx((reference.low, reference.high))


def test_a_pair_that_shares_its_noise_has_a_narrow_interval():
    noise = np.random.default_rng(1).normal(0, 0.1, 5)
    mean, low, high = difference(0.9 + noise, 0.8 + noise)
    assert mean == pytest.approx(0.1)
    assert high - low < 1e-9


def test_tables_have_every_split_and_the_inflation_from_leakage():
    table = {
        "random": metrics([0.97, 0.96], trainings=[0.97, 0.98], loss=[0.1, 0.1]),
        "patient": metrics([0.92, 0.93], loss=[0.2, 0.2]),
        "official": metrics([0.90, 0.91], loss=[0.3, 0.3]),
    }
    lines = report("a recipe", table, {}, markdown=True).splitlines()
    assert lines[0].startswith("a recipe, 2 seeds; mean over splits ± standard deviation over spl")
    assert "| test metric | random | patient | official |" in lines
    means = "0.9650 ± 0.0071, 0.0071 | 0.9250 ± 0.0071, 0.0071 | 0.9050 ± 0.0071, 0.0071"
    assert f"| auroc | {means} |" in lines
    gains = lines[lines.index("| random minus | patient | official |") :]
    starts = [line[: len("| auroc | +0.0400 (-0.0871 to +0.1671) | +0.0600")] for line in gains]
    assert "| auroc | +0.0400 (-0.0871 to +0.1671) | +0.0600" in starts
    assert any(line.startswith("| loss | -0.1000 (-0.1000 to -0.1000)") for line in gains)


def test_an_interval_stays_within_what_two_metrics_can_differ_by():
    table = {
        "random": metrics([0.99, 0.75], loss=[0.1, 9.0]),
        "patient": metrics([0.70, 0.71], loss=[9.0, 0.1]),
    }
    lines = report("x", table, {}, markdown=True).splitlines()
    assert "| auroc | +0.1650 (-1.0000 to +1.0000) |" in lines
    assert lines[-1].startswith("| loss | +0.0000 (-113.0852 to +113.0852)")


def test_an_undefined_metric_is_left_out_and_a_missing_split_explained():
    table = {"random": metrics([0.9, 0.9], f1=[np.nan, 0.5]), "patient": metrics([0.8, 0.8])}
    text = report("x", table, {"official": "not run, see here.log"}, markdown=True)
    assert "f1" not in text
    assert text.endswith("official: not run, see here.log")


def test_one_seed_has_no_interval():
    with pytest.raises(ConfigError, match="at least 2"):
        compare(None, 1, [], fetch=False, markdown=False)


def test_split_seeds_and_training_seeds_are_varied_apart(monkeypatch):
    """Two runs share the first split; the splits have a training seed each."""
    started = {}

    def run(name, settings):
        varied = dict(setting.split("=") for setting in settings)
        started[name] = varied["split.seed"], varied["train.seed"]
        return True

    class Run:
        def __init__(self, name):
            self.name = name

        def metrics(self):
            split, train = map(int, started[self.name])
            return {"test": dict.fromkeys(protocols.METRICS, split + train / 10)}

    monkeypatch.setattr(protocols.experiments, "run", run)
    monkeypatch.setattr(protocols.history, "experiment", Run)
    spread = protocols._train("x", "patient", 3, [])
    assert list(started.values()) == [("0", "0"), ("1", "1"), ("2", "2"), ("0", "1"), ("0", "2")]
    assert spread.splits["auroc"] == pytest.approx([0, 1.1, 2.2])
    assert spread.trainings["auroc"] == pytest.approx([0, 0.1, 0.2])


@pytest.mark.slow
def test_leakage_inflates_performance_on_phantoms(tmp_path):
    """The real command, in a clone: shared patients make any model look better."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    command = "import sys; from thorax.cli import main; sys.argv[0] = 'thorax'; sys.exit(main())"
    small = ["data.phantom.patients=200", "preprocess.image_size=48", "train.epochs=15"]
    options = [word for change in small for word in ("-S", change)]
    done = subprocess.run(
        [sys.executable, "-c", command, "protocols", "--markdown", "--seeds", "2", *options],
        cwd=clone, capture_output=True, text=True, check=False, env=PATIENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    tables = done.stdout[done.stdout.index("params.yaml, 2 seeds") :]
    gains = next(line for line in tables.splitlines() if line.startswith("| auroc | +"))
    by_patient, official = (float(cell.split("(")[0]) for cell in gains.split("|")[2:4])
    assert by_patient > 0.05
    assert official > 0.05
