import os
import tarfile
from pathlib import Path

import pytest

from made_up import NIH_HEADER, data_section, nih_row, nih_table, row_of, survey_of
from thorax.download.sources import nih
from thorax.download.validate import validate
from thorax.errors import DataError
from thorax.survey import survey

IMAGES = ["00000001_000.png", "00000001_001.png", "00000002_000.png"]
ROWS = [
    nih_row(IMAGES[0], "Cardiomegaly|Effusion", age="058Y", sex="M"),
    nih_row(IMAGES[1], "No Finding", age="59", sex="M", view="AP"),
    nih_row(IMAGES[2], "Mass"),
]
PLACES = [f"images_001.tar.gz!images/{name}" for name in IMAGES]


def _read(content):
    return validate(nih.read(content, data_section(source="nih")), "here")


def _survey(*rows, places=PLACES, header=NIH_HEADER, name="Data_Entry_2017.csv", **others):
    lists = {f"{key}.txt": "\n".join(names) + "\n" for key, names in others.items()}
    return survey_of(places, {name: nih_table(*(rows or ROWS), header=header)} | lists)


def test_rows_become_labels_for_all_fifteen_classes():
    dataset = _read(_survey())
    assert (dataset.task, dataset.positive) == ("multi-label", None)
    row = row_of(dataset.table, IMAGES[0])
    labels = row.filter(like="label_")
    assert labels[labels == 1].index.tolist() == ["label_Cardiomegaly", "label_Effusion"]
    assert (len(labels), labels.notna().all()) == (15, True)
    assert (row["patient_id"], row["age"], row["sex"], row["view"]) == ("1", "58", "M", "PA")
    assert row["location"] == PLACES[0]


@pytest.mark.parametrize(
    "header",
    [
        NIH_HEADER,
        NIH_HEADER.replace("Patient Sex", "Patient Gender"),
        NIH_HEADER.replace("OriginalImage[Width,Height]", '"OriginalImage[Width,Height]"').replace(
            "OriginalImagePixelSpacing[x,y]", '"OriginalImagePixelSpacing[x,y]"'
        ),
        NIH_HEADER.replace("[Width,Height]", "Width,OriginalImageHeight"),
        "\ufeff" + NIH_HEADER,
    ],
    ids=["as published", "Gender", "nine quoted names over eleven columns", "split", "mark"],
)
def test_every_known_header_reads_alike(header):
    assert _read(_survey(header=header)).table.equals(_read(_survey()).table)


@pytest.mark.parametrize(
    "name",
    ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv", "deep/down/data_entry_2017.csv",
     "archive.zip!Data_Entry_2017.csv", "sample_labels.csv"],
)  # fmt: skip
def test_table_names(name):
    assert len(_read(_survey(name=name)).table) == 3


def test_the_later_of_two_tables_is_read():
    content = _survey(name="Data_Entry_2017_v2020.csv")
    content.tables["Data_Entry_2017.csv"] = nih_table(nih_row(IMAGES[0], "Hernia")).encode()
    dataset = _read(content)
    assert len(dataset.table) == 3
    assert "Data_Entry_2017_v2020.csv is read; Data_Entry_2017.csv is not." in dataset.notes


def test_official_lists():
    """Complete data, no hole in any list: there is nothing to note."""
    dataset = _read(_survey(train_val_list=IMAGES[:2], test_list=IMAGES[2:]))
    assert dataset.table["official_split"].tolist() == ["trainval", "trainval", "test"]
    assert not [note for note in dataset.notes if "nothing to learn" not in note]
    assert set(_read(_survey()).table["official_split"]) == {""}


def test_an_image_in_no_list_is_noted_and_in_both_is_a_problem():
    dataset = _read(_survey(train_val_list=IMAGES[:1], test_list=IMAGES[1:2]))
    assert "1 rows of the table are in no official list." in dataset.notes
    assert row_of(dataset.table, IMAGES[2])["official_split"] == ""
    with pytest.raises(DataError, match=r"1 images are in both official lists: 00000001_001"):
        _read(_survey(train_val_list=IMAGES[:2], test_list=IMAGES[1:]))


def test_part_of_the_archives_is_enough():
    dataset = _read(_survey(places=[f"sub/{place}" for place in PLACES[1:]]))
    assert dataset.table["image_id"].tolist() == IMAGES[1:]
    assert "1 of 3 rows left out: their image is not here." in dataset.notes


def test_no_image_of_the_table_at_all_is_a_problem():
    message = r"(?s)^1 problem in here:.*None of the 3 images that Data_Entry_2017\.csv names"
    with pytest.raises(DataError, match=message):
        _read(_survey(places=["images/other.png"]))


