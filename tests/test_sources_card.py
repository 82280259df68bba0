import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from made_up import data_section, row_of, survey_of
from made_up_dicom import dicom
from thorax.config import TableCard, check, read_yaml
from thorax.download.sources.card import read
from thorax.download.validate import validate
from thorax.errors import ConfigError, DataError

CARDS = Path(__file__).parents[1] / "cards"
CARD = {
    "file": "labels.csv", "image": "file", "suffix": "", "patient": "who", "patient_pattern": None,
    "view": None, "sex": None, "age": None, "vendor": None, "site": None, "split": None,
    "label": "finding", "separator": "|",
    "labels": {"Mass": "Mass", "Edema": "Edema", "healthy": None}, "present": [], "absent": [],
    "unknown": ["?"], "blank": "absent", "keep": {}, "merge_rows": False, "task": "multi-label",
    "positive": None,
}  # fmt: skip
WIDE = CARD | {
    "label": None, "separator": None, "labels": {"m": "Mass", "e": "Edema"}, "present": ["1"],
    "absent": ["0"], "unknown": ["-1"],
}  # fmt: skip
NAMES = ["a.png", "b.png", "c.png", "d.png"]


def _read(content, card=CARD, places=NAMES, name="labels.csv", **changes):
    content = survey_of(places, {name: content})
    return validate(read(content, data_section(source="table", card={**card, **changes})), "x")


def _labels(dataset):
    return dataset.table.filter(like="label_").astype(object).where(lambda t: t.notna(), None)


def _rows(*rows, header="file,who,finding"):
    return "\n".join([header, *rows]) + "\n"


SIMPLE = _rows("a.png,1,Mass", "b.png,1,Mass|Edema", "c.png,2,healthy", "d.png,3,")


def test_labels_in_one_column():
    dataset = _read(SIMPLE)
    assert _labels(dataset).to_numpy().tolist() == [[1, 0], [1, 1], [0, 0], [0, 0]]
    assert dataset.table["patient_id"].tolist() == ["1", "1", "2", "3"]


def test_an_unknown_word_makes_the_image_unknown_and_blank_does_as_the_card_says():
    content = SIMPLE.replace("b.png,1,Mass|Edema", "b.png,1,Mass|?")
    dataset = _read(content, blank="unknown")
    assert dataset.table["image_id"].tolist() == ["a.png", "c.png"]
    assert "2 images left out, because none of their labels is known." in dataset.notes


def test_labels_in_a_column_each():
    content = _rows("a.png,1,1,0", "b.png,2,-1,1", "c.png,3,,0", header="file,who,m,e")
    assert _labels(_read(content, WIDE)).to_numpy().tolist() == [[1, 0], [None, 1], [0, 0]]
    unknown = _labels(_read(content, WIDE, blank="unknown")).to_numpy().tolist()
    assert unknown == [[1, 0], [None, 1], [None, 0]]


@pytest.mark.parametrize(("kind", "value"), [("present", 1), ("absent", 0), ("unknown", None)])
def test_the_policy_for_uncertain_labels_is_a_list_of_the_card(kind, value):
    content = _rows("a.png,1,1,0", "b.png,2,-1,1", "c.png,3,0,0", header="file,who,m,e")
    lists = {"present": ["1"], "absent": ["0"], "unknown": []}
    lists[kind] = [*lists[kind], "-1"]
    assert _labels(_read(content, WIDE, **lists)).iloc[1, 0] == value


def test_several_columns_of_one_class_join_and_any_present_wins():
    content = _rows("a.png,1,1,0", "b.png,2,-1,0", "c.png,3,-1,-1", header="file,who,m,e")
    dataset = _read(content, WIDE, labels={"m": "Mass", "e": "Mass"})
    assert dataset.table["image_id"].tolist() == ["a.png", "b.png"]
    assert dataset.table["label_Mass"].tolist() == [1, 0]


