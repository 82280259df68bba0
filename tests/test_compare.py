"""Two experiments side by side, from their git references and the cache."""

import subprocess

import pytest

from made_up_predictions import predictions
from test_gate import project, sh, store_in_cache  # noqa: F401 - `project` is a fixture
from thorax.compare.pair import compare
from thorax.errors import ConfigError, DataError


@pytest.fixture
def two(project):  # noqa: F811
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    for name, quality in (("plain", 1.0), ("better", 2.5)):
        store_in_cache(project, predictions(noise=1, quality=quality))
        sh("git", "add", "dvc.lock")
        sh("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", name)
        sh("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    return project


def test_the_second_minus_the_first_with_intervals(two):
    text = compare("plain", "better")
    assert text.startswith("baseline: plain, current: better; 240 test images of 80 patients")
    row = next(line for line in text.splitlines() if line.startswith("| auroc |"))
    gap = row.split("|")[4]
    assert gap.strip().startswith("+0.")
    assert "(+0." in gap


def test_an_unknown_experiment_or_an_empty_cache_is_named(two):
    with pytest.raises(ConfigError, match="there are: better, plain"):
        compare("plain", "other")
    for path in (two / ".dvc/cache/files/md5").rglob("*.dir"):
        path.unlink()
    with pytest.raises(DataError, match="predictions of plain are not in the DVC cache"):
        compare("plain", "better")
