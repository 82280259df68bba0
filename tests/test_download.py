import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from made_up import data_section, nih_row, nih_table, write_folder, write_tar, write_zip
from thorax.artifacts.data import DatasetCounts, DatasetInfo, LabelCounts
from thorax.config import Data, Paths
from thorax.download import download
from thorax.download.sources import SOURCES
from thorax.errors import BusyError, ConfigError, DataError
from thorax.io import MANIFEST_COLUMNS, locked, read_csv, read_manifest
from thorax.raw_store import open_root
from thorax.survey import survey

PATHS = Paths.model_construct(
    manifest="data/manifest.csv", dataset="data/dataset.json", annotations="data/annotations.csv"
)
CLASSES = {"b/1.png": b"1", "b/2.png": b"2", "a/3.png": b"3"}
KERMANY = {
    "train/NORMAL/IM-0001-0001.jpeg": b"n",
    "train/PNEUMONIA/person1_virus_1.jpeg": b"p",
    "test/PNEUMONIA/person1_virus_2.jpeg": b"q",
}
SMALL = {"patients": 10, "pixels": 64}


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    """An empty checkout: data/local holds its README and .gitignore only."""
    root = tmp_path / "checkout"
    write_folder(root / "data/local", {"README.md": b"", ".gitignore": b"*"})
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def fetched(monkeypatch):
    """Kermany's fetch replaced by one that writes a small archive; the list counts its calls."""
    calls = []

    def fetch(data, store):
        calls.append(store)
        store.mkdir(parents=True, exist_ok=True)
        if not (store / "k.zip").exists():
            write_zip(store / "k.zip", KERMANY)

    source = dataclasses.replace(SOURCES["kermany"], fetch=fetch)
    monkeypatch.setitem(SOURCES, "kermany", source)
    return calls


def _download(**changes):
    download(data_section(**changes), PATHS)
    return read_manifest(Path(PATHS.manifest)), DatasetInfo.read(Path(PATHS.dataset))


def test_two_classes_may_have_an_output_each(tmp_path):
    root = write_folder(tmp_path / "mine", CLASSES)
    _, dataset = _download(source="folder", path=str(root), task="multi-class")
    assert (dataset.task, dataset.positive) == ("multi-class", None)


def test_labels_that_may_come_together_are_no_multi_class_task(tmp_path):
    with pytest.raises(DataError, match="several labels at once"):
        _download(source="phantom", task="multi-class", phantom=SMALL)


def test_the_users_data_is_read_where_it_lies(tmp_path, capsys):
    root = write_folder(tmp_path / "mine", CLASSES)
    manifest, dataset = _download(source="folder", path=str(root))
    assert manifest.columns.tolist() == [*MANIFEST_COLUMNS, "label_a", "label_b"]
    assert manifest["image_id"].tolist() == ["a/3.png", "b/1.png", "b/2.png"]
    assert manifest["label_b"].tolist() == [0, 1, 1]
    assert (dataset.root, dataset.store) == ("path", None)
    assert (dataset.task, dataset.positive) == ("binary", "b")
    assert open_root(dataset) == root
    assert sorted(path.name for path in root.rglob("*.*")) == ["1.png", "2.png", "3.png"]
    printed = capsys.readouterr().out
    assert "3 images, patients unknown; official split" in printed
    assert "  b        2   66.7%\npositive: b (data.positive)" in printed
    assert "note: Nothing identifies patients" in printed


def test_a_title_of_the_users_own_heads_the_report(tmp_path):
    root = write_folder(tmp_path / "mine", CLASSES)
    titles = [_download(source="folder", path=str(root), title=title)[1].title
              for title in (None, "Ward 7")]  # fmt: skip
    assert titles == ["Class folders of the user's own", "Ward 7"]


def test_the_description_tells_later_stages_everything(tmp_path):
    path = write_tar(tmp_path / "k.tar", KERMANY)
    _, dataset = _download(source="kermany", path=str(path))
    assert dataset.classes == ["NORMAL", "PNEUMONIA"]
    assert (dataset.license, dataset.patient_namespace) == ("CC BY 4.0", "kermany")
    assert "Cell 172 (2018)" in dataset.citation
    assert dataset.data == data_section(source="kermany", path=str(path))
    assert dataset.counts == DatasetCounts(
        images=3, patients=3, official_trainval=2, official_test=1,
        classes={
            "NORMAL": LabelCounts(present=1, absent=2, unknown=0),
            "PNEUMONIA": LabelCounts(present=2, absent=1, unknown=0),
        },
    )  # fmt: skip


