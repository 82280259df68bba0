import os
from pathlib import Path

import pytest

from made_up import data_section, row_of, survey_of
from thorax.download.sources import kermany
from thorax.download.validate import validate
from thorax.errors import DataError
from thorax.patient_ids import kermany_patient
from thorax.survey import survey


def _read(content, rule="conservative"):
    return validate(kermany.read(content, data_section(source="kermany", patient_id=rule)), "here")


def _patient(name, part="trainval", rule="conservative"):
    return kermany_patient(name, part, rule)


MENDELEY = [
    "chest_xray/train/NORMAL/IM-0115-0001.jpeg",
    "chest_xray/train/NORMAL/NORMAL2-IM-0115-0001.jpeg",
    "chest_xray/train/PNEUMONIA/person12_bacteria_46.jpeg",
    "chest_xray/train/PNEUMONIA/person12_virus_30.jpeg",
    "chest_xray/test/NORMAL/IM-0115-0001-0002.jpeg",
    "chest_xray/test/PNEUMONIA/person12_virus_9.jpeg",
]


def test_labels_and_official_split_are_folder_names():
    dataset = _read(survey_of(f"ChestXRay2017.zip!{path}" for path in MENDELEY))
    assert (dataset.task, dataset.positive) == ("binary", "PNEUMONIA")
    row = row_of(dataset.table, "test/PNEUMONIA/person12_virus_9.jpeg")
    assert (row["label_PNEUMONIA"], row["label_NORMAL"], row["official_split"]) == (1, 0, "test")
    assert row["location"] == f"ChestXRay2017.zip!{MENDELEY[-1]}"
    assert dataset.table["official_split"].tolist() == ["test"] * 2 + ["trainval"] * 4
    assert dataset.notes == ["Patients inferred from file names by the rule `conservative`."]


def test_image_ids_do_not_depend_on_packing():
    ids = [
        _read(survey_of(prefix + path.removeprefix(drop) for path in MENDELEY)).table["image_id"]
        for prefix, drop in [
            ("", ""), ("x.zip!", ""), ("a/b.tar!", ""), ("", "chest_xray/"), ("ZhangLabData/", ""),
        ]
    ]  # fmt: skip
    assert all(other.equals(ids[0]) for other in ids)


@pytest.mark.parametrize(
    ("one", "other", "conservative", "namespaced"),
    [
        ("person12_bacteria_46.jpeg", "person12_bacteria_47.jpeg", True, True),
        ("person12_bacteria_46.jpeg", "person12_virus_30.jpeg", True, False),
        ("person12_bacteria_46.jpeg", "person112_bacteria_46.jpeg", False, False),
        ("person1952_bacteria_4883.jpeg", "person1952_bacteria_4883_1.jpg", True, True),
        ("IM-0115-0001.jpeg", "IM-0115-0001-0002.jpeg", True, True),
        ("IM-0115-0001.jpeg", "NORMAL2-IM-0115-0001.jpeg", True, False),
        ("NORMAL2-IM-0115-0001.jpeg", "NORMAL2-IM-0115-0001-0002.jpeg", True, True),
        ("IM-0012-0001.jpeg", "person12_virus_1.jpeg", False, False),
        ("BACTERIA-12-0001.jpeg", "BACTERIA-12-0002.jpeg", True, True),
        ("BACTERIA-12-0001.jpeg", "VIRUS-12-0001.jpeg", True, False),
        ("NORMAL-12-0001.jpeg", "VIRUS-12-0001.jpeg", True, False),
    ],
)
def test_who_is_one_patient(one, other, conservative, namespaced):
    assert (_patient(one) == _patient(other)) is conservative
    same = _patient(one, rule="namespaced") == _patient(other, rule="namespaced")
    assert same is namespaced


@pytest.mark.parametrize("rule", ["conservative", "namespaced"])
def test_numbers_start_anew_in_the_test_folder_but_not_in_version_3(rule):
    old, new = "person1_virus_6.jpeg", "VIRUS-1000468-0001.jpeg"
    assert _patient(old, "trainval", rule) != _patient(old, "test", rule)
    assert _patient(new, "trainval", rule) == _patient(new, "test", rule)


