import pytest

from made_up import data_section, row_of, survey_of
from thorax.download.sources import folder
from thorax.download.validate import validate
from thorax.errors import DataError


def _read(*places, same=None, **settings):
    data = data_section(source="folder", **settings)
    return validate(folder.read(survey_of(places, same=same), data), "here")


def test_two_folders_make_a_binary_task_with_the_last_as_positive():
    dataset = _read("healthy/a.png", "sick/b.png", "sick/deeper/c.png")
    assert (dataset.task, dataset.positive) == ("binary", "sick")
    assert dataset.table["label_sick"].tolist() == [0, 1, 1]
    ids = ["healthy/a.png", "sick/b.png", "sick/deeper/c.png"]
    assert dataset.table["image_id"].tolist() == ids
    assert _read("healthy/a.png", "sick/b.png", positive="healthy").positive == "healthy"


@pytest.mark.parametrize(
    ("folders", "positive"),
    [
        (["infiltration", "other"], "infiltration"), (["Cancer", "No_Finding"], "Cancer"),
        (["NORMAL", "PNEUMONIA"], "PNEUMONIA"), (["case", "no-finding"], "case"),
        (["control", "normal"], "normal"), (["1", "CONTROL"], "1"),
    ],
)  # fmt: skip
def test_a_folder_that_is_named_after_no_finding_is_not_the_positive_one(folders, positive):
    places = [f"{name}/{i}.png" for i, name in enumerate(folders)]
    assert _read(*places).positive == positive
    assert _read(*places, positive=folders[1]).positive == folders[1]


def test_more_folders_make_a_multi_class_task():
    dataset = _read("a/1.png", "b/2.png", "c/3.png")
    assert (dataset.task, dataset.positive) == ("multi-class", None)
    assert dataset.table.filter(like="label_").sum(axis=1).tolist() == [1, 1, 1]


def test_split_folders_are_the_official_split():
    dataset = _read("set/train/a/1.png", "set/Val/a/2.png", "set/test/b/1.png", "set/valid/b/3.png")
    assert row_of(dataset.table, "test/b/1.png")["official_split"] == "test"
    assert dataset.table["official_split"].tolist().count("trainval") == 3
    assert dataset.table.columns[-2:].tolist() == ["label_a", "label_b"]


def test_train_alone_still_is_a_split_folder():
    table = _read("set.tar!set/train/a/1.png", "set.tar!set/train/b/2.png").table
    assert table["official_split"].tolist() == ["trainval", "trainval"]
    assert table["image_id"].tolist() == ["train/a/1.png", "train/b/2.png"]


def test_ids_are_the_same_packed_or_not():
    plain = _read("wrap/a/1.png", "wrap/b/2.png").table["image_id"]
    packed = _read("x.zip!more/wrap/a/1.png", "x.zip!more/wrap/b/2.png").table["image_id"]
    assert plain.tolist() == packed.tolist() == ["a/1.png", "b/2.png"]


def test_nested_copies_count_once():
    twins = {"chest_xray/chest_xray/train/a/1.png": "chest_xray/train/a/1.png"}
    dataset = _read(*twins, "chest_xray/train/a/1.png", "chest_xray/train/b/2.png", same=twins)
    assert dataset.table["image_id"].tolist() == ["train/a/1.png", "train/b/2.png"]
    assert "1 rows repeat an image" in dataset.notes[-1]


def test_every_image_is_its_own_patient_where_no_name_says_more_and_that_is_said():
    dataset = _read("a/1.png", "a/2.png", "b/3.png")
    assert dataset.table["patient_id"].nunique() == 3
    assert dataset.patient_rule == "none"
    assert "every image counts as one of its own." in dataset.notes[0]


KERMANY = [
    "NORMAL/IM-0001-0001.jpeg", "NORMAL/NORMAL2-IM-0001-0001.jpeg",
    "PNEUMONIA/person1_virus_1.jpeg", "PNEUMONIA/person1_bacteria_2.jpeg",
]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "rule", "patients"),
    [
        ("auto", "conservative", 2), ("conservative", "conservative", 2),
        ("namespaced", "namespaced", 4), ("none", "none", 4),
    ],
)  # fmt: skip
def test_patients_are_those_of_the_first_rule_that_fits_the_names_or_as_asked(
    setting, rule, patients
):
    dataset = _read(*KERMANY, patient_id=setting)
    assert (dataset.patient_rule, dataset.table["patient_id"].nunique()) == (rule, patients)
    said = "though these rules fit: conservative, namespaced" if setting == "none" else f"`{rule}`"
    assert said in dataset.notes[0]


