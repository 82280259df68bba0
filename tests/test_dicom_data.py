"""DICOM in folders and tables, mixed with PNG and packed; and what must not come out of it."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import thorax_phantom
from made_up import write_zip
from made_up_dicom import dicom
from small_run import ROOT, params, paths_in
from thorax.artifacts.data import DatasetInfo
from thorax.contamination import count_overlap, write_trained_on
from thorax.dataset import GEOMETRY, cached_images
from thorax.download import download
from thorax.draft import draft
from thorax.errors import DataError
from thorax.io import read_csv
from thorax.preprocess import preprocess
from thorax.preprocess.decode import decode
from thorax.report.sections.data import gray_table
from thorax.studies.audit import overlap_of
from thorax.survey import hidden_images, survey

PATIENTS = 12
# One person's: in headers, and four of them in the names of folders and files too.
PLANTED = {
    "PatientID": "MRN4711882", "PatientName": "Quimbly^Ottoline", "PatientBirthDate": "19580217",
    "OtherPatientIDs": "INS99431", "AccessionNumber": "ACC70013", "StudyID": "STU55102",
    "StudyDate": "20190314", "SeriesDate": "20190315", "AcquisitionDate": "20190316",
    "ContentDate": "20190317", "InstanceCreationDate": "20190318", "PatientComments": "sister Yrsa",
    "StudyInstanceUID": "1.2.826.0.1.77001", "SeriesInstanceUID": "1.2.826.0.1.77002",
    "SOPInstanceUID": "1.2.826.0.1.77003", "ReferringPhysicianName": "Vandersloot^Cornelis",
    "OperatorsName": "Mbekindaba^Thandiwe", "PatientAddress": "Achterweg 9",
    "PatientTelephoneNumbers": "0031-555-0199", "IssuerOfPatientID": "Ziekenhuis-Oost",
    "DeviceSerialNumber": "SN-80441",
}  # fmt: skip
WORDS = [word for value in PLANTED.values() for word in value.split("^")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("phantoms") / "phantom.zip")


def draw(path):
    """Synthetic radiographs, uint8 [64, 64]."""
    thorax_phantom.write_archive(
        path, patients=30, pixels=64, seed=3, marker_correlation=0.0, marker_label="Nodule"
    )
    return [decode(content) for at, content in hidden_images(path) if "masks" not in at]


@pytest.fixture
def films(pictures, tmp_path, monkeypatch):
    """The folder of films in a project."""
    monkeypatch.chdir(tmp_path)
    return write_films(tmp_path / "films", pictures)


def write_films(root, pictures):
    """24 DICOM films of 12 patients in two class folders, and two other files."""
    for number in range(2 * PATIENTS):
        patient = number // 2
        header = {
            "PatientID": f"P{patient:05}", "PatientSex": "FM"[patient % 2], "ViewPosition": "PA",
            "PatientAge": f"{40 + patient:03}Y", "SOPInstanceUID": f"1.2.3.{number}",
            "Manufacturer": ["Philips", "Fuji"][number % 2], "InstitutionName": "St. Elsewhere",
            "WindowCenter": 128, "WindowWidth": 256,
        }  # fmt: skip
        name = f"IM{number:04}"
        if patient == 0:
            header |= PLANTED | ({"SOPInstanceUID": "1.2.826.0.1.77009"} if number else {})
            name = f"MRN4711882_Quimbly/20190314/{header['SOPInstanceUID']}.dcm"
        write(root / ["ill", "normal"][patient % 2] / name, dicom(pictures[number], **header))
    lateral = dicom(pictures[30], PatientID="P00001", ViewPosition="LL", SOPInstanceUID="1.2.3.99")
    write(root / "ill/lateral.dcm", lateral)
    state = dicom(pictures[0], SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1", **PLANTED)
    write(root / "ill/Quimbly-state", state)
    return root


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def run(root, **data):
    """Download and preprocess; paths of what they wrote."""
    paths = paths_in(Path.cwd() / "out")
    settings = params(
        data={"source": "folder", "path": str(root), **data}, preprocess={"image_size": 64}
    )
    download(settings.data, paths)
    preprocess(settings.preprocess, paths)
    return paths


def test_a_folder_of_dicom_files_is_read_by_its_headers(films, pictures):
    paths = run(films)
    manifest, dataset = read_csv(Path(paths.manifest)), DatasetInfo.read(Path(paths.dataset))
    assert len(manifest) == 2 * PATIENTS
    assert manifest["patient_id"].nunique() == PATIENTS
    assert (manifest["patient_id"].value_counts() == 2).all()
    assert dataset.patient_rule == "headers"
    assert set(manifest["vendor"]) == {"Philips", "Fuji"}
    assert (manifest[["view", "site"]] == ["PA", ""]).all(axis=None)
    assert (manifest["sex"] == np.where(manifest["age"].astype(float) % 2, "M", "F")).all()
    table = cached_images(paths).set_index("image_id")
    index = list(table.index)
    cached = np.load(Path(paths.cache) / "images.npy")
    np.testing.assert_array_equal(cached[index.index("normal/IM0002")], pictures[2])
    assert set(table["gray_rule"]) == {"linear window"}
    assert any("1 DICOM files set aside: 1 presentation state" in note for note in dataset.notes)
    assert any("dropped for their view (1 LATERAL" in note for note in dataset.notes)


def test_without_dicom_nothing_is_added_and_no_key_is_made(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        png = cv2.imencode(".png", pictures[number])[1].tobytes()
        write(tmp_path / "films" / "ab"[number % 2] / f"{number}.png", png)
    paths = run(tmp_path / "films")
    assert list(read_csv(Path(paths.cache) / "index.csv")) == ["image_id", *GEOMETRY]
    assert not Path("data/patients.key").exists()


def test_views_to_keep_are_a_setting(films):
    dataset = DatasetInfo.read(Path(run(films, views=["PA", "LATERAL"]).dataset))
    assert dataset.counts.images == 2 * PATIENTS + 1


def everything(folder):
    """All names and all bytes of the files in a folder, but for the originals and the key."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if inside.parts[0] not in ("films", ".git"):
            yield str(inside)
            if path.is_file():
                yield path.read_bytes().decode("latin-1")