def test_every_unknown_cell_is_listed_per_column():
    content = _rows("a.png,1,yes,0", "b.png,2,yes,maybe", "c.png,3,0,0", header="file,who,m,e")
    with pytest.raises(DataError) as caught:
        _read(content, WIDE)
    assert "1 unknown in labels.csv, column m: 'yes' (2 rows)" in str(caught.value)
    assert "1 unknown in labels.csv, column e: 'maybe' (1 row)" in str(caught.value)
    with pytest.raises(DataError, match=r"'Oedema' \(1 row; did you mean 'Edema'\?\)"):
        _read(SIMPLE.replace("Mass|Edema", "Mass|Oedema"))


def test_labels_named_none_and_na_and_padded_ids_stay_text():
    content = _rows("a.png,00001,None", "b.png,00002,NA", "c.png,1,nan")
    dataset = _read(content, labels={"None": "none", "NA": "na", "nan": "nan"})
    assert _labels(dataset).to_numpy().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert dataset.table["patient_id"].tolist() == ["00001", "00002", "1"]


def test_binary_and_multi_class():
    binary = {"task": "binary", "positive": "ill", "labels": {"1": "ill", "0": "well"}}
    dataset = _read(_rows("a.png,1,1", "b.png,2,0"), **binary)
    assert (dataset.task, dataset.positive) == ("binary", "ill")
    assert _labels(dataset).to_numpy().tolist() == [[1, 0], [0, 1]]
    labels = {"Mass": "Mass", "Edema": "Edema", "healthy": "healthy"}
    content = SIMPLE.replace("a.png,1,Mass", "a.png,1,Mass|Edema")
    with pytest.raises(DataError, match=r"2 images have no class or several.*a\.png \(row 2\)"):
        _read(content, task="multi-class", labels=labels, blank="unknown")


def test_keep_drops_rows_and_says_so():
    content = _rows("a.png,1,Mass,PA", "b.png,1,Edema,L", "c.png,2,Edema,AP", "d.png,3,Mass,CT",
                    header="file,who,finding,view")  # fmt: skip
    dataset = _read(content, keep={"view": ["PA", "AP"]}, view="view")
    assert dataset.table["view"].tolist() == ["PA", "AP"]
    assert "2 rows dropped for their view: 'CT', 'L'." in dataset.notes
    assert not _read(content, keep={"view": ["PA", "L", "AP", "CT"]}).notes
    with pytest.raises(DataError, match=r"has view 'pa' \(key `keep`.*'PA', 'L', 'AP', 'CT'"):
        _read(content, keep={"view": ["pa"]})


def test_rows_of_one_image_merge_and_any_present_wins():
    content = _rows("a.png,1,Mass", "a.png,,Edema", "a.png,1,?", "b.png,2,healthy")
    dataset = _read(content, merge_rows=True)
    assert _labels(dataset).to_numpy().tolist() == [[1, 1], [0, 0]]
    assert dataset.table["patient_id"].tolist() == ["1", "2"]
    assert "4 rows merged into 2 images." in dataset.notes


def test_rows_that_differ_in_more_than_labels_do_not_merge():
    content = _rows("a.png,1,Mass", "a.png,2,Edema", "b.png,2,healthy")
    with pytest.raises(DataError, match=r"1 images have rows that differ in patient.*a\.png"):
        _read(content, merge_rows=True)


def test_repeated_rows_without_merging():
    assert "1 rows repeat an image" in _read(SIMPLE + "a.png,1,Mass\n").notes[-1]
    with pytest.raises(DataError, match=r"a\.png \(row 2 and row 6 differ in label_Edema"):
        _read(SIMPLE + "a.png,1,Mass|Edema\n")


def test_every_missing_image_is_counted_and_the_first_twenty_listed():
    content = _rows(*(f"{i:02d}.png,{i},{'Mass' if i % 2 else 'Edema'}" for i in range(30)))
    with pytest.raises(DataError) as caught:
        _read(content, places=[f"{i:02d}.png" for i in range(5)])
    text = str(caught.value)
    assert "25 of 30 images that labels.csv names are not under somewhere" in text
    assert "05.png (row 7)" in text
    assert "24.png (row 26) … and 5 more" in text
    assert "25.png" not in text