def test_images_without_a_row_are_noted():
    dataset = _read(_survey(places=[*PLACES, "images/00000009_000.png"]))
    assert "1 images on disk are not in Data_Entry_2017.csv." in dataset.notes


def test_masks_are_no_images_to_classify():
    masks = [f"x.zip!masks/{name}" for name in IMAGES]
    dataset = _read(_survey(places=[*PLACES, *masks, "masks/00000001_000_Mass.png"]))
    assert dataset.table["location"].tolist() == PLACES
    assert not dataset.notes or all("on disk" not in note for note in dataset.notes)


def test_every_unknown_label_is_named_with_its_nearest():
    rows = [nih_row(IMAGES[0], "Efusion|Mass"), nih_row(IMAGES[1], "Efusion"), ROWS[2]]
    rows.append(nih_row("00000003_000.png", ""))
    with pytest.raises(DataError) as caught:
        _read(_survey(*rows))
    text = str(caught.value)
    assert "2 unknown in Data_Entry_2017.csv, column Finding Labels" in text
    assert "'Efusion' (2 rows; did you mean 'Effusion'?), '' (1 row)" in text


def test_no_finding_beside_a_finding_contradicts_itself():
    with pytest.raises(DataError, match=r"No Finding beside a finding .*'Mass\|No Finding'"):
        _read(_survey(nih_row(IMAGES[0], "Mass|No Finding"), *ROWS[1:]))


def test_misaligned_columns_are_noticed():
    rows = [nih_row(IMAGES[0], patient="7"), *ROWS[1:]]
    with pytest.raises(DataError, match=r"1 rows have a Patient ID that differs.*\(row 2\)"):
        _read(_survey(*rows))


def test_padded_patient_ids_stay_text():
    rows = [nih_row(name, "Mass" * (i > 0) or "Edema", patient=name[:8])
            for i, name in enumerate(IMAGES)]  # fmt: skip
    assert _read(_survey(*rows)).table["patient_id"].tolist() == [n[:8] for n in IMAGES]


def test_all_problems_come_at_once():
    rows = [
        nih_row(IMAGES[0], "Efusion"), nih_row(IMAGES[1], "Mass", patient=""),
        nih_row(IMAGES[1], "Edema", patient=""), ROWS[2],
    ]  # fmt: skip
    with pytest.raises(DataError) as caught:
        _read(_survey(*rows))
    text = str(caught.value)
    assert text.startswith("4 problems in here:")
    for words in ("'Efusion'", "differs from the number", "differ in label_Edema", "no patient"):
        assert words in text


def test_missing_table_or_column():
    with pytest.raises(DataError, match=r"no table Data_Entry_2017….csv beside its 3 images"):
        _read(survey_of(PLACES))
    header = NIH_HEADER.replace("Patient ID", "PatientID")
    with pytest.raises(DataError, match=r"lacks the columns Patient ID; it has Image Index"):
        _read(_survey(header=header))


@pytest.mark.skipif("THORAX_SHARED_DATA" not in os.environ, reason="no THORAX_SHARED_DATA")
def test_the_real_sample():
    table = _read(survey(Path(os.environ["THORAX_SHARED_DATA"]) / "nih-800-64.tar", "read")).table
    assert (len(table), table["patient_id"].nunique()) == (800, 221)
    assert table["official_split"].value_counts().to_dict() == {"trainval": 558, "test": 242}


@pytest.mark.skipif("THORAX_SHARED_DATA" not in os.environ, reason="no THORAX_SHARED_DATA")
def test_the_whole_table():
    tables = {}
    with tarfile.open(Path(os.environ["THORAX_SHARED_DATA"]) / "nih-metadata.tar.gz") as tar:
        for member in tar:
            if member.isfile():
                tables[member.name] = tar.extractfile(member).read()
    entries = next(text for name, text in tables.items() if "Data_Entry" in name).decode()
    names = [line.partition(",")[0] for line in entries.splitlines()[1:]]
    content = survey_of(f"images_{i % 12 + 1:03d}.tar.gz!images/{n}" for i, n in enumerate(names))
    content.tables.update(tables)
    table = _read(content).table
    assert (len(table), table["patient_id"].nunique()) == (112_120, 30_805)
    split = table.groupby("official_split")["patient_id"].agg(["size", "nunique"])
    assert split.loc["trainval"].tolist() == [86_524, 28_008]
    assert split.loc["test"].tolist() == [25_596, 2_797]
    assert table["label_Hernia"].sum() == 227
    assert table["label_No Finding"].sum() == 60_361