def assert_hidden(texts):
    for text in texts:
        for word in WORDS:
            assert word.lower() not in text.lower(), word


def test_no_identifier_reaches_an_output(films, tmp_path, capfd):
    """20 of them, searched for in every file and word of two stages, an audit, a draft, errors."""
    paths = run(films)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    overlap_of_json = overlap_of(films, films).model_dump_json()
    table = "file,patient,finding\n" + "".join(
        f"{path.relative_to(films).as_posix()},{PLANTED['PatientID']},{path.relative_to(films).parts[0]}\n"
        for path in sorted(films.rglob("*"))
        if path.is_file()
    )
    write(films / "labels.csv", table.encode())
    drafted = draft(films / "labels.csv", films)
    (films / "ill/MRN4711882_Quimbly/20190314/1.2.826.0.1.77003.dcm").unlink()
    with pytest.raises(DataError) as gone:
        preprocess(params().preprocess, paths)
    after_command_line = str(gone.value), *capfd.readouterr()
    assert_hidden([*everything(tmp_path), overlap_of_json, *after_command_line])
    assert_hidden([drafted.replace(str(films), "")])
    assert "hmac-" in Path(paths.manifest).read_text()
    key = Path("data/patients.key")
    assert key.stat().st_mode & 0o777 == 0o600


def test_git_and_dvc_ignore_the_key():
    for ignoring in (".gitignore", ".dvcignore"):
        assert "/data/*.key" in (ROOT / ignoring).read_text().splitlines()


def test_one_key_gives_a_patient_one_name_in_every_folder(films, tmp_path):
    first = cached_images(run(films))
    name = DatasetInfo.read(tmp_path / "out/dataset").patient_namespace
    write_trained_on(tmp_path, name, first[first["patient_id"] == first["patient_id"].iloc[0]])
    films.rename(tmp_path / "elsewhere")
    second = cached_images(run(tmp_path / "elsewhere"))
    assert second["patient_id"].tolist() == first["patient_id"].tolist()
    namespace = DatasetInfo.read(tmp_path / "out/dataset").patient_namespace
    assert count_overlap(tmp_path, namespace, second)[0] == 2
    Path("data/patients.key").unlink()
    again = cached_images(run(tmp_path / "elsewhere"))
    assert not {*again["patient_id"]} & {*first["patient_id"]}


def rewrite(root, pictures, **header):
    for number, path in enumerate(sorted(path for path in root.rglob("IM*") if path.is_file())):
        values = {key: value(number) if callable(value) else value for key, value in header.items()}
        path.write_bytes(dicom(pictures[number], ViewPosition="PA", **values))


@pytest.mark.parametrize(
    ("header", "says"),
    [({"PatientID": ""}, "22 of 25 DICOM files name no patient"),
     ({"PatientID": "ANON"}, "22 of 25 DICOM files name no patient"),
     ({"PatientID": "AB12"}, "22 of 25 DICOM files share 1 Patient ID"),
     ({"PatientID": lambda n: f"Q{n // 4}", "PatientSex": lambda n: "FM"[n % 2]}, "share 6 ")],
    ids=["blank", "anonymous", "constant", "both sexes"],
)  # fmt: skip
def test_patients_that_cannot_be_told_apart_stop_the_run(films, pictures, header, says):
    rewrite(films, pictures, **header)
    with pytest.raises(DataError, match=says) as stopped:
        run(films)
    assert "data.patient_id: none" in str(stopped.value)
    assert DatasetInfo.read(Path(run(films, patient_id="none").dataset)).patients_unknown


def test_png_and_dicom_lie_side_by_side_packed_or_not(films, pictures, tmp_path):
    for number in range(4):
        png = cv2.imencode(".png", pictures[40 + number])[1].tobytes()
        write(films / "ill" / f"person{number}_virus_{number}.png", png)
    plain = read_csv(Path(run(films).manifest))
    assert plain["patient_id"].nunique() == PATIENTS + 4
    content = {str(p.relative_to(films)): p.read_bytes() for p in films.rglob("*") if p.is_file()}
    packed = read_csv(Path(run(write_zip(tmp_path / "films.zip", content)).manifest))
    assert packed["sha256"].tolist() == plain["sha256"].tolist()
    assert packed["patient_id"].tolist() == plain["patient_id"].tolist()
    assert survey(films, "read").aside != {}


