"""A small run written straight to disk: what training starts from, and what is finished."""

import atexit
import shutil
import tempfile
from contextlib import chdir
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from thorax.artifacts.data import (
    DatasetCounts,
    DatasetInfo,
    LabelCounts,
    LeakageAudit,
    SplitSummary,
    SubsetCounts,
)
from thorax.config import Params, Paths, load_params, merge
from thorax.dataset import GEOMETRY, split_names
from thorax.io import write_csv, write_json, write_text

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "train": {"epochs": 3, "num_threads": 1, "batch_size": 16, "patience": 3},
    "evaluate": {"n_bootstrap": 50},
}


def paths_in(folder: Path) -> Paths:
    """All paths of a run inside of one folder."""
    return Paths(**{name: str(folder / name) for name in Paths.model_fields})


def params(**sections) -> Params:
    """The shipped settings with overrides by section, small and fast."""
    shipped = load_params(ROOT / "params.yaml").model_dump()
    return Params.model_validate(merge(merge(shipped, SMALL), sections))


def write_run(
    folder: Path,
    *,
    images=48,
    size=32,
    task="multi-label",
    folds=1,
    seed=0,
    test=True,
    val=False,
    **about,
) -> Paths:
    """Bright squares mean class A, bright stripes class B; two images a patient.

    Args:
        folder: where everything goes.
        images: how many.
        size: height and width.
        task: key of `TASKS`.
        folds: of the split; 1 is a hold-out.
        seed: of pixels and labels.
        test: whether there is a test set.
        about: fields of `artifacts.data.Dataset` that differ.
    """
    rng = np.random.default_rng(seed)
    classes = ["A", "B"] if task != "multi-class" else ["A", "B", "C"]
    y = rng.integers(0, 2, (images, len(classes)))
    if task == "binary":
        y[:, 1] = 1 - y[:, 0]
    if task == "multi-class":
        y = np.eye(3, dtype=int)[rng.integers(0, 3, images)]
    pixels = rng.integers(0, 80, (images, size, size)).astype(np.uint8)
    pixels[y[:, 0] == 1, 8:20, 8:20] += 120
    pixels[y[:, 1] == 1, ::4, :] += 90
    paths = paths_in(folder)
    ids = [f"{i:03}.png" for i in range(images)]
    number = np.arange(images) // 2
    _write_cache(Path(paths.cache), ids, pixels, rng)
    manifest = pd.DataFrame(
        {
            "image_id": ids, "location": ids, "patient_id": number.astype(str),
            "view": np.where(np.arange(images) % 3, "PA", "AP"),
            "sex": np.where(number % 2, "M", "F"), "age": 20 + number, "vendor": "", "site": "",
            "official_split": "", "sha256": ids,
            **{f"label_{name}": y[:, i] for i, name in enumerate(classes)},
        }
    )  # fmt: skip
    write_csv(manifest, Path(paths.manifest))
    in_test, in_val = (number % 6 == 5) & test, (number % 6 == 4) & val
    fold = number % 5 % folds if folds > 1 else np.where(number % 6 == 4, 0, -1)
    split = pd.DataFrame(
        {
            "image_id": ids, "patient_id": number.astype(str), "group": number,
            "subset": np.select([in_test, in_val], ["test", "val"], "trainval"),
            "fold": np.where(in_test | in_val, -1, fold),
        }
    )  # fmt: skip
    write_csv(split, Path(paths.split))
    _write_summaries(paths, manifest, split, classes, task, folds, about)
    drawn = manifest.loc[manifest["label_A"] == 1, ["image_id"]]
    box = {"finding": "A", "polygons": "8 8 20 8 20 20 8 20"}
    write_csv(drawn.assign(**box), Path(paths.annotations))
    return paths


