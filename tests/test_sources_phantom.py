import pytest

from made_up import data_section, nih_row, nih_table, survey_of
from thorax.download.sources import SOURCES, phantom
from thorax.download.validate import validate
from thorax.errors import DataError
from thorax.survey import survey

SMALL = {"phantom": {"patients": 10, "pixels": 64}}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / phantom.store(data_section(**SMALL))
    phantom.generate(data_section(**SMALL), path)
    return path


def test_the_generated_archive_reads_as_a_multi_label_set(archive):
    dataset = validate(phantom.read(survey(archive, "read"), data_section(**SMALL)), "here")
    table = dataset.table
    assert dataset.task == "multi-label"
    assert [c for c in table if c.startswith("label_")] == [f"label_{c}" for c in phantom.CLASSES]
    assert table["patient_id"].nunique() == 10
    assert set(table["official_split"]) == {"trainval", "test"}
    assert not table["location"].str.contains("masks").any()
    assert (table["view"].isin(["PA", "AP"]) & table["sex"].isin(["M", "F"])).all()
    none = table["label_No Finding"] == 1
    assert (none == (table.filter(like="label_").sum(axis=1) == none)).all()


def test_an_archive_that_is_there_is_not_written_again(archive):
    before = archive.stat().st_mtime_ns
    phantom.generate(data_section(**SMALL), archive)
    assert archive.stat().st_mtime_ns == before


def test_another_generator_writes_it_again(archive):
    """Else an edited generator would go on with the old images, and only a fresh clone notice."""
    written_by = archive.with_suffix(".code")
    content, code = archive.read_bytes(), written_by.read_text()
    archive.write_bytes(b"older")
    written_by.write_text("older")
    phantom.generate(data_section(**SMALL), archive)
    assert archive.read_bytes() == content
    assert written_by.read_text() == code


def test_every_parameter_has_its_own_archive_and_others_do_not_matter():
    base = data_section()
    changes = {
        "patients": 11, "pixels": 65, "seed": 1, "marker_correlation": 0.5,
        "marker_label": "Effusion",
    }  # fmt: skip
    names = {phantom.store(data_section(phantom={key: value})) for key, value in changes.items()}
    assert len(names | {phantom.store(base)}) == 6
    assert phantom.store(data_section(path="elsewhere", positive="x")) == phantom.store(base)
    assert SOURCES["phantom"].store(base).startswith("phantom/phantom-")


def test_images_of_the_users_own_are_not_taken_for_phantoms():
    table = {"Data_Entry_2017.csv": nih_table(nih_row("00000001_000.png"))}
    with pytest.raises(DataError, match=r"holds 1 images, but data\.source is phantom.*kermany"):
        phantom.read(survey_of(["00000001_000.png"], table), data_section())
