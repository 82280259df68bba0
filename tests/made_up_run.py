"""Made-up finished runs: the files that `report` reads, written without training anything."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from made_up_calibration import calibration
from thorax.config import Params, Paths, load_params, load_paths
from thorax.io import rounded, write_csv, write_json

ROOT = Path(__file__).parents[1]
FINDINGS = ("Effusion", "Nodule", "No Finding")
SIZE = 32
PER_PATIENT = 2
KEYS = ("loss", "accuracy", "precision", "recall", "f1", "auroc", "average_precision")


@cache
def settings() -> Params:
    """The project's own parameters, read once."""
    return load_params(ROOT / "params.yaml")


@cache
def places() -> dict[str, str]:
    """The project's own paths, read once."""
    return load_paths(ROOT / "dvc.yaml").model_dump()


def write_run(
    folder: Path,
    *,
    task: str = "multi-label",
    classes: Sequence[str] = FINDINGS,
    patients: int = 40,
    folds: int = 1,
    test: bool = True,
    people: bool = True,
    leaky: bool = False,
    bootstrap: int = 100,
    never: str | None = None,
    source: str = "folder",
    notes: Sequence[str] = (),
    bad: Sequence[tuple[str, str]] = (),
) -> Paths:
    """Write a run of two images a patient; a class `never` occurs in no image."""
    paths = Paths(**{name: str(folder / path) for name, path in places().items()})
    table = manifest(task, classes, patients, people, never)
    sides = split_table(table, folds, test)
    outputs = list(classes[-1:]) if task == "binary" else list(classes)
    write_csv(table, Path(paths.manifest))
    write_csv(sides, Path(paths.split))
    write_json(Path(paths.dataset), dataset(table, task, classes, source, notes))
    write_json(Path(paths.split_table), counts(table, sides, folds, leaky))
    write_cache(table, bad, Path(paths.cache))
    for fold in range(folds):
        model = model_json(task, outputs, fold, image_size=SIZE)
        write_json(Path(paths.models) / str(fold) / "model.json", model)
    parts = {
        "val": predictions(table, sides, sides["fold"] >= 0, task, outputs),
        "test": predictions(table, sides, sides["subset"] == "test", task, outputs),
    }
    undefined: dict[str, str] = {}
    metrics: dict[str, Any] = {
        part: part_metrics(rows, outputs, part, undefined, bootstrap)
        for part, rows in parts.items()
    }
    each = {str(f): {key: metrics["test"][key] for key in KEYS} for f in range(folds)}
    spread = {key: 0.01 if folds > 1 and metrics["test"][key] is not None else None for key in KEYS}
    metrics["folds"] = {**each, "mean": each["0"], "deviation": spread}
    metrics["protocol"] = {"leaky": leaky, "folds": folds, "replicates": bootstrap}
    write_json(Path(paths.metrics), metrics)
    out = Path(paths.predictions)
    for part, rows in parts.items():
        write_csv(rows, out / f"{part}.csv")
    prevalences = settings().evaluate.prevalences
    calibrated = calibration(parts, task, outputs, 0.5, prevalences, undefined)
    write_json(out / "calibration.json", calibrated)
    write_json(out / "undefined.json", undefined)
    ends = {"low": 0.4, "high": 0.9, "dropped": 0}
    each = {name: dict.fromkeys((*KEYS, "specificity", "npv"), ends) for name in outputs}
    write_json(out / "intervals.json", dict.fromkeys(parts, each) if bootstrap else {})
    points = {"rule": "youden", "thresholds": dict.fromkeys(outputs, 0.5)}
    points["temperature"] = calibrated["temperature"]
    write_json(Path(paths.bundle) / "operating_points.json", points)
    write_gradcam(parts["test"] if len(parts["test"]) else parts["val"], outputs, out)
    write_json(Path(paths.leakage), audited(table, leaky))
    write_json(out / "subgroups.json", made_up_groups(outputs, people))
    write_json(out / "localisation.json", made_up_scores(outputs))
    write_json(out / "probes.json", made_up_probes(outputs))
    names = ("as it is", "corners", "lungs", "all_but_lungs")
    np.savez(out / "probes.npz", **dict.fromkeys(names, np.full((SIZE, SIZE), 90, np.uint8)))
    write_plots(parts, metrics, task, outputs, Path(paths.plots))
    return paths


