"""A small finished preprocess and split, written straight to disk: what training starts from."""

from pathlib import Path

import numpy as np
import pandas as pd

from thorax.config import Paths, load_params
from thorax.io import write_csv, write_json

ROOT = Path(__file__).resolve().parent.parent


def paths_in(folder: Path) -> Paths:
    """All paths of a run inside of one folder."""
    return Paths(**{name: str(folder / name) for name in Paths.model_fields})


def params(**sections):
    """The shipped settings with overrides by section, small and fast."""
    shipped = load_params(ROOT / "params.yaml").model_dump()
    shipped["train"] |= {"epochs": 3, "threads": 1, "batch_size": 16, "patience": 3}
    shipped["evaluate"] |= {"bootstrap": 50}
    for section, changes in sections.items():
        for key, value in changes.items():
            nested = isinstance(value, dict) and isinstance(shipped[section][key], dict)
            shipped[section][key] = shipped[section][key] | value if nested else value
    from thorax.config import Params

    return Params.model_validate(shipped)


def write_run(folder: Path, *, images=48, size=32, task="multi-label", folds=1, seed=0) -> Paths:
    """Bright squares mean class A, bright stripes class B; two images a patient."""
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
    cache = Path(paths.cache)
    cache.mkdir(parents=True)
    np.save(cache / "images.npy", pixels)
    np.save(cache / "hashes.npy", rng.integers(0, 255, (images, 32)).astype(np.uint8))
    np.save(cache / "thumbnails.npy", pixels[:, :32, :32])
    ids = [f"{i:03}.png" for i in range(images)]
    whole = ["width", "height", "crop_width", "crop_height", "new_width", "new_height"]
    geometry = dict.fromkeys(whole, size) | dict.fromkeys(["crop_x", "crop_y", "pad_x", "pad_y"], 0)
    write_csv(pd.DataFrame({"image_id": ids, **geometry}), cache / "index.csv")
    write_csv(pd.DataFrame(columns=["image_id", "location", "reason"]), cache / "quarantine.csv")
    preprocess = params().preprocess.model_dump() | {"image_size": size}
    write_json(cache / "cache.json", {"images": images, "preprocess": preprocess})
    patient = [str(i // 2) for i in range(images)]
    manifest = pd.DataFrame(
        {
            "image_id": ids, "location": ids, "patient_id": patient, "view": "PA", "sex": "F",
            "age": 40, "official_split": "", "sha256": ids,
        }
    )  # fmt: skip
    for i, name in enumerate(classes):
        manifest[f"label_{name}"] = y[:, i]
    write_csv(manifest, Path(paths.manifest))
    number = np.arange(images) // 2
    test = number % 6 == 5
    fold = number % 5 % folds if folds > 1 else np.where(number % 6 == 4, 0, -1)
    split = pd.DataFrame(
        {
            "image_id": ids, "patient_id": patient, "group": number,
            "subset": np.where(test, "test", "trainval"), "fold": np.where(test, -1, fold),
        }
    )  # fmt: skip
    write_csv(split, Path(paths.split))
    positive = "A" if task == "binary" else None
    write_json(
        Path(paths.dataset),
        {
            "title": "Squares",
            "people": "squares",
            "task": task,
            "classes": classes,
            "positive": positive,
        },
    )
    box = {"finding": classes[0], "rings": "8 8 20 8 20 20 8 20"}
    drawn = [name for name, row in zip(ids, y, strict=True) if row[0] == 1]
    write_csv(pd.DataFrame({"image_id": drawn, **box}), Path(paths.regions))
    write_json(Path(paths.split_table), {"leaky": False, "method": "patient"})
    return paths
