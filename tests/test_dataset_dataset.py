"""Rows of the cache joined with labels and splits, by image and not by position."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from small_run import write_run
from thorax.dataset import cached_images, join, open_dataset, split_names
from thorax.errors import IntegrityError
from thorax.io import read_csv, write_csv


def assigned(rows):
    return pd.DataFrame(rows, columns=["subset", "fold"])


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([("trainval", -1), ("trainval", 0), ("test", -1)], ["train", "val", "test"]),
        ([("trainval", 0), ("trainval", 1), ("test", -1)], ["fold_0", "fold_1", "test"]),
        ([("trainval", 1), ("trainval", 0)], ["fold_1", "fold_0"]),
        ([("test", -1)], ["test"]),
    ],
    ids=["hold-out", "folds", "folds without test", "test alone"],
)
def test_names_of_the_splits(rows, names):
    assert split_names(assigned(rows)) == names


def test_rows_follow_the_cache_and_not_the_manifest(tmp_path):
    paths = write_run(tmp_path, images=20)
    expected = join(paths)
    manifest = read_csv(Path(paths.manifest))
    extra = manifest.iloc[[0]].assign(image_id="unreadable.png")
    write_csv(pd.concat([manifest[::-1], extra]), Path(paths.manifest))
    pd.testing.assert_frame_equal(join(paths), expected)
    assert expected["image_id"].tolist() == [f"{i:03}.png" for i in range(20)]


def test_geometry_and_split_stand_beside_the_manifest(tmp_path):
    table = join(write_run(tmp_path, images=20, size=40))
    assert (table["new_width"] == 40).all()
    assert table.groupby("split")["fold"].unique().map(list).to_dict() == {
        "train": [-1], "val": [0], "test": [-1],
    }  # fmt: skip


@pytest.mark.parametrize("change", ["order", "missing row"])
def test_a_split_of_other_images_is_refused(tmp_path, change):
    paths = write_run(tmp_path, images=20)
    split = read_csv(Path(paths.split))
    write_csv(split[::-1] if change == "order" else split[1:], Path(paths.split))
    with pytest.raises(IntegrityError, match=r"list different images\. Run `dvc repro`"):
        join(paths)


def test_an_image_of_the_cache_that_the_manifest_lacks_is_refused(tmp_path):
    paths = write_run(tmp_path, images=20)
    write_csv(read_csv(Path(paths.manifest))[1:], Path(paths.manifest))
    with pytest.raises(IntegrityError, match=r"000\.png.*Run `dvc repro`"):
        cached_images(paths)


@pytest.mark.parametrize(("folds", "val"), [(1, False), (3, False), (3, True)])
def test_every_image_has_one_place_in_each_fold(tmp_path, folds, val):
    dataset = open_dataset(write_run(tmp_path, folds=folds, val=val))
    held_out = [dataset.held_out(name) for name in ("val", "test")]
    assert (len(held_out[0]) > 0) == val
    assert len(held_out[1]) > 0
    for fold in range(folds):
        rows = [dataset.rows(name, fold) for name in ("train", "val")]
        np.testing.assert_array_equal(np.sort(np.concatenate([*rows, *held_out])), np.arange(48))


def test_targets_are_the_labels_of_the_outputs_and_nan_where_unknown(tmp_path):
    paths = write_run(tmp_path, images=20, task="binary")
    manifest = read_csv(Path(paths.manifest))
    manifest.loc[3, "label_A"] = np.nan
    write_csv(manifest, Path(paths.manifest))
    dataset = open_dataset(paths)
    assert dataset.outputs == ["A"]
    np.testing.assert_array_equal(dataset.targets[:, 0], manifest["label_A"])
    assert np.isnan(dataset.targets[3, 0])


def test_images_are_looked_up_by_name(tmp_path):
    dataset = open_dataset(write_run(tmp_path, images=20))
    assert dataset.rows_of(["007.png", "002.png"]).tolist() == [7, 2]
    with pytest.raises(IntegrityError, match="no longer in the cache"):
        dataset.rows_of(["007.png", "gone.png"])