def made_up_groups(outputs: Sequence[str], people: bool) -> dict[str, Any]:
    """Two groups that can be judged, one that cannot; nothing where nothing is known."""

    def group(name: str, auroc: float) -> dict[str, Any]:
        values = {"auroc": auroc, "recall": 0.7, "specificity": 0.8, "underdiagnosis": None}
        ends = {f"{k}{e}": v for k, v in values.items() for e in ("_low", "", "_high")}
        return {"name": name, "images": 40, "patients": 20, "reason": None, **ends}

    small = {"name": "U", "images": 3, "reason": "under 30 images"}
    gap = {"worst": "F", "best": "M", "auroc": 0.1, "chance": 0.012}
    groups = [group("M", 0.9), group("F", 0.8), small]
    sex = {"classes": list(outputs), "groups": groups, "gap": gap}
    ends = [f"{key}{end}" for key in ("auroc", "model", "ahead") for end in ("", "_low", "_high")]
    half = dict(zip(ends, (0.6, 0.5, 0.7, 0.8, 0.7, 0.9, 0.2, 0.1, 0.3), strict=True))
    own = half if people else dict.fromkeys(ends)
    return {
        "min_group": 30,
        "draws": 500,
        "attributes": {"sex": sex} if people else {},
        "pairs": {"sex × visit": {**sex, "gap": None}} if people else {},
        "metadata": {
            "columns": ["sex"] if people else [],
            "per_class": dict.fromkeys(outputs, own),
            **own,
        },
    }


def made_up_scores(outputs: Sequence[str]) -> dict[str, Any]:
    """The first class has boxes, the others none."""
    own = dict.fromkeys(("pointing", "pointing_low", "pointing_high", "area"), 0.5)
    own |= dict.fromkeys(("iou", "iou_low", "iou_high"), 0.25)
    scored = {"images": 7, "patients": 5, **own}
    steps = [{"layers": "head", "likeness": 0.4}, {"layers": "all layers", "likeness": None}]
    found = {outputs[0]: {"model": scored, "random": {**scored, "pointing": 0.1}}}
    return {"limit": 200, "per_class": found, "cascade": steps}


def made_up_probes(outputs: Sequence[str]) -> dict[str, Any]:
    """The first class is called a shortcut, the others have too few images."""

    def fell(after: float, fall: float, low: float, high: float) -> dict[str, float]:
        ends = {"fall": fall, "fall_low": low, "fall_high": high, "change": 0.1}
        return {"before": 0.9, "after": after, **ends}

    hidden = {
        "corners": fell(0.88, 0.02, 0.01, 0.03),
        "lungs": fell(0.6, 0.3, 0.2, 0.4),
        "all_but_lungs": fell(0.85, 0.05, 0.0, 0.1),
    }
    first = {"reason": None, "covered": hidden, "exchanged": fell(0.6, 0.3, 0.1, 0.5)}
    few = {"reason": "too few", "covered": None, "exchanged": None}
    per_class = dict.fromkeys(outputs, few) | {outputs[0]: first}
    return {"images": 60, "patients": 30, "per_class": per_class, "shortcuts": [outputs[0]]}


def audited(table: pd.DataFrame, leaky: bool) -> dict[str, Any]:
    """The audit of a split: clean, or one pair of every kind between training and test."""
    ids = table["image_id"].tolist()
    kinds = ("shared_patients", "identical", "near_identical", "same_name")
    examples = [[ids[0], ids[-1]]] if leaky else []
    found: dict[str, Any] = {
        kind: {"images": len(examples), "examples": examples} for kind in kinds
    }
    found["shared_patients"] |= {"patients": len(examples), "by_rule": {"as listed": len(examples)}}
    sides = [{"a": "train", "b": "test", "images": [len(ids), 1], **found}]
    return {"on_leak": "warn" if leaky else "fail", "sides": sides}