def test_images_on_disk_without_a_row_are_noted():
    note = "1 images on disk are not in the rows used of labels.csv."
    assert note in _read(SIMPLE, places=[*NAMES, "e.png"]).notes


def test_the_suffix_is_appended():
    content = _rows("a,1,Mass", "b,2,Edema")
    assert _read(content, suffix=".png").table["image_id"].tolist() == ["a.png", "b.png"]


def test_patients_from_a_pattern_on_the_path():
    content = _rows("p7/study1/a.png,,Mass", "p7/study2/b.png,,Edema", "p8/study1/c.png,,Mass")
    places = ["p7/study1/a.png", "p7/study2/b.png", "p8/study1/c.png"]
    card = {"patient": None, "patient_pattern": r"(p\d+)/(study\d)", "places": places}
    ids = _read(content, **card).table["patient_id"]
    assert ids.tolist() == ["p7-study1", "p7-study2", "p8-study1"]
    with pytest.raises(DataError, match=r"2 images have no patient.*p7/study1/a\.png \(row 2\)"):
        _read(content, **(card | {"patient_pattern": r"(p8)/"}))


def test_without_patients_every_image_is_its_own_and_that_is_said():
    dataset = _read(SIMPLE, patient=None)
    assert dataset.table["patient_id"].nunique() == 4
    assert dataset.patient_rule == "none"
    assert any("every image counts as one of its own" in note for note in dataset.notes)


def test_without_patients_the_file_names_are_asked():
    named = [f"0000000{number}.png" for number in ("1_000", "1_001", "2_000", "3_000")]
    content = _rows(*(f"{name},7{i},{'Mass' * (i % 2)}" for i, name in enumerate(named)))
    assert _read(content, places=named).patient_rule == "listed"
    dataset = _read(content, places=named, patient=None)
    assert dataset.patient_rule == "nih"
    assert dataset.table["patient_id"].nunique() == 3


def test_missing_patients_are_listed_with_their_rows():
    with pytest.raises(DataError, match=r"2 images have no patient.*b\.png \(row 3\), d\.png"):
        _read(SIMPLE.replace("b.png,1,", "b.png, ,").replace("d.png,3,", "d.png,,"))


def test_split_words():
    content = _rows("a.png,1,Mass,train", "b.png,2,Edema,Validate", "c.png,3,Mass,TEST",
                    header="file,who,finding,part")  # fmt: skip
    split = _read(content, split="part").table["official_split"]
    assert split.tolist() == ["trainval", "trainval", "test"]
    with pytest.raises(DataError, match=r"column part: 'tst' \(1 row; did you mean 'test'\?\)"):
        _read(content.replace("TEST", "tst"), split="part")


def test_tsv_and_parquet_read_as_csv_does():
    tabs = SIMPLE.replace(",", "\t")
    file = io.BytesIO()
    pd.read_csv(io.StringIO(SIMPLE)).to_parquet(file)
    plain = _read(SIMPLE).table
    assert _read(tabs, file="labels.tsv", name="x/labels.tsv").table.equals(plain)
    assert _read(file.getvalue(), file="l.parquet", name="x.zip!l.parquet").table.equals(plain)


def test_the_table_and_its_columns_must_be_there():
    with pytest.raises(DataError, match=r"no table labels\.csv.*there is other\.csv"):
        _read(SIMPLE, name="other.csv")
    with pytest.raises(DataError, match=r"lacks the columns patient, sex, which.*has file, who"):
        _read(SIMPLE, patient="patient", sex="sex")
    content = survey_of(NAMES, {"x/labels.csv": SIMPLE, "y/labels.csv": SIMPLE + "e.png,1,Mass\n"})
    with pytest.raises(DataError, match=r"2 different tables labels\.csv"):
        read(content, data_section(source="table", card=CARD))
    chosen = data_section(source="table", card=CARD | {"file": "x/labels.csv"})
    assert len(read(content, chosen).table) == 4