def test_an_empty_data_path_fetches_into_the_raw_store(fetched, checkout):
    manifest, dataset = _download(source="kermany")
    assert (dataset.root, dataset.store) == ("raw", "kermany")
    assert fetched == [checkout / "data/raw/kermany"]
    assert manifest["location"][0] == "k.zip!test/PNEUMONIA/person1_virus_2.jpeg"


def test_what_is_gone_from_the_store_is_fetched_again(fetched, checkout):
    manifest, dataset = _download(source="kermany")
    (checkout / "data/raw/kermany/k.zip").unlink()
    _download(source="kermany")
    images = survey(open_root(dataset), "read").images
    assert {images[row.location] for row in manifest.itertuples()} == set(manifest["sha256"])
    assert len(fetched) == 2


def test_a_later_stage_says_which_stage_brings_back_a_store_that_is_gone(fetched, checkout):
    _, dataset = _download(source="kermany")
    (checkout / "data/raw/kermany").rename(checkout / "elsewhere")
    with pytest.raises(DataError, match=r"kermany is gone\. Run `dvc repro -f download`"):
        open_root(dataset)


def test_a_temporary_copy_uses_the_checkouts_store_and_data(fetched, checkout, monkeypatch):
    copy = write_folder(checkout / ".dvc/tmp/exps/tmp1", {"data/local/README.md": b""})
    monkeypatch.chdir(copy)
    _download(source="kermany")
    assert fetched == [checkout / "data/raw/kermany"]
    assert not Path("data/raw").exists()
    write_zip(checkout / "data/local/mine.zip", CLASSES)
    manifest, dataset = _download(source="folder")
    assert (dataset.root, len(manifest)) == ("path", 3)
    assert open_root(dataset) == checkout / "data/local"


def test_two_at_once_do_not_fetch_into_one_store(fetched, checkout):
    with locked(checkout / "data/raw/.kermany.lock", "test"), pytest.raises(BusyError):
        _download(source="kermany")


def test_phantoms_are_generated_and_read(checkout):
    manifest, dataset = _download(source="phantom", phantom=SMALL)
    assert manifest["patient_id"].nunique() == 10
    root = open_root(dataset)
    assert root.parent == checkout / "data/raw/phantom"
    assert manifest["location"].str.startswith(f"{root.name}!images/").all()
    annotations = read_csv(Path(PATHS.annotations))
    assert annotations.columns.tolist() == ["image_id", "finding", "polygons"]
    assert set(annotations["image_id"]) <= set(manifest["image_id"])


def test_the_manifest_is_the_same_bytes_again_and_from_any_packing(tmp_path):
    texts = []
    for root in (
        write_folder(tmp_path / "plain", {f"wrap/{name}": text for name, text in CLASSES.items()}),
        write_folder(tmp_path / "again", dict(reversed(CLASSES.items()))),
        write_zip(tmp_path / "x.zip", dict(reversed(CLASSES.items()))),
    ):
        _download(source="folder", path=str(root))
        first = Path(PATHS.manifest).read_bytes()
        _download(source="folder", path=str(root))
        assert Path(PATHS.manifest).read_bytes() == first
        rows = [line.split(",") for line in first.decode().splitlines()]
        texts.append([[row[0], *row[2:]] for row in rows])  # all but the location
    assert texts[0] == texts[1] == texts[2]


def test_labels_are_written_as_1_0_or_nothing(tmp_path):
    card = {
        "file": "t.csv", "image": "f", "suffix": "", "patient": "p", "patient_pattern": None,
        "view": None, "sex": None, "age": "age", "vendor": None, "site": None, "split": None,
        "label": None, "separator": None,
        "labels": {"x": "X", "y": "Y"}, "present": ["1"], "absent": ["0"], "unknown": ["-1"],
        "blank": "unknown", "keep": {}, "merge_rows": False, "task": "multi-label",
        "positive": None,
    }  # fmt: skip
    table = b"f,p,age,x,y\n1.png,007,061Y,1,\n2.png,NA,,0,1\n3.png,None,6M,-1,0\n"
    images = {f"{i}.png": bytes([i]) for i in (1, 2, 3)}
    root = write_folder(tmp_path / "mine", images | {"t.csv": table})
    manifest, dataset = _download(source="table", path=str(root), card=card)
    lines = Path(PATHS.manifest).read_text().splitlines()
    assert [line.rsplit(",", 2)[1:] for line in lines[1:]] == [["1", ""], ["0", "1"], ["", "0"]]
    assert manifest["patient_id"].tolist() == ["007", "NA", "None"]
    assert manifest["age"].tolist()[::2] == [61, 0.5]
    assert dataset.counts.classes["Y"] == LabelCounts(present=1, absent=1, unknown=1)
    assert open_root(dataset) == root


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"source": "kermany", "path": "no/where"},
            r"data\.path .* is 'no/where', which does not",
        ),
        ({"source": "folder"}, r"empty, and the source 'folder'.*data\.path=/data/xrays"),
        ({"source": "table"}, r"empty, and the source 'table'.*data\.card=cards/chexpert\.yaml"),
    ],
)
def test_no_data_says_which_key_to_set(changes, message):
    with pytest.raises(DataError, match=message):
        _download(**changes)


