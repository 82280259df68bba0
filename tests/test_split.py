"""Nobody stands on two sides, every part gets its share, and the same seed gives the same split."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from small_run import params, write_run
from thorax.errors import DataError, IntegrityError
from thorax.io import read_json
from thorax.split import assign, summarise
from thorax.split import stage as splitting

CLASSES = ["Common", "Usual", "Rare"]


def cohort(patients=1500, seed=0, prevalence=(0.5, 0.2, 0.05)):
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), rng.geometric(0.27, patients))
    trait = rng.random((patients, 3)) < prevalence
    table = pd.DataFrame({"patient_id": owner.astype(str)})
    table["image_id"] = [f"{i}.png" for i in range(len(owner))]
    table["sha256"] = table["image_id"]
    table["official_split"] = np.where(owner % 5 == 0, "test", "trainval")
    for i, name in enumerate(CLASSES):
        table[f"label_{name}"] = (trait[owner, i] & (rng.random(len(owner)) < 0.8)).astype(float)
    return table


def settings(**changes):
    return params(split=changes).split


def sides(table):
    return table["subset"] + table["fold"].astype(str)


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_stands_on_two_sides(seed):
    table = assign(cohort(200, seed), [], settings(seed=seed))
    assert (sides(table).groupby(table["patient_id"]).nunique() == 1).all()


def test_identical_and_near_identical_images_join_their_patients():
    table = cohort(300)
    table.loc[5, "sha256"] = table.loc[700, "sha256"]
    split = assign(table, [(10, 500), (500, 800)], settings())
    assert split["group"][5] == split["group"][700]
    assert split["group"].iloc[[10, 500, 800]].nunique() == 1
    assert (sides(split).groupby(split["group"]).nunique() == 1).all()


def test_parts_get_their_fraction_and_prevalence():
    table = cohort()
    split = assign(table, [], settings(test_fraction=0.2, val_fraction=0.1))
    part = sides(split)
    shares = part.value_counts(normalize=True)
    assert shares["test-1"] == pytest.approx(0.2, abs=0.01)
    assert shares["trainval0"] == pytest.approx(0.1, abs=0.01)
    for name in CLASSES:
        prevalence = table.groupby(part)[f"label_{name}"].mean()
        assert prevalence.max() / prevalence.min() < 1.1


def test_the_seed_decides():
    table = cohort(300)
    first, again = (assign(table, [], settings(seed=1)) for _ in range(2))
    other = assign(table, [], settings(seed=2))
    pd.testing.assert_frame_equal(first, again)
    assert (sides(first) != sides(other)).any()


def test_folds_cover_each_trainval_image_once():
    split = assign(cohort(400), [], settings(n_folds=4))
    trainval = split[split["subset"] == "trainval"]
    assert set(trainval["fold"]) == {0, 1, 2, 3}
    assert (split[split["subset"] == "test"]["fold"] == -1).all()


def test_official_keeps_its_test_and_validates_by_patient_within_the_rest():
    table = cohort(400)
    split = assign(table, [], settings(method="official"))
    assert ((split["subset"] == "test") == (table["official_split"] == "test")).all()
    assert (sides(split).groupby(split["patient_id"]).nunique() == 1).all()
    assert (split["fold"] == 0).mean() > 0.05


def test_official_without_a_test_part_is_explained():
    table = cohort(50).assign(official_split="trainval")
    with pytest.raises(DataError, match="no official test"):
        assign(table, [], settings(method="official"))


def test_random_and_crossed_official_splits_are_marked_leaky():
    table = cohort(200)
    random = settings(method="random")
    split = assign(table, [], random)
    assert summarise(split, table, random, 0)["leaky"]
    official = settings(method="official")
    split = assign(table, [], official)
    assert not summarise(split, table, official, 0)["leaky"]
    test, other = (int((table["official_split"] == s).argmax()) for s in ("test", "trainval"))
    split = assign(table, [(test, other)], official)
    assert summarise(split, table, official, 1)["groups_on_two_sides"] == 1
    assert summarise(split, table, official, 1)["leaky"]


def test_too_few_patients_are_explained():
    with pytest.raises(DataError, match="cannot fill"):
        assign(cohort(2), [], settings())


def test_a_class_with_too_few_patients_for_the_folds_is_named():
    table = cohort(100)
    table["label_Rare"] = (table["patient_id"].isin(["3", "4", "5"])).astype(float)
    with pytest.raises(DataError, match=r"Class Rare has 3 .* number of folds is 2"):
        assign(table, [], settings(n_folds=5))


def test_a_hundred_thousand_images_take_seconds():
    table = cohort(31_000)
    start = time.perf_counter()
    assign(table, [], settings())
    assert len(table) > 100_000
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(("method", "leaks"), [("patient", False), ("random", True)])
def test_a_leak_is_written_and_then_stops_or_warns(tmp_path, method, leaks):
    paths = write_run(tmp_path, images=60)
    splitting.split(settings(method=method, on_leak="warn"), paths)
    found = read_json(Path(paths.leakage))["sides"]
    assert {(side["a"], side["b"]) for side in found} == {
        ("train", "val"), ("train", "test"), ("val", "test"),
    }  # fmt: skip
    assert any(side["shared_patients"]["images"] for side in found) == leaks
    Path(paths.leakage).unlink()
    if leaks:
        with pytest.raises(IntegrityError, match=r"shared_patients \d+(.|\n)*on_leak: warn"):
            splitting.split(settings(method=method, on_leak="fail"), paths)
    else:
        splitting.split(settings(method=method, on_leak="fail"), paths)
    assert Path(paths.leakage).exists()
