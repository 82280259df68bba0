"""A model refuses the patients and images it was trained on, and names none of them."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from small_run import finished_run
from thorax.artifacts.model import TrainedOn
from thorax.contamination import FILE, count_overlap, hashes, is_contaminated, write_trained_on
from thorax.dataset import open_dataset
from thorax.errors import DataError, IntegrityError


def rows(patients, shas, pictures=None):
    """Rows of a data set, with a random perceptual hash for each distinct content."""
    digests = pictures or [hashlib.sha256(sha.encode()).hexdigest() for sha in shas]
    return pd.DataFrame({"patient_id": patients, "sha256": shas, "perceptual_hash": digests})


TRAINED = rows(["1", "1", "2"], ["a", "b", "c"])


@pytest.fixture
def model(tmp_path):
    """A folder of a model trained on the patients 1 and 2 of one namespace."""
    write_trained_on(tmp_path, "A set", TRAINED)
    return tmp_path


@pytest.mark.parametrize(
    ("patients", "shas", "namespace", "expected"),
    [
        (["3", "4"], ["x", "y"], "A set", (0, 0)),
        (["1", "4"], ["x", "y"], "A set", (1, 0)),
        (["3", "4"], ["x", "c"], "A set", (0, 1)),
        (["1", "2"], ["x", "y"], "Another set", (0, 0)),
        (["1", "2"], ["x", "a"], "Another set", (0, 1)),
    ],
)
def test_patients_are_known_within_a_namespace_and_images_everywhere(
    model, patients, shas, namespace, expected
):
    assert count_overlap(model, namespace, rows(patients, shas)) == expected


@pytest.mark.parametrize(("bits", "known"), [(0, 1), (16, 1), (17, 0)])
def test_a_picture_is_known_by_its_hash_alone_where_few_bits_differ(model, bits, known):
    seen = np.frombuffer(bytes.fromhex(TRAINED["perceptual_hash"][1]), np.uint8)
    changed = np.unpackbits(seen)
    changed[100 : 100 + bits] ^= 1
    test = rows(["9"], ["x"], [np.packbits(changed).tobytes().hex()])
    assert count_overlap(model, "Another set", test) == (0, known)


def test_an_overlap_is_refused_or_marked(model):
    same, other = rows(["1"], ["x"]), rows(["9"], ["z"])
    with pytest.raises(IntegrityError, match=r"patients of 1 of the 1 test images.*Do this\."):
        is_contaminated([model], "A set", same, allowed=False, advice="Do this.")
    assert is_contaminated([model], "A set", same, allowed=True, advice="")
    assert not is_contaminated([model], "A set", other, allowed=False, advice="")
    assert not is_contaminated([], "A set", same, allowed=False, advice="")


def test_one_model_of_several_is_enough(model, tmp_path):
    write_trained_on(tmp_path / "other", "A set", rows(["7"], ["q"]))
    models = [tmp_path / "other", model]
    assert is_contaminated(models, "A set", rows(["2"], ["x"]), allowed=True, advice="")
    assert not is_contaminated(models[:1], "A set", rows(["2"], ["x"]), allowed=False, advice="")


def test_no_name_is_in_the_list(model):
    known = TrainedOn.read(model / FILE)
    assert [len(known.patients), len(known.images), len(known.pictures)] == [2, 3, 3]
    assert all(len(digest) == 20 for digest in known.patients + known.images)
    assert not {"1", "2", "a", "b", "c"} & {*known.patients, *known.images}


def test_a_model_without_a_list_is_named(tmp_path):
    with pytest.raises(DataError, match=FILE):
        count_overlap(tmp_path, "A set", rows(["1"], ["a"]))


def test_training_lists_everybody_it_saw_and_nobody_of_the_test_set():
    paths, _ = finished_run("multi-label", folds=2)
    dataset = open_dataset(paths)
    test = dataset.table.iloc[dataset.held_out("test")]
    seen = dataset.table.drop(test.index)
    for fold in (0, 1):
        folder = Path(paths.models) / str(fold)
        known = TrainedOn.read(folder / FILE)
        assert known.images == hashes("image", seen["sha256"])
        assert len(known.patients) == seen["patient_id"].nunique()
        assert count_overlap(folder, dataset.patient_namespace, test) == (0, 0)
        assert count_overlap(folder, dataset.patient_namespace, seen) == (len(seen), len(seen))