def write_gradcam(rows: pd.DataFrame, outputs: Sequence[str], folder: Path) -> None:
    """Evidence in the upper left quarter of the first image that shows each class."""
    first = {name: rows.loc[rows[f"y_{name}"] == 1, "image_id"].head(1) for name in outputs}
    shown = {name: ids.iloc[0] for name, ids in first.items() if len(ids)}
    maps = np.zeros((len(shown), SIZE, SIZE), np.uint8)
    maps[:, : SIZE // 2, : SIZE // 2] = 255
    names = {"image_ids": np.array([*shown.values()], str), "outputs": np.array([*shown], str)}
    np.savez(folder / "gradcam.npz", maps=maps, layer=np.array("features"), **names)


def manifest(
    task: str, classes: Sequence[str], patients: int, people: bool, never: str | None
) -> pd.DataFrame:
    number = np.arange(patients * PER_PATIENT)
    who = number // PER_PATIENT
    table = pd.DataFrame(
        {
            "image_id": [f"img{i:03}.png" for i in number],
            "location": [f"a.zip!img{i:03}.png" for i in number],
            "patient_id": who.astype(str),
            "view": np.where(number % 3 == 0, "AP", "PA") if people else "",
            "sex": np.where(who % 2 == 0, "F", "M") if people else "",
            "age": (who * 7 % 90).astype(str) if people else "",
            "official_split": "",
            "sha256": [hashlib.sha256(bytes([i % 256])).hexdigest() for i in number],
        }
    )
    for i, name in enumerate(classes):
        label = who % (i + 2) == 0 if task == "multi-label" else who % len(classes) == i
        table[f"label_{name}"] = 0 if name == never else label.astype(int)
    return table


def split_table(table: pd.DataFrame, folds: int, test: bool) -> pd.DataFrame:
    """A third of the patients in test, a third in validation; or all but test in the folds."""
    who = table["patient_id"].astype(int)
    block = who // 4
    in_test = (block % 3 == 0) & test
    fold = np.where(block % 3 == 1, 0, -1) if folds == 1 else who % folds
    return pd.DataFrame(
        {
            "image_id": table["image_id"],
            "patient_id": table["patient_id"],
            "group": who,
            "subset": np.where(in_test, "test", "trainval"),
            "fold": np.where(in_test, -1, fold),
        }
    )


def counts(table: pd.DataFrame, sides: pd.DataFrame, folds: int, leaky: bool) -> dict[str, Any]:
    names = np.where(sides["subset"] == "test", "test", "fold_" + sides["fold"].astype(str))
    if folds == 1:
        names = np.where(names == "fold_0", "val", np.where(names == "fold_-1", "train", names))
    parts = {
        str(name): {
            "images": int((names == name).sum()),
            "patients": int(table["patient_id"][names == name].nunique()),
        }
        for name in ("train", "val", *(f"fold_{k}" for k in range(folds)), "test")
        if name in names
    }
    return {
        "method": "random" if leaky else "patient",
        "leaky": leaky,
        "groups_on_two_sides": 7 if leaky else 0,
        "identical_images": 0,
        "near_identical_pairs": 2,
        "parts": parts,
    }


def dataset(
    table: pd.DataFrame, task: str, classes: Sequence[str], source: str, notes: Sequence[str]
) -> dict[str, Any]:
    data = settings().data.model_dump()
    return {
        "source": source,
        "title": "Made-up chests",
        "citation": "Nobody 2024.",
        "licence": "CC0",
        "task": task,
        "positive": classes[-1] if task == "binary" else None,
        "classes": list(classes),
        "root": "path",
        "data": data | {"source": source, "path": "/home/somebody/secret/chests"},
        "counts": {"images": len(table), "official_trainval": 0, "official_test": 0},
        "notes": list(notes),
    }


def write_cache(table: pd.DataFrame, bad: Sequence[tuple[str, str]], folder: Path) -> None:
    """Gray ramps with a disc that moves from image to image."""
    folder.mkdir(parents=True)
    ramp = np.tile(np.linspace(20, 200, SIZE, dtype=np.uint8), (SIZE, 1))
    images = np.stack([ramp] * len(table))
    for i, image in enumerate(images):
        cv2.circle(image, (8 + i % 16, 16), 5, 255, -1)
    np.save(folder / "images.npy", images)
    sizes = pd.DataFrame({"image_id": table["image_id"], "width": 640, "height": 480})
    sizes.loc[sizes.index % 5 == 0, ["width", "height"]] = 512
    write_csv(sizes, folder / "index.csv")
    rows = [(name, f"a.zip!{name}", why) for name, why in bad]
    quarantine = pd.DataFrame(rows, columns=["image_id", "location", "reason"])
    write_csv(quarantine, folder / "quarantine.csv")


def model_json(task: str, outputs: list[str], fold: int, image_size: int) -> dict[str, Any]:
    params = settings()
    history = []
    for epoch in range(3):
        scores = {key: round(0.5 + 0.1 * epoch, 6) for key in KEYS}
        undefined = {"auroc": None} if epoch == 0 else {}
        history.append(
            {
                "phase": 0,
                "best": epoch < 2,
                "train": {**scores, "loss": round(0.9 - 0.1 * epoch, 6), "lr": 0.001},
                "val": {**scores, **undefined, "loss": (0.9, 0.7, 0.8)[epoch]},
            }
        )
    return {
        "task": task,
        "outputs": outputs,
        "model": params.model.model_dump(),
        "preprocess": params.preprocess.model_dump() | {"image_size": image_size},
        "mean": 0.5,
        "deviation": 0.2,
        "fingerprint": hashlib.sha256(f"model {fold}".encode()).hexdigest(),
        "training": {
            "model": params.model.model_dump(),
            "train": params.train.model_dump(),
            "augment": params.augment.model_dump(),
            "fold": fold,
            "history": history,
        },
    }


def predictions(
    table: pd.DataFrame, sides: pd.DataFrame, mask: "pd.Series[bool]", task: str, outputs: list[str]
) -> pd.DataFrame:
    """Probabilities that mostly follow the labels; every fifth image is told wrong."""
    rows = table[mask].reset_index(drop=True)
    y = rows[[f"label_{name}" for name in outputs]].to_numpy(float).reshape(-1, len(outputs))
    noise = (np.arange(y.size).reshape(y.shape) * 37 % 100) / 1000
    wrong = (np.arange(len(y)) % 5 == 0)[:, None]
    p = np.abs(y - wrong) * 0.7 + 0.1 + noise
    d = p >= 0.5
    if task == "multi-class":
        p = p / p.sum(axis=1, keepdims=True)
        d = np.eye(len(outputs))[p.argmax(axis=1)] if len(p) else p
    ids = sides[mask].reset_index(drop=True)[["image_id", "patient_id", "subset", "fold"]]
    columns: dict[str, Any] = {}
    for i, name in enumerate(outputs):
        columns[f"y_{name}"] = y[:, i].astype(int)
        columns[f"p_{name}"] = p[:, i].round(6)
    for key, values in (("true", y), ("predicted", d)):
        columns[key] = [
            "|".join(n for n, v in zip(outputs, row, strict=True) if v) for row in values
        ]
    return pd.concat([ids, pd.DataFrame(columns, index=ids.index)], axis=1)


def part_metrics(
    rows: pd.DataFrame, outputs: list[str], part: str, undefined: dict[str, str], bootstrap: int
) -> dict[str, Any]:
    per_class = {name: class_metrics(rows, name) for name in outputs}
    for name, own in per_class.items():
        for key, number in own.items():
            if number is None:
                undefined[f"{part}.per_class.{name}.{key}"] = f"{own['positives']} present labels"
    result: dict[str, Any] = {"images": len(rows), "patients": rows["patient_id"].nunique()}
    for key in KEYS:
        known = [own[key] for own in per_class.values() if own.get(key) is not None]
        mean = rounded(float(np.mean(known))) if known else None
        if key == "loss":
            mean = 0.4321 if len(rows) else None
        result[key] = mean
        around = mean is not None and bootstrap > 0
        result[f"{key}_low"] = rounded(max(mean - 0.05, 0)) if mean is not None and around else None
        result[f"{key}_high"] = (
            rounded(min(mean + 0.05, 1)) if mean is not None and around else None
        )
        if mean is None:
            undefined[f"{part}.{key}"] = "undefined in every class"
    return result | {"per_class": per_class}


def class_metrics(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    y = rows[f"y_{name}"].to_numpy() == 1
    p = rows[f"p_{name}"].to_numpy()
    d = np.array([name in text.split("|") for text in rows["predicted"]], dtype=bool)
    tp, fp, fn, tn = (int(m.sum()) for m in (y & d, ~y & d, y & ~d, ~y & ~d))
    wins = (p[y][:, None] > p[~y][None, :]).mean() if y.any() and not y.all() else None
    return {
        "accuracy": divide(tp + tn, len(y)),
        "precision": divide(tp, tp + fp),
        "recall": divide(tp, tp + fn),
        "f1": divide(2 * tp, 2 * tp + fp + fn),
        "auroc": rounded(wins),
        "average_precision": rounded(wins),
        "specificity": divide(tn, tn + fp),
        "threshold": 0.5,
        "positives": int(y.sum()),
        "unknown": 0,
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
    }


def divide(a: float, b: float) -> float | None:
    return rounded(a / b) if b else None


def write_plots(
    parts: dict[str, pd.DataFrame],
    metrics: dict[str, Any],
    task: str,
    outputs: list[str],
    folder: Path,
) -> None:
    roc, pr, confusion = [], [], []
    for part, rows in parts.items():
        for name in outputs:
            own = metrics[part]["per_class"][name]
            if own["auroc"] is not None:
                corner = (1 - own["specificity"], own["recall"])
                roc += [(part, name, *point) for point in ((0, 0), corner, (1, 1))]
                pr += [(part, name, *point) for point in ((0, 1), (own["recall"], 0.8), (1, 0.3))]
            for actual, decided, key in (
                ("present", "present", "tp"),
                ("present", "absent", "fn"),
                ("absent", "present", "fp"),
                ("absent", "absent", "tn"),
            ):
                if task != "multi-class":
                    confusion.append((part, name, actual, decided, own[key]))
        if task == "multi-class":
            for a in outputs:
                for b in outputs:
                    number = ((rows["true"] == a) & (rows["predicted"] == b)).sum()
                    confusion.append((part, "all", a, b, int(number)))
    columns = {
        "roc": (roc, ["subset", "class", "fpr", "tpr"]),
        "precision_recall": (pr, ["subset", "class", "recall", "precision"]),
        "confusion": (confusion, ["subset", "class", "actual", "predicted", "count"]),
    }
    for name, (records, names) in columns.items():
        write_csv(pd.DataFrame(records, columns=names), folder / f"{name}.csv")
