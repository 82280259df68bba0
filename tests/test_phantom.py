"""The phantom archive: same bytes, truthful masks, persistent findings, the promised marker."""

import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from thorax_phantom import archive, write_archive
from thorax_phantom.cohort import draw_patient, marker_rates
from thorax_phantom.findings import FINDINGS, NO_FINDING
from thorax_phantom.radiograph import acquire, render

SMALL = {"patients": 10, "pixels": 64, "seed": 3}
MARKER = {"marker_correlation": 0.0, "marker_label": "Effusion"}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(source: zipfile.ZipFile, name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(source.read(name).decode())))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "small.zip"
    write_archive(path, **SMALL, **MARKER)
    return path


@pytest.fixture(scope="module")
def cohort() -> list:
    return [draw_patient(5, number) for number in range(1, 601)]


def test_same_seed_same_bytes_whatever_the_threads(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for threads in (1, 5):
        monkeypatch.setattr(archive, "_threads", lambda threads=threads: threads)
        write_archive(tmp_path / "again.zip", **SMALL, **MARKER)
        digests.add(digest(tmp_path / "again.zip"))
    assert digests == {digest(small)}
    assert [p.name for p in tmp_path.iterdir()] == ["again.zip"]


def test_another_seed_gives_other_images(small: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "other.zip", **SMALL | {"seed": 4}, **MARKER)
    with zipfile.ZipFile(small) as one, zipfile.ZipFile(tmp_path / "other.zip") as other:
        name = "images/00000001_000.png"
        assert one.read(name) != other.read(name)


def test_layout_is_nih(small: Path) -> None:
    with zipfile.ZipFile(small) as source:
        assert source.testzip() is None
        assert {info.compress_type for info in source.infolist()} == {zipfile.ZIP_STORED}
        entries = rows(source, "Data_Entry_2017.csv")
        assert len(entries[0]) == 11
        assert entries[0][:4] == ["Image Index", "Finding Labels", "Follow-up #", "Patient ID"]
        assert entries[0][7:] == [
            "OriginalImage[Width",
            "Height]",
            "OriginalImagePixelSpacing[x",
            "y]",
        ]
        assert all(len(row) == 11 for row in entries[1:])
        assert all(0 <= int(row[4]) <= 95 for row in entries[1:])
        names = [f"images/{row[0]}" for row in entries[1:]]
        assert names == [name for name in source.namelist() if name.startswith("images/")]
        image = cv2.imdecode(np.frombuffer(source.read(names[0]), np.uint8), cv2.IMREAD_UNCHANGED)
        assert image.shape == (64, 64) and image.dtype == np.uint8
        assert len(rows(source, "phantom.csv")) == len(entries)


def test_official_lists_share_no_patient(small: Path) -> None:
    with zipfile.ZipFile(small) as source:
        lists = [
            source.read(name).decode().split() for name in ("train_val_list.txt", "test_list.txt")
        ]
        entries = rows(source, "Data_Entry_2017.csv")[1:]
    assert sorted(lists[0] + lists[1]) == sorted(row[0] for row in entries)
    assert not {name[:8] for name in lists[0]} & {name[:8] for name in lists[1]}
    assert 0.1 < len(lists[1]) / len(entries) < 0.45


def test_every_finding_has_its_mask_and_boxes_and_no_other(small: Path) -> None:
    with zipfile.ZipFile(small) as source:
        entries = rows(source, "Data_Entry_2017.csv")[1:]
        expected = {
            f"masks/{row[0][:-4]}_{finding}.png"
            for row in entries
            for finding in row[1].split("|")
            if finding != NO_FINDING
        }
        assert expected == {name for name in source.namelist() if name.startswith("masks/")}
        boxes = rows(source, "BBox_List_2017.csv")
        assert boxes[0][:2] == ["Image Index", "Finding Label"] and len(boxes[0]) == 9
        assert {f"masks/{box[0][:-4]}_{box[1]}.png" for box in boxes[1:]} <= expected
        for name in expected:
            mask = cv2.imdecode(np.frombuffer(source.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
            assert set(np.unique(mask)) == {0, 255}


@pytest.mark.parametrize("finding", FINDINGS)
def test_mask_lies_where_the_finding_changed_the_image(finding: str, cohort: list) -> None:
    visits = [
        (patient, visit)
        for patient in cohort
        for visit in patient.visits[:1]
        if finding in visit.severity
    ]
    assert len(visits) > 20
    inside = []
    for patient, visit in visits[:12]:
        with_it, masks = render(patient, visit, 96)
        without, other = render(patient, visit, 96, without=[finding])
        assert set(other) == set(masks) - {finding}
        change = np.abs(with_it - without)
        mask = masks[finding] > 0
        assert change[mask].mean() > 4 * change[~mask].mean()
        inside.append(change[mask].sum() / change.sum())
    assert np.mean(inside) > 0.75


def test_findings_persist_between_visits(cohort: list) -> None:
    for finding in FINDINGS:
        pairs = [
            (finding in one.severity, finding in two.severity)
            for patient in cohort
            for one, two in zip(patient.visits, patient.visits[1:], strict=False)
        ]
        correlation = np.corrcoef(np.array(pairs, float).T)[0, 1]
        assert correlation > 0.55, finding


def test_cohort_is_plausible(cohort: list) -> None:
    visits = [visit for patient in cohort for visit in patient.visits]
    assert 3.3 < len(visits) / len(cohort) < 4.1
    assert 0.42 < np.mean([not visit.severity for visit in visits]) < 0.58
    for finding in FINDINGS:
        assert 0.07 < np.mean([finding in visit.severity for visit in visits]) < 0.19, finding
    assert 0.25 < np.mean([visit.pose.portable for visit in visits]) < 0.5
    assert 0.35 < np.mean([patient.anatomy.sex == "F" for patient in cohort]) < 0.55


def test_official_test_list_is_sicker(cohort: list) -> None:
    tested = archive.official_test(5, cohort)
    lists = [
        [v for p in cohort if (p.number in tested) is test for v in p.visits]
        for test in (False, True)
    ]
    ill = [np.mean([bool(visit.severity) for visit in visits]) for visits in lists]
    in_bed = [np.mean([visit.pose.portable for visit in visits]) for visits in lists]
    assert ill[1] > ill[0] + 0.05 and in_bed[1] > in_bed[0] + 0.05
    assert 0.16 < len(lists[1]) / sum(map(len, lists)) < 0.25


@pytest.mark.parametrize("correlation", [-1.0, -0.4, 0.0, 0.6, 1.0])
@pytest.mark.parametrize("prevalence", [0.05, 0.5, 0.9])
def test_marker_rates_give_the_phi_asked_for(correlation: float, prevalence: float) -> None:
    with_label, without = marker_rates(prevalence, correlation)
    rate = prevalence * with_label + (1 - prevalence) * without
    deviations = np.sqrt(prevalence * (1 - prevalence) * rate * (1 - rate))
    phi = prevalence * (with_label - rate) / deviations
    assert phi == pytest.approx(correlation, abs=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_marker_correlation_shows_in_the_truth_table(
    correlation: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The table does not depend on the pixels, so none are rendered here.
    monkeypatch.setattr(
        archive, "_image", lambda _s, p, v, *_: archive._Image(archive._stem(p, v), b"", {}, [], [])
    )
    path = tmp_path / "many.zip"
    write_archive(
        path,
        patients=600,
        pixels=64,
        seed=8,
        marker_correlation=correlation,
        marker_label="Pneumothorax",
    )
    with zipfile.ZipFile(path) as source:
        truth = rows(source, "phantom.csv")
        labels = [row[1].split("|") for row in rows(source, "Data_Entry_2017.csv")[1:]]
    marked = [float(row[truth[0].index("Marker")]) for row in truth[1:]]
    phi = np.corrcoef(marked, ["Pneumothorax" in names for names in labels])[0, 1]
    assert phi == pytest.approx(correlation, abs=0.07)


def test_marker_changes_nothing_but_a_corner(cohort: list) -> None:
    patient, visit = cohort[0], cohort[0].visits[0]
    attenuation, _ = render(patient, visit, 96)
    plain, stamped = (
        acquire(5, patient, visit, attenuation, marker=marker) for marker in (False, True)
    )
    where = np.argwhere(plain != stamped)
    assert len(where) > 5 and where[:, 0].max() < 20
    assert where[:, 1].max() < 20 or where[:, 1].min() > 76


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"patients": 9}, "at least 10"),
        ({"pixels": 63}, "64 to 512"),
        ({"pixels": 513}, "64 to 512"),
        ({"seed": -1}, "0 and above"),
        ({"marker_correlation": 1.01}, "-1 to 1"),
        ({"marker_correlation": float("nan")}, "-1 to 1"),
        ({"marker_label": "Pneumonia"}, "Cardiomegaly, Consolidation"),
    ],
)
def test_bad_arguments_say_what_is_allowed(
    changed: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_archive(tmp_path / "bad.zip", **SMALL | MARKER | changed)
    assert not list(tmp_path.iterdir())


def test_progress_counts_every_image(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_archive(
        tmp_path / "a.zip",
        **SMALL,
        **MARKER,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [done for done, _ in seen] == list(range(1, seen[0][1] + 1))


def test_a_killed_run_leaves_nothing_that_the_next_one_keeps(tmp_path: Path) -> None:
    stale = tmp_path / ".a.zip.123.tmp"
    stale.write_bytes(b"half")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(tmp_path / "a.zip", **SMALL, **MARKER, progress=stop)
    assert not list(tmp_path.iterdir())


def test_it_stands_alone() -> None:
    code = (
        "import sys, thorax_phantom; "
        "print([m for m in sys.modules if m.split('.')[0] in ('thorax', 'torch', 'pandas')])"
    )
    path = str(Path(archive.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