def test_the_card_may_be_a_file_or_stand_in_params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = survey_of(NAMES, {"labels.csv": SIMPLE})
    Path("card.yaml").write_text(json.dumps(CARD), encoding="utf-8")  # JSON is YAML
    inline = read(content, data_section(source="table", card=CARD)).table
    assert read(content, data_section(source="table", card="card.yaml")).table.equals(inline)
    with pytest.raises(ConfigError, match=r"data\.card in params\.yaml is null.*chexpert\.yaml"):
        read(content, data_section(source="table"))
    with pytest.raises(ConfigError, match=r"'no\.yaml', which does not exist"):
        read(content, data_section(source="table", card="no.yaml"))


def test_a_temporary_copy_finds_an_untracked_card_in_the_checkout(tmp_path, monkeypatch):
    copy = tmp_path / ".dvc/tmp/exps/tmp1"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    content = survey_of(NAMES, {"labels.csv": SIMPLE})
    data = data_section(source="table", card="card.yaml")
    (tmp_path / "card.yaml").write_text(json.dumps(CARD), encoding="utf-8")
    assert read(content, data).task == "multi-label"
    tracked = CARD | {"task": "multi-class"}
    (copy / "card.yaml").write_text(json.dumps(tracked), encoding="utf-8")
    assert read(content, data).task == "multi-class"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blnk": "absent"}, r"blnk: unknown key; did you mean blank\?"),
        ({"present": [1]}, r"present\.0: 1 is not allowed, it must be a valid string"),
        ({"patient_pattern": r"(p\d)"}, "only one of patient and patient_pattern"),
        ({"patient": None, "patient_pattern": r"p\d"}, "needs a group in parentheses"),
        ({"patient": None, "patient_pattern": "(p"}, "is no regular expression"),
        ({"label": None}, "separator belongs to labels in one column"),
        (
            {"present": ["Mass"]},
            "present and absent have no meaning where label names the one column",
        ),
        ({"absent": ["healthy"]}, "present and absent have no meaning"),
        ({"task": "binary"}, "positive must be one of Mass, Edema in a binary task"),
        ({"positive": "Mass"}, "positive belongs to a binary task"),
        (WIDE | {"absent": ["1"]}, "'1' stand twice in present, absent and unknown"),
    ],
)
def test_mistakes_in_a_card(changes, message):
    card = {**CARD, **changes}
    with pytest.raises(ConfigError, match=message):
        check(card, TableCard, "card.yaml")
    with pytest.raises(ConfigError, match=f"card: .*{message}"):
        check(data_section().model_dump() | {"card": card}, type(data_section()), "params.yaml")


def test_a_card_needs_only_what_differs():
    least = {"file": "labels.csv", "image": "file", "labels": {"m": "Mass", "e": "Edema"}}
    card = check(least, TableCard, "card.yaml")
    assert card.model_dump(exclude=set(least)) == {
        "encoding": "utf-8", "suffix": "", "patient": None, "patient_pattern": None, "view": None,
        "sex": None, "age": None, "vendor": None, "site": None, "split": None, "label": None,
        "separator": None, "present": [], "absent": [], "unknown": [], "blank": "unknown",
        "keep": {}, "merge_rows": False, "task": "multi-label", "positive": None,
    }  # fmt: skip
    for key in least:
        with pytest.raises(ConfigError, match=rf"1 mistake in card\.yaml:\n  {key}: is missing$"):
            check({k: v for k, v in least.items() if k != key}, TableCard, "card.yaml")


def test_a_card_names_the_encoding_of_its_table():
    content = SIMPLE.replace("Mass|Edema", "Ödem").encode("latin-1")
    labels = {"Mass": "Mass", "Ödem": "Edema", "healthy": None}
    dataset = _read(content, labels=labels, encoding="latin-1")
    assert dataset.table["label_Edema"].tolist() == [0, 1, 0, 0]
    with pytest.raises(DataError, match=r"not UTF-8.*a card can name it \(key `encoding`\)"):
        _read(content, labels=labels)
    with pytest.raises(ConfigError, match="encoding is 'latin-one'"):
        check(CARD | {"encoding": "latin-one"}, TableCard, "card.yaml")


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_cards_are_valid_and_tell_source_terms_and_command(path):
    check(read_yaml(path), TableCard, path.name)
    head = path.read_text(encoding="utf-8")
    for word in ("# Source: ", "# Terms: ", "# Command: ", f"data.card=cards/{path.name}"):
        assert word in head


