"""What one stage writes another reads, or says which file and key do not fit."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from small_run import finished_run
from thorax.artifacts import Estimate
from thorax.artifacts.data import DatasetInfo, LeakageAudit, SplitSummary
from thorax.artifacts.evaluation import Results
from thorax.artifacts.model import ModelFile, OperatingPoints, TrainedOn
from thorax.errors import DataError, IntegrityError


@pytest.fixture(scope="module")
def paths():
    return finished_run()[0]


def files(paths):
    model = Path(paths.models) / "0"
    return {
        DatasetInfo: Path(paths.dataset),
        SplitSummary: Path(paths.split_summary),
        LeakageAudit: Path(paths.leakage),
        ModelFile: model / "model.json",
        TrainedOn: model / "trained_on.json",
        OperatingPoints: Path(paths.bundle) / "operating_points.json",
        Results: Path(paths.evaluation) / "results.json",
    }


def test_what_is_read_and_written_again_is_the_same_bytes(paths, tmp_path):
    for kind, path in files(paths).items():
        kind.read(path).write(tmp_path / path.name)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_an_unknown_key_is_named_with_its_file(paths, tmp_path):
    for kind, path in files(paths).items():
        changed = tmp_path / path.name
        changed.write_text(json.dumps(json.loads(path.read_text()) | {"surprise": 1}))
        with pytest.raises(IntegrityError, match=rf"{path.name} .*\(surprise: .*dvc repro"):
            kind.read(changed)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_finite_number_is_named_with_its_file(paths, tmp_path, value):
    content = json.loads(files(paths)[ModelFile].read_text())
    content["training"]["history"][0]["val"]["loss"] = value
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(IntegrityError, match=r"model\.json .*training\.history\.0\.val\.loss"):
        ModelFile.read(tmp_path / "model.json")
    with pytest.raises(ValidationError, match="finite"):
        Estimate(value=value)


def test_a_missing_key_is_named_and_a_missing_file_says_what_makes_it(paths, tmp_path):
    content = json.loads(files(paths)[DatasetInfo].read_text())
    del content["license"]
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(IntegrityError, match=r"dataset\.json .*license"):
        DatasetInfo.read(tmp_path / "dataset.json")
    with pytest.raises(DataError, match="dvc repro"):
        DatasetInfo.read(tmp_path / "none.json")