def test_files_without_any_image(tmp_path):
    root = write_folder(tmp_path / "mine", {"a.dcm": b"x", "t.csv": b"a\n1\n"})
    with pytest.raises(DataError, match=r"holds files, but no image \(DICOM, PNG"):
        _download(source="folder", path=str(root))


def test_files_that_are_no_images_are_counted_by_kind(tmp_path, capsys):
    others = dict.fromkeys(["a/x.dcm", "y.DCM", "b/Thumbs.db", "b/IM0001", "README.md"], b"x")
    root = write_folder(tmp_path / "mine", CLASSES | others)
    write_zip(root / "more.zip", {"a/9.png": b"9", "a/z.dcm": b"z"})
    _, dataset = _download(source="folder", path=str(root))
    note = "5 files are left out, no images that thorax reads: 1 .db, 3 .dcm, 1 without ending."
    assert note in dataset.notes
    assert f"note: {note}" in capsys.readouterr().out


def test_an_empty_folder_elsewhere_is_no_data(tmp_path):
    (tmp_path / "mine/sub").mkdir(parents=True)
    with pytest.raises(DataError, match=r"mine', which is empty.*nothing to fetch"):
        _download(source="folder", path=str(tmp_path / "mine"))


@pytest.mark.parametrize(
    ("label", "boxes", "message"),
    [
        ("Efusion", b"", "did you mean 'Effusion'"),
        ("Effusion", b"i,f,x,y,w,h\na,b,1,2,3,wide\n", r"row 2 of BBox_List_2017\.csv"),
    ],
)
def test_nothing_is_written_when_the_data_has_problems(tmp_path, label, boxes, message):
    rows = [nih_row("00000001_000.png", label), nih_row("00000002_000.png")]
    files = {"00000001_000.png": b"1", "00000002_000.png": b"2"}
    files["Data_Entry_2017.csv"] = nih_table(*rows).encode()
    root = write_folder(tmp_path / "mine", files | ({"BBox_List_2017.csv": boxes} if boxes else {}))
    with pytest.raises(DataError, match=message):
        _download(source="nih", path=str(root))
    assert not list(Path("data").glob("*.*"))


def test_data_that_comes_or_goes_after_the_manifest_is_noticed(fetched, checkout, tmp_path):
    _, dataset = _download(source="kermany")
    write_folder(checkout / "data/local", {"x.txt": b""})
    with pytest.raises(DataError, match=r"'data/local', was empty .* now holds data.*dvc repro -f"):
        open_root(dataset)
    root = write_folder(tmp_path / "mine", KERMANY)
    _, dataset = _download(source="kermany", path=str(root))
    for name in KERMANY:
        (root / name).unlink()
    with pytest.raises(DataError, match=r"was in use .* now is empty"):
        open_root(dataset)


def test_sources_need_no_learning_library():
    code = (
        "import sys, thorax.download\n"
        "print([m for m in ('torch', 'torchvision', 'sklearn', 'lightning') if m in sys.modules])"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert run.stdout.strip() == "[]"


def test_every_source_of_the_settings_is_registered_and_the_other_way_round():
    assert set(SOURCES) == set(get_args(Data.model_fields["source"].annotation))


@pytest.mark.parametrize(
    ("card", "error"), [({}, ConfigError), ({"file": "t.csv", "image": "x"}, DataError)]
)
def test_a_card_is_checked_before_an_image_is_read(tmp_path, monkeypatch, card, error):
    root = write_folder(tmp_path / "mine", {"t.csv": b"name,mass\n1.png,yes\n", "1.png": b"1"})
    (tmp_path / "card.yaml").write_text(str(card | ({"labels": {"mass": "mass"}} if card else {})))

    def fail(*_):
        raise AssertionError

    monkeypatch.setattr("thorax.download.survey", fail)
    for glance in (0, 2**30):
        monkeypatch.setattr("thorax.survey.GLANCE", glance)
        with pytest.raises(error):
            _download(source="table", path=str(root), card=str(tmp_path / "card.yaml"))