def _shipped(name, content, places=(), films=None):
    """What a card of the repository reads; `films` are the headers of DICOM files by location."""
    card = check(read_yaml(CARDS / f"{name}.yaml"), TableCard, name)
    content = survey_of(places, {f"deep/{card.file}": content})
    for number, (place, header) in enumerate((films or {}).items()):
        pixels = np.full((4, 4), number, np.uint8)
        content.add(place, dicom(pixels, SOPInstanceUID=f"1.2.{number}", **header))
    content = content.hidden(keep=False)
    data = data_section(source="table", card=str(CARDS / f"{name}.yaml"))
    return validate(read(content, data), "x")


def test_chexpert():
    findings = list(read_yaml(CARDS / "chexpert.yaml")["labels"])
    folder = "CheXpert-v1.0-small/train"
    rows = [
        f"{folder}/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP",
        f"{folder}/patient00001/study1/view2_lateral.jpg,Female,68,Lateral,",
        f"{folder}/patient00002/study1/view1_frontal.jpg,Unknown,0,Frontal,PA",
    ]
    cells = ["1.0," + "," * 12, "," * 13, ",-1.0,0.0" + "," * 11]
    content = _rows(*(f"{row},{cell}" for row, cell in zip(rows, cells, strict=True)),
                    header="Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(findings))  # fmt: skip
    places = [row.partition(",")[0].removeprefix("CheXpert-v1.0-small/") for row in rows]
    dataset = _shipped("chexpert", content, places)
    first, second = (row for _, row in dataset.table.iterrows())
    assert (first["patient_id"], first["sex"], first["view"], first["age"]) == (
        "00001", "F", "AP", "68",
    )  # fmt: skip
    assert (second["sex"], second["age"], first["label_No Finding"]) == ("", "0", 1)
    assert pd.isna(second[f"label_{findings[1]}"])
    assert (second[f"label_{findings[2]}"], second[f"label_{findings[3]}"]) == (0, 0)
    assert "1 rows dropped for their Frontal/Lateral: 'Lateral'." in dataset.notes


def test_rsna():
    names = ["0004cfab-14fd", "00313ee0-9eaa"]
    content = _rows(f"{names[0]},1,2,3,4,1", f"{names[0]},9,8,7,6,1", f"{names[1]},,,,,0",
                    header="patientId,x,y,width,height,Target")  # fmt: skip
    header = {"ViewPosition": "AP", "PatientSex": "F", "PatientAge": "58"}
    films = {f"stage_2_train_images/{name}.dcm": header | {"PatientID": name} for name in names}
    dataset = _shipped("rsna", content, films=films)
    assert (dataset.task, dataset.positive) == ("binary", "Lung Opacity")
    assert sorted(dataset.table["label_Lung Opacity"]) == [0, 1]  # in the order of pseudonyms
    assert dataset.table["patient_id"].nunique() == 2
    assert dataset.table[["view", "sex", "age"]].to_numpy().tolist() == [["AP", "F", "58"]] * 2
    assert not set(names) & set(dataset.table["patient_id"])  # it is the Patient ID of the headers


def test_vindr():
    content = _rows(
        "i1,Cardiomegaly,3,R9,1,2,3,4",
        "i1,ILD,5,R8,1,2,3,4",
        "i1,No finding,14,R7,,,,",
        "i2,No finding,14,R1,,,,",
        header="image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
    )
    header = {"Modality": "", "PatientID": "", "PatientSex": "M", "PatientAge": "061Y"}
    dataset = _shipped("vindr", content, films={f"train/i{n}.dicom": header for n in (1, 2)})
    assert row_of(dataset.table, "i1.dicom").filter(like="label_").sum() == 2
    assert row_of(dataset.table, "i2.dicom").filter(like="label_").sum() == 0
    assert dataset.table[["sex", "age"]].to_numpy().tolist() == [["M", "61"]] * 2
    assert len(dataset.table.filter(like="label_").columns) == 14


def test_mimic():
    findings = list(read_yaml(CARDS / "mimic.yaml")["labels"])
    names = [("10000032", "50414267", "02aa804e", "PA"), ("10000032", "50414267", "174413ec", "LL"),
             ("10000764", "57375967", "096052b7", "AP")]  # fmt: skip
    rows, films = [], {}
    for patient, study, name, view in names:
        place = f"files/p10/p{patient}/s{study}/{name}.dcm"
        rows.append(f"{patient},{study},{name},{place},{'1.0' if view == 'AP' else ''}")
        films[f"mimic-cxr/{place}"] = {"PatientID": patient, "StudyID": study, "ViewPosition": view}
    header = ["subject_id,study_id,dicom_id,path", *findings, "split"]
    content = _rows(*(f"{row}{',' * 14}train" for row in rows), header=",".join(header))
    table = _shipped("mimic", content, films=films).table
    assert table["view"].value_counts().to_dict() == {"PA": 1, "LATERAL": 1, "AP": 1}
    assert table["patient_id"].nunique() == 2
    assert not table["location"].str.contains("100000|504142").any()
    assert table.set_index("view")[f"label_{findings[0]}"].to_dict() == {
        "PA": 0,
        "LATERAL": 0,
        "AP": 1,
    }


def test_chexpert_plus():
    findings = list(read_yaml(CARDS / "chexpert-plus.yaml")["labels"])
    names = [f"train/patient4214{n}/study5/view1_frontal" for n in (2, 3)]
    header = ["path_to_image,path_to_dcm,frontal_lateral,ap_pa,deid_patient_id,age,sex", *findings]
    rows = [f"{name}.jpg,{name}.dcm,Frontal,AP,{name[6:18]},60,Female,{score}{',' * 13}"
            for name, score in zip(names, ("1.0", "0.0"), strict=True)]  # fmt: skip
    films = {f"DICOM/{name}.dcm": {"PatientID": ""} for name in names}
    table = _shipped("chexpert-plus", _rows(*rows, header=",".join(header)), films=films).table
    assert table["patient_id"].tolist() == ["patient42142", "patient42143"]
    assert table[f"label_{findings[0]}"].tolist() == [1, 0]


def test_covid():
    content = _rows(
        "2,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,a.jpg",
        "3,,,Pneumonia/Viral/SARS,AP Supine,X-ray,b.jpg",
        "4,F,20,No Finding,PA,X-ray,c.jpg",
        "5,F,30,Pneumonia,Axial,CT,d.jpg",
        "6,,,todo,PA,X-ray,e.jpg",
        "7,,,Tuberculosis,L,X-ray,f.jpg",
        header="patientid,sex,age,finding,view,modality,filename",
    )
    dataset = _shipped("covid", content, [f"images/{letter}.jpg" for letter in "abcdef"])
    assert dataset.table["image_id"].tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    sars = row_of(dataset.table, "b.jpg")
    assert (sars["label_Viral"], sars["label_COVID-19"], sars["view"]) == (1, 0, "AP")
    assert row_of(dataset.table, "c.jpg")["label_No Finding"] == 1


def test_vendor_and_site_become_groups_where_the_card_names_them():
    content = _rows("a.png,1,Mass,GE,Oslo", "b.png,2,healthy,,Bergen",
                    header="file,who,finding,maker,hospital")  # fmt: skip
    dataset = _read(content, CARD, ["a.png", "b.png"], vendor="maker", site="hospital")
    assert dataset.table["vendor"].tolist() == ["GE", ""]
    assert dataset.table["site"].tolist() == ["Oslo", "Bergen"]
    with pytest.raises(DataError, match="lacks the columns ward"):
        _read(content, site="ward")