def _write_cache(cache: Path, ids, pixels, rng) -> None:
    cache.mkdir(parents=True)
    images, size = pixels.shape[:2]
    np.save(cache / "images.npy", pixels)
    np.save(cache / "hashes.npy", rng.integers(0, 255, (images, 32)).astype(np.uint8))
    np.save(cache / "thumbnails.npy", pixels[:, :32, :32])
    zero = ("crop_x", "crop_y", "pad_x", "pad_y")
    geometry = {name: 0 if name in zero else size for name in GEOMETRY}
    write_csv(pd.DataFrame({"image_id": ids, **geometry}), cache / "index.csv")
    write_csv(pd.DataFrame(columns=["image_id", "location", "reason"]), cache / "quarantine.csv")
    preprocess = params().preprocess.model_dump() | {"image_size": size}
    write_json(cache / "cache.json", {"images": images, "preprocess": preprocess})


def _write_summaries(paths, manifest, split, classes, task, folds, about) -> None:
    labels = {name: manifest[f"label_{name}"] for name in classes}
    known = {
        name: LabelCounts(present=int(y.sum()), absent=int((y == 0).sum()), unknown=0)
        for name, y in labels.items()
    }
    counts = DatasetCounts(
        images=len(manifest), patients=manifest["patient_id"].nunique(),
        official_trainval=0, official_test=0, classes=known,
    )  # fmt: skip
    description = {
        "source": "folder", "title": "Squares", "citation": "Nobody 2024.", "license": "CC0",
        "patient_namespace": "squares", "patient_rule": "listed", "task": task, "classes": classes,
        "positive": "A" if task == "binary" else None, "root": "path", "store": None,
        "data": params().data, "counts": counts, "notes": [],
    }  # fmt: skip
    DatasetInfo(**(description | about)).write(Path(paths.dataset))
    names = pd.Series(split_names(split))
    subsets = {
        name: SubsetCounts(
            images=len(rows),
            patients=rows["patient_id"].nunique(),
            classes={c: int(rows[f"label_{c}"].sum()) for c in classes},
        )
        for name, rows in manifest.groupby(names)
    }
    order = [name for name in ("train", "val", *sorted(subsets), "test") if name in subsets]
    settings = params(split={"n_folds": folds, "folds": list(range(folds))}).split
    SplitSummary(
        settings=settings, leaky=False, split_groups=0, identical_images=0, near_identical_pairs=0,
        subsets={name: subsets[name] for name in dict.fromkeys(order)},
    ).write(Path(paths.split_summary))  # fmt: skip
    LeakageAudit(on_leak="fail", overlaps=[]).write(Path(paths.leakage))


def train_folds(paths: Paths, settings: Params, folds) -> None:
    """Train and predict."""
    from thorax.predict import predict
    from thorax.train import train

    for fold in folds:
        train(fold, settings.model, settings.train, settings.augment, paths)
    predict(folds, paths)


@cache
def finished_run(
    task="multi-label", folds=1, *, images=60, test=True, val=False, n_bootstrap=50
) -> tuple[Paths, Params]:
    """Everything that the stages up to `explain` really write, made once per test process.

    Whoever changes a file works on a copy of the folder.
    """
    from thorax.evaluate import evaluate
    from thorax.explain import explain

    folder = Path(tempfile.mkdtemp(prefix="thorax-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = params(evaluate={"n_bootstrap": n_bootstrap, "min_subgroup_size": 5})
    with chdir(folder):
        paths = write_run(folder, task=task, images=images, folds=folds, test=test, val=val)
        train_folds(paths, settings, range(folds))
        evaluate(settings.evaluate, paths)
        explain(settings.explain, settings.evaluate, paths)
    return paths, settings


def export_to(folder: Path, paths: Paths, card: str) -> str:
    """Export the bundle of a finished run, with a model card in place of the report's."""
    from thorax.export import export

    with chdir(Path(paths.bundle).parent):
        write_text(Path(paths.model_card), card)
        return export(Path(paths.bundle), folder, paths)
