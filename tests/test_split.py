"""Nobody appears in two subsets, each gets its fraction, and a seed always gives the same split."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from small_run import params, write_run
from thorax.artifacts.data import LeakageAudit, SplitSummary
from thorax.dataset import cached_images, split_names
from thorax.errors import DataError, IntegrityError
from thorax.io import read_csv, write_csv
from thorax.near_duplicates import near_identical
from thorax.split import assign, split, stratify, summarize
from thorax.split.leakage import Images, compare

CLASSES = ["Common", "Usual", "Rare"]


def images_of(patients=1500, seed=0, prevalence=(0.5, 0.2, 0.05)):
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


def subsets(table):
    return table["subset"] + table["fold"].astype(str)


def summary_of(table, images, params):
    return summarize(table, images, pd.Series(split_names(table)), params, near_pairs=0)


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_appears_in_two_subsets(seed):
    table = assign(images_of(200, seed), [], settings(seed=seed))
    assert (subsets(table).groupby(table["patient_id"]).nunique() == 1).all()


def test_identical_and_near_identical_images_join_their_patients():
    table = images_of(300)
    table.loc[5, "sha256"] = table.loc[700, "sha256"]
    assigned = assign(table, [(10, 500), (500, 800)], settings())
    assert assigned["group"][5] == assigned["group"][700]
    assert assigned["group"].iloc[[10, 500, 800]].nunique() == 1
    assert (subsets(assigned).groupby(assigned["group"]).nunique() == 1).all()


def test_subsets_get_their_fraction_and_prevalence():
    table = images_of()
    subset = subsets(assign(table, [], settings(test_fraction=0.2, val_fraction=0.1)))
    fractions = subset.value_counts(normalize=True)
    assert fractions["test-1"] == pytest.approx(0.2, abs=0.01)
    assert fractions["trainval0"] == pytest.approx(0.1, abs=0.01)
    for name in CLASSES:
        prevalence = table.groupby(subset)[f"label_{name}"].mean()
        assert prevalence.max() / prevalence.min() < 1.1


def test_the_seed_decides():
    table = images_of(300)
    first, again = (assign(table, [], settings(seed=1)) for _ in range(2))
    other = assign(table, [], settings(seed=2))
    pd.testing.assert_frame_equal(first, again)
    assert (subsets(first) != subsets(other)).any()


def test_two_seeds_overlap_as_chance_has_it_also_where_patients_have_many_images():
    rng = np.random.default_rng(0)
    size = np.minimum(1 + rng.pareto(1.1, 1000).astype(int), 100)
    owner = np.repeat(np.arange(1000), size)
    trait = rng.random((1000, 3)) < (0.5, 0.2, 0.05)
    counts = (trait[owner] & (rng.random((len(owner), 3)) < 0.8)).astype(float)
    fractions = {0: 0.15, 1: 0.15, 2: 0.7}
    tests = np.stack([stratify(counts, owner, fractions, seed) == 0 for seed in range(8)])
    for crowd in (size[owner] > 0, size[owner] >= 10, size[owner] > 30):
        both = [(a & b)[crowd].sum() / a[crowd].sum() for a, b in combinations(tests, 2)]
        assert np.mean(both) < 0.15 + 0.05
    for test in tests:
        assert counts[test].sum(axis=0) / counts.sum(axis=0) == pytest.approx(0.15, abs=0.01)


def test_folds_cover_each_trainval_image_once():
    assigned = assign(images_of(400), [], settings(n_folds=4))
    trainval = assigned[assigned["subset"] == "trainval"]
    assert set(trainval["fold"]) == {0, 1, 2, 3}
    assert (assigned[assigned["subset"] == "test"]["fold"] == -1).all()


def test_official_keeps_its_test_and_validates_by_patient_within_the_rest():
    table = images_of(400)
    assigned = assign(table, [], settings(method="official"))
    assert ((assigned["subset"] == "test") == (table["official_split"] == "test")).all()
    assert (subsets(assigned).groupby(assigned["patient_id"]).nunique() == 1).all()
    assert (assigned["fold"] == 0).mean() > 0.05


def test_the_rest_of_an_official_split_may_be_split_by_image_as_a_study_did():
    table = images_of(300)
    assigned = assign(table, [], settings(method="official-random"))
    assert ((assigned["subset"] == "test") == (table["official_split"] == "test")).all()
    trainval = assigned[assigned["subset"] == "trainval"]
    assert (trainval.groupby("patient_id")["fold"].nunique() > 1).any()
    assert summary_of(assigned, table, settings(method="official-random")).leaky


def test_the_folder_val_may_be_the_validation_as_in_a_study():
    table = images_of(300)
    part = np.where(table["official_split"] == "test", "test", "train")
    part[np.flatnonzero(part == "train")[:16]] = "val"
    table["location"] = "data.zip/" + pd.Series(part) + "/" + table["image_id"]
    assigned = assign(table, [], settings(method="official-folders"))
    assert list(pd.Series(split_names(assigned))) == list(part)
    table["location"] = table["image_id"]
    with pytest.raises(DataError, match="no images in a folder val"):
        assign(table, [], settings(method="official-folders"))


def test_official_without_a_test_part_is_explained():
    table = images_of(50).assign(official_split="trainval")
    with pytest.raises(DataError, match="no official test"):
        assign(table, [], settings(method="official"))


def test_random_and_crossed_official_splits_are_marked_leaky():
    table = images_of(200)
    random, official = settings(method="random"), settings(method="official")
    assert summary_of(assign(table, [], random), table, random).leaky
    assert not summary_of(assign(table, [], official), table, official).leaky
    test, other = (int((table["official_split"] == s).argmax()) for s in ("test", "trainval"))
    crossed = summary_of(assign(table, [(test, other)], official), table, official)
    assert crossed.split_groups == 1
    assert crossed.leaky


def test_the_summary_counts_what_the_table_says(tmp_path):
    paths = write_run(tmp_path, images=60)
    split(settings(on_leak="fail"), paths)
    summary = SplitSummary.read(Path(paths.split_summary))
    images = cached_images(paths)
    names = np.array(split_names(read_csv(Path(paths.split), numbers=["fold"])))
    assert list(summary.subsets) == ["train", "val", "test"]
    for name, counts in summary.subsets.items():
        rows = images[names == name]
        assert (counts.images, counts.patients) == (len(rows), rows["patient_id"].nunique())
        assert counts.classes == {c: rows[f"label_{c}"].sum() for c in ("A", "B")}


def test_too_few_patients_are_explained():
    with pytest.raises(DataError, match="cannot fill"):
        assign(images_of(2), [], settings())


def test_a_class_with_too_few_patients_for_the_folds_is_named():
    table = images_of(100)
    table["label_Rare"] = (table["patient_id"].isin(["3", "4", "5"])).astype(float)
    with pytest.raises(DataError, match=r"Class Rare has 3 .* number of folds is 1"):
        assign(table, [], settings(n_folds=5))


@pytest.mark.parametrize(("method", "leaks"), [("patient", False), ("random", True)])
def test_a_leak_is_written_and_then_stops_or_warns(tmp_path, method, leaks):
    paths = write_run(tmp_path, images=60)
    split(settings(method=method, on_leak="warn"), paths)
    overlaps = LeakageAudit.read(Path(paths.leakage)).overlaps
    assert [(pair.a, pair.b) for pair in overlaps] == [
        ("train", "val"), ("train", "test"), ("val", "test"),
    ]  # fmt: skip
    assert any(pair.shared_patients.images for pair in overlaps) == leaks
    Path(paths.leakage).unlink()
    if leaks:
        with pytest.raises(IntegrityError, match=r"shared_patients \d+(.|\n)*on_leak: warn"):
            split(settings(method=method, on_leak="fail"), paths)
    else:
        split(settings(method=method, on_leak="fail"), paths)
    assert Path(paths.leakage).exists()


def test_unknown_patients_are_not_counted_and_an_own_test_set_split_anew_is_said(tmp_path, capsys):
    paths = write_run(tmp_path, images=60, patient_rule="none")
    manifest = read_csv(Path(paths.manifest))
    manifest["patient_id"] = manifest["image_id"]
    manifest["official_split"] = ["test", *["trainval"] * 59]
    write_csv(manifest, Path(paths.manifest))
    split(settings(), paths)
    printed = capsys.readouterr().out
    table, _, rest = printed.partition("Patients are unknown: images of one patient may be in two")
    assert "images" in table
    assert "patients" not in table
    assert "shared_patients unknown" in rest
    assert "shared_patients 0" not in rest
    assert "The 1 images of the data's own test set are split anew" in rest
    split(settings(method="official"), paths)
    assert "anew" not in capsys.readouterr().out


class Counting:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.count = function, 0

    def __call__(self, *arguments, **options):
        self.count += 1
        return self.function(*arguments, **options)


def add_copies(paths, copies):
    """Give images the fingerprint of another one, three bits changed."""
    for name in ("hashes", "thumbnails"):
        path = Path(paths.cache) / f"{name}.npy"
        prints = np.load(path)
        for original, copy in copies:
            prints[copy] = prints[original]
            if name == "hashes":
                prints[copy, 0] ^= 0b111
        np.save(path, prints)


@pytest.mark.parametrize("n_folds", [1, 3])
def test_one_search_for_near_duplicates_equals_a_search_per_pair_of_subsets(
    tmp_path, monkeypatch, n_folds
):
    paths = write_run(tmp_path, images=60)
    add_copies(paths, [(0, 17), (0, 40), (3, 31), (8, 9), (12, 55), (20, 58), (33, 41)])
    monkeypatch.setattr("thorax.split.near_identical", calls := Counting(near_identical))
    params = settings(method="random", on_leak="warn", n_folds=n_folds, folds=[0])
    split(params, paths)
    assert calls.count == 1

    images = cached_images(paths)
    names = np.array(split_names(read_csv(Path(paths.split), numbers=["fold"])))
    prints = [np.load(Path(paths.cache) / f"{name}.npy") for name in ("hashes", "thumbnails")]
    ids, shas = (images[name].tolist() for name in ("image_id", "sha256"))
    everything = Images(ids, ids, shas, {})
    members = {name: np.flatnonzero(names == name) for name in set(names)}
    members |= {"trainval": np.flatnonzero(names != "test")}
    overlaps = LeakageAudit.read(Path(paths.leakage)).overlaps
    assert sum(pair.near_identical.images for pair in overlaps) > 0
    for pair in overlaps:
        rest = np.setdiff1d(members["trainval"], members[pair.b])
        first, second = members.get(pair.a, rest), members[pair.b]
        near = near_identical(
            *([array[rows] for array in prints] for rows in (first, second)),
            distance=params.hash_distance, correlation=params.thumbnail_correlation,
        )  # fmt: skip
        searched = compare((pair.a, pair.b), everything.take(first), everything.take(second), near)
        assert searched.near_identical == pair.near_identical
