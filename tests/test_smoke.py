"""Smoke data: read by the real sources, small, with every class in every subset."""

import hashlib

import pytest

from made_up import data_section
from small_run import ROOT
from thorax.archives import walk
from thorax.config import load_params
from thorax.download.sources import SOURCES
from thorax.download.validate import validate
from thorax.errors import ConfigError
from thorax.preprocess.decode import decode
from thorax.split import assign
from thorax.studies.smoke import LAYOUTS, write_data
from thorax.survey import survey

TASKS = {"nih": "multi-label", "kermany": "binary", "folder": "multi-class"}


@pytest.fixture(scope="module", params=list(LAYOUTS))
def source(request, tmp_path_factory):
    return request.param, write_data(request.param, tmp_path_factory.mktemp("smoke") / "data")


def table_of(name, folder):
    found = survey(folder, "read")
    data = data_section(source=name, path=str(folder))
    return validate(SOURCES[name].read(found, data), str(folder))


def test_the_source_reads_it_as_its_own(source):
    dataset = table_of(*source)
    assert dataset.task == TASKS[source[0]]
    assert 40 <= len(dataset.table) <= 64
    present = (dataset.table.filter(like="label_") == 1).sum()
    assert (present > 0).sum() >= {"nih": 6, "kermany": 2, "folder": 3}[source[0]]


def test_official_subsets_hold_both_outcomes(source):
    if source[0] == "folder":
        pytest.skip("class folders have no official split")
    table = table_of(*source).table
    healthy = "label_No Finding" if source[0] == "nih" else "label_NORMAL"
    for subset in ("trainval", "test"):
        rows = table[table["official_split"] == subset]
        assert {0, 1} <= set(rows[healthy])
    subsets = table.groupby("patient_id")["official_split"].nunique()
    assert subsets.max() == 1


def test_three_folds_can_be_made_of_the_class_folders(source):
    if source[0] != "folder":
        pytest.skip("only that study has folds")
    table = table_of(*source).table.reset_index(drop=True)
    settings = load_params(ROOT / "params.yaml").split.model_copy(
        update={"n_folds": 3, "folds": [0, 1, 2], "test_fraction": 0.2}
    )
    assert set(assign(table, [], settings)["fold"]) == {-1, 0, 1, 2}


def test_every_image_can_be_read_and_sizes_differ(source):
    shapes = {decode(content).shape for _, content in walk(source[1], lambda at: "masks" not in at
              and at.lower().endswith((".png", ".jpg", ".jpeg", ".bmp")))}  # fmt: skip
    assert len(shapes) > (0 if source[0] == "nih" else 5)


def digest(folder):
    parts = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(p.relative_to(folder)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in parts]


def test_the_same_bytes_every_time_and_what_is_there_stays(source, tmp_path):
    again = write_data(source[0], tmp_path / "data")
    assert digest(again) == digest(source[1])
    (again / "mark").touch()
    write_data(source[0], again)
    assert (again / "mark").exists()


def test_other_sources_have_no_layout_of_their_own(tmp_path):
    with pytest.raises(ConfigError, match="nih, kermany, folder"):
        write_data("table", tmp_path / "x")