def test_val_belongs_to_the_family_of_train():
    table = _read(
        survey_of(
            [
                "chest_xray/train/PNEUMONIA/person1_virus_6.jpeg",
                "chest_xray/val/PNEUMONIA/person1_bacteria_1.jpeg",
                "chest_xray/train/NORMAL/IM-0002-0001.jpeg",
            ]
        )
    ).table
    assert set(table["official_split"]) == {"trainval"}
    pneumonia = table[table["label_PNEUMONIA"] == 1]
    assert pneumonia["patient_id"].nunique() == 1


def test_no_rule_may_separate_more_than_its_name_says():
    """Conservative groups are unions of namespaced groups: it never separates what those join."""
    names = [Path(path).name for path in MENDELEY]
    for one in names:
        for other in names:
            if _patient(one, rule="namespaced") == _patient(other, rule="namespaced"):
                assert _patient(one) == _patient(other)


def test_kaggle_archive_counts_once_in_spite_of_nested_copies():
    inner = [f"archive.zip!{path}" for path in MENDELEY]
    nested = {f"archive.zip!chest_xray/{path}": f"archive.zip!{path}" for path in MENDELEY}
    dataset = _read(survey_of([*nested, *inner], same=nested))
    assert len(dataset.table) == len(MENDELEY)
    assert "6 rows repeat an image that is listed already; merged." in dataset.notes


def test_a_nested_copy_with_other_bytes_is_a_problem():
    places = [*MENDELEY, f"chest_xray/{MENDELEY[0]}"]
    with pytest.raises(DataError, match=r"1 images are listed more than once.*differ in sha256"):
        _read(survey_of(places))


def test_retinal_images_of_version_3_are_left_out():
    retina = ["CellData/OCT/train/NORMAL/NORMAL-1-1.jpeg", "CellData/OCT/train/CNV/CNV-2-1.jpeg"]
    chest = [f"CellData/{path}" for path in MENDELEY]
    dataset = _read(survey_of([*chest, *retina]))
    assert len(dataset.table) == len(MENDELEY)
    assert any(note.startswith("2 images outside NORMAL and PNEUMONIA") for note in dataset.notes)


def test_train_alone_has_no_test_images():
    table = _read(survey_of(path for path in MENDELEY if "/train/" in path)).table
    assert set(table["official_split"]) == {"trainval"}


def test_classes_without_split_folders_have_no_official_split():
    table = _read(survey_of(["NORMAL/IM-1-1.jpeg", "PNEUMONIA/person2_virus_1.jpeg"])).table
    assert table["image_id"].tolist() == ["NORMAL/IM-1-1.jpeg", "PNEUMONIA/person2_virus_1.jpeg"]
    assert set(table["official_split"]) == {""}


def test_names_that_identify_no_patient_are_all_listed():
    places = [*MENDELEY, "train/NORMAL/scan1.jpeg", "train/PNEUMONIA/person_x.jpeg"]
    with pytest.raises(
        DataError, match=r"2 file names identify no patient.*scan1.*person_x.*patient_id: none"
    ):
        _read(survey_of(places))


def test_names_may_go_unread():
    places = ["train/NORMAL/scan1.jpeg", "train/PNEUMONIA/person1_virus_2.jpeg"]
    dataset = _read(survey_of(places), rule="none")
    assert dataset.patient_rule == "none"
    assert dataset.table["patient_id"].tolist() == dataset.table["image_id"].tolist()


def test_no_class_folder_at_all():
    with pytest.raises(DataError, match=r"no image in a folder NORMAL or PNEUMONIA \(1 elsewhere"):
        _read(survey_of(["covid/a.png"]))


@pytest.mark.skipif("THORAX_SHARED_DATA" not in os.environ, reason="no THORAX_SHARED_DATA")
def test_the_real_training_images():
    content = survey(Path(os.environ["THORAX_SHARED_DATA"]) / "kermany-train-224.tar", "read")
    dataset = _read(content)
    assert dataset.table[["label_NORMAL", "label_PNEUMONIA"]].sum().tolist() == [1341, 3875]
    assert dataset.table["patient_id"].nunique() == 2635
    assert _read(content, "namespaced").table["patient_id"].nunique() == 3654
    copies = "50 images are byte-identical to another one, in 24 groups, 0 of which"
    assert any(note.startswith(copies) for note in dataset.notes)