def test_a_rule_may_miss_a_few_names_which_then_are_patients_of_their_own():
    names = [f"a/0000000{i}_00{j}.png" for i in range(5) for j in range(2)]
    dataset = _read(*names, "b/x.png", "b/00000001_007.png")
    assert dataset.patient_rule == "nih"
    assert dataset.table["patient_id"].nunique() == 6
    assert "1 file names say no patient by it" in dataset.notes[1]


def test_numbers_that_start_again_in_the_test_folder_are_other_patients():
    dataset = _read("train/a/person1_virus_1.jpeg", "test/a/person1_virus_1.jpeg",
                    "train/b/IM-0001-0001.jpeg")  # fmt: skip
    assert dataset.table["patient_id"].nunique() == 3


def test_a_rule_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"data\.patient_id is nih, but 4 file names"):
        _read(*KERMANY, patient_id="nih")


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["a/1.png", "a/2.png"], r"2 images are in no class folder.*0 class folders are too few"),
        (["1.png", "a/2.png"], r"1 images are in no class folder: 1\.png"),
        (["train/a/1.png", "test/a/2.png"], r"1 class folders are too few \(a\)"),
        (["train/1.png", "train/2.png"], r"2 images are in no class folder"),
    ],
)
def test_too_few_class_folders(places, message):
    with pytest.raises(DataError, match=message):
        _read(*places)


def test_a_positive_class_that_is_no_folder():
    with pytest.raises(DataError, match=r"data\.positive is 'ill', but the folders are a, b"):
        _read("a/1.png", "b/2.png", positive="ill")


NAMED = [f"{'ab'[i % 2]}/pat{i // 3:05}_{i % 3}.png" for i in range(36)]


def test_a_pattern_tells_the_patients():
    dataset = _read(*NAMED, patient_pattern=r"(pat\d+)")
    assert (dataset.patient_rule, dataset.table["patient_id"].nunique()) == ("pattern", 12)
    assert row_of(dataset.table, "b/pat00001_0.png")["patient_id"] == "pat00001"
    with pytest.raises(DataError, match=r"finds no patient in 1 names: a/x\.png"):
        _read(*NAMED, "a/x.png", patient_pattern=r"(pat\d+)")


@pytest.mark.parametrize(
    ("pattern", "patient_id", "message"),
    [
        ("pat", "auto", "needs a group"), ("(", "auto", "no regular expression"),
        ("(a)", "none", "only one of patient_pattern and patient_id"),
    ],
)  # fmt: skip
def test_a_pattern_that_cannot_tell_patients_is_refused(pattern, patient_id, message):
    with pytest.raises(ValueError, match=message):
        _read(*NAMED, patient_pattern=pattern, patient_id=patient_id)


@pytest.mark.parametrize(
    ("places", "pattern"),
    [
        (NAMED, r"(pat\d+)"),
        ([name.replace("pat", "x") for name in NAMED], r"([^/]*\d[^/]*)[-_. ][a-z]?\d{1,3}\.\w+$"),
        ([f"a/{i % 12}/{i}.png" for i in range(36)] + ["b/3/99.png"],
         r"[^/]+/([^/]*\d[^/]*)/[^/]+$"),
    ],
)  # fmt: skip
def test_parts_that_names_share_are_proposed_as_patients(places, pattern):
    dataset = _read(*places)
    assert dataset.patient_rule == "none"
    said = f": 12 groups. If these are the patients, set data.patient_pattern: '{pattern}'."
    assert dataset.notes[1].endswith(said)
    assert _read(*places, patient_pattern=pattern).table["patient_id"].nunique() == 12


@pytest.mark.parametrize(
    "places",
    [
        [f"{'ab'[i % 2]}/covid19-{i}.png" for i in range(40)],
        [f"{'ab'[i % 2]}/{i}.png" for i in range(40)],
        [f"train/class{i % 4}/{i}.png" for i in range(40)],
    ],
)
def test_names_that_share_nothing_but_a_word_are_no_patients(places):
    assert not any("patient_pattern" in note for note in _read(*places).notes)


def test_an_own_validation_folder_is_said_to_be_drawn_anew():
    notes = _read("train/a/1.png", "Val/a/2.png", "Val/b/4.png", "test/b/3.png").notes
    assert any(note.startswith("2 images in the folder Val join those to tra") for note in notes)
    assert not any("folder" in note for note in _read("train/a/1.png", "test/b/3.png").notes)