CARD = {"file": "labels.csv", "image": "uid", "label": "finding", "patient": "PatientID",
        "view": "ViewPosition", "sex": "PatientSex", "age": "PatientAge", "vendor": "Manufacturer",
        "site": "InstitutionName", "labels": {"ill": "ill", "normal": "normal"},
        "task": "binary", "positive": "ill"}  # fmt: skip


def test_a_card_names_dicom_keywords_and_joins_on_the_uid(films):
    uids = ["1.2.826.0.1.77003", "1.2.826.0.1.77009", *(f"1.2.3.{n}" for n in range(2, 24))]
    rows = [f"{uid},{['ill', 'normal'][n // 2 % 2]}" for n, uid in enumerate(uids)]
    write(films / "labels.csv", "\n".join(["uid,finding", *rows]).encode())
    paths = run(films, source="table", card=CARD)
    manifest = read_csv(Path(paths.manifest))
    assert (len(manifest), manifest["patient_id"].nunique()) == (24, PATIENTS)
    assert set(manifest["site"]) == {"St. Elsewhere"}
    assert manifest["image_id"].str.startswith("hmac-").all()
    assert (manifest["label_ill"] == manifest["location"].str.startswith("ill").astype(int)).all()
    assert_hidden([Path(paths.manifest).read_text()])


def test_rows_of_laterals_and_files_set_aside_are_dropped_and_counted(films):
    names = [f"normal/IM{n:04},normal" for n in (2, 3)] + [f"ill/IM{n:04},ill" for n in (4, 5)]
    names += ["ill/Quimbly-state,ill", "ill/lateral.dcm,ill"]
    write(films / "labels.csv", "\n".join(["uid,finding", *names]).encode())
    card = {key: value for key, value in CARD.items() if key != "view"}
    dataset = DatasetInfo.read(Path(run(films, source="table", card=card).dataset))
    assert dataset.counts.images == 4
    assert any("dropped for their view (1 LATERAL" in note for note in dataset.notes)
    assert "1 rows dropped whose DICOM files are set aside." in dataset.notes


def test_a_pattern_finds_patients_in_names_that_are_hidden(films):
    names = [path.relative_to(films).as_posix() for path in sorted(films.rglob("MRN*/*/*"))]
    rows = [*(f"{name},ill" for name in names), "normal/IM0002,normal", "normal/IM0003,normal"]
    write(films / "labels.csv", "\n".join(["uid,finding", *rows]).encode())
    card = {key: value for key, value in CARD.items() if key != "patient"}
    card["patient_pattern"] = r"(MRN\d+|IM\d+)"
    manifest = read_csv(Path(run(films, source="table", card=card).manifest))
    assert manifest["patient_id"].nunique() == 3
    assert_hidden([manifest.to_csv()])


def test_a_draft_asks_the_headers(films):
    rows = [f"1.2.3.{n},{['ill', 'normal'][n // 2 % 2]}" for n in range(2, 24)]
    table = write(films / "labels.csv", "\n".join(["uid,finding", *rows]).encode())
    text = draft(table, films)
    assert "Read with this card: 22 images of 11 patients" in text
    for line in ("image: uid", "patient: PatientID", "view: ViewPosition", "vendor: Manufacturer"):
        assert line in text


def test_an_audit_finds_a_dicom_film_among_png_files(pictures, tmp_path, monkeypatch):
    """RSNA's DICOM files are images of the NIH, encoded anew."""
    monkeypatch.chdir(ROOT)
    for number in range(4):
        header = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096}
        deep = dicom(np.uint16(16) * pictures[number], PatientID=f"Q{number}", **header)
        write(tmp_path / f"a/{number}", deep)
        png = cv2.imencode(".png", pictures[2 + number])[1].tobytes()
        write(tmp_path / f"b/{number}.png", png)
    overlap = overlap_of(tmp_path / "a", tmp_path / "b")
    assert (overlap.images, overlap.near_identical.images) == ((4, 4), 2)


def test_the_report_counts_gray_rules_by_vendor_and_contradictions():
    films = pd.DataFrame(
        {
            "gray_rule": ["linear window", "linear window", "no window, inverted", ""],
            "vendor": ["Fuji", "", "Fuji", "Fuji"],
            "polarity": ["", "header, picture", "picture", ""],
        }
    )
    table = gray_table(films)
    assert table.columns == ["", "Fuji", "unknown", "All"]
    assert [(row.head, row.cells) for row in table.rows] == [
        ("linear window", ["1", "1", "2 (66.7%)"]),
        ("no window, inverted", ["1", "0", "1 (33.3%)"]),
        ("polarity contradicted by the header", ["0", "1", "1 (33.3%)"]),
        ("polarity contradicted by the picture", ["1", "1", "2 (66.7%)"]),
    ]
    assert gray_table(films[films["gray_rule"] == ""]) is None
