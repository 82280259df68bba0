"""A model refuses the patients and images it was trained on, and names none of them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from small_run import params, write_run
from thorax.errors import DataError, IntegrityError
from thorax.evaluate import evaluate
from thorax.io import read_csv, read_json, write_csv, write_json
from thorax.models.trained_on import FILE, met, refuse_contaminated, write_trained_on
from thorax.train.loop import train

TRAINED = pd.DataFrame({"patient_id": ["1", "1", "2"], "sha256": ["a", "b", "c"]})


def test(patients, shas):
    ids = [f"{i}.png" for i in range(len(shas))]
    return pd.DataFrame({"image_id": ids, "patient_id": patients, "sha256": shas})


test.__test__ = False


@pytest.fixture
def bundle(tmp_path):
    write_trained_on(tmp_path, "A set", TRAINED)
    return tmp_path


@pytest.mark.parametrize(
    ("patients", "shas", "title", "expected"),
    [
        (["3", "4"], ["x", "y"], "A set", (0, 0)),
        (["1", "4"], ["x", "y"], "A set", (1, 0)),
        (["3", "4"], ["x", "c"], "A set", (0, 1)),
        (["1", "2"], ["x", "y"], "Another set", (0, 0)),
        (["1", "2"], ["x", "a"], "Another set", (0, 1)),
    ],
)
def test_patients_are_known_within_a_data_set_and_images_everywhere(
    bundle, patients, shas, title, expected
):
    assert met(bundle, title, test(patients, shas)) == expected


def test_a_meeting_is_refused_or_marked(bundle):
    same = test(["1"], ["x"])
    with pytest.raises(IntegrityError, match="1 of the 1 test images' patients"):
        refuse_contaminated([bundle], "A set", same, marked=False, advice="Do this.")
    assert refuse_contaminated([bundle], "A set", same, marked=True, advice="")
    assert not refuse_contaminated([bundle], "A set", test(["9"], ["z"]), marked=False, advice="")


def test_no_name_is_in_the_list(bundle):
    kept = json.loads((bundle / FILE).read_text())
    assert [len(kept["patients"]), len(kept["images"])] == [2, 3]
    assert all(len(digest) == 20 for digest in kept["patients"] + kept["images"])
    assert not {"1", "2", "a", "b", "c"} & {*kept["patients"], *kept["images"]}


def test_a_bundle_without_a_list_is_named(tmp_path):
    with pytest.raises(DataError, match=FILE):
        met(tmp_path, "A set", test(["1"], ["a"]))


def test_a_model_of_another_split_is_not_evaluated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths, settings = write_run(tmp_path), params(train={"epochs": 1})
    train(0, settings.model, settings.train, settings.augment, paths)
    evaluate(settings.evaluate, [0], paths)
    assert read_json(Path(paths.metrics))["protocol"]["contaminated"] is False
    table = read_csv(Path(paths.split))
    swapped = table.assign(subset=table["subset"].map({"test": "trainval", "trainval": "test"}))
    swapped.loc[swapped.index[:4], ["subset", "fold"]] = ["trainval", "0"]
    write_csv(swapped, Path(paths.split))
    with pytest.raises(IntegrityError, match="was trained on"):
        evaluate(settings.evaluate, [0], paths)
    write_json(Path(paths.split_table), {"leaky": True, "method": "random"})
    evaluate(settings.evaluate, [0], paths)
    assert read_json(Path(paths.metrics))["protocol"]["contaminated"] is True
