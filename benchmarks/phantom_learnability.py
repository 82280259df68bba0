"""Are the phantoms worth learning from, and does an image-level split leak? About five minutes.

    python benchmarks/phantom_learnability.py

Draws 600 patients, trains one small CNN per seed and split, and writes phantom_learnability.json:
(a) macro AUROC of the six labels when no patient is in both subsets, (b) the same network, budget
and number of training images when images are split at random, (c) how often the nearest training
thumbnail of a test image shows the same patient. Both splits put 75 % of the images into training.
"""

import csv
import datetime
import io
import json
import os
import platform
import tempfile
import time
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from thorax_phantom import write_archive

PATIENTS, PIXELS, SEED = 600, 192, 0
SIDE, EPOCHS, BATCH, SEEDS = 64, 20, 32, (0, 1, 2)
LABELS = ["Cardiomegaly", "Consolidation", "Effusion", "Nodule", "Pneumothorax", "No Finding"]


def main() -> None:
    """Make the archive, run the three experiments, print and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.zip"
        start = time.perf_counter()
        write_archive(
            path,
            patients=PATIENTS,
            pixels=PIXELS,
            seed=SEED,
            marker_correlation=0.0,
            marker_label="Effusion",
        )
        facts: dict[str, Any] = {
            "date": datetime.date.today().isoformat(),
            "cpu": cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "torch": torch.__version__,
            "archive_seconds": round(time.perf_counter() - start, 1),
            "archive_megabytes": round(path.stat().st_size / 1e6, 1),
        }
        images, labels, patients = read(path)
    facts |= {"images": len(images), "prevalence": table(labels.mean(0))}
    for split in ("patient", "image"):
        runs, probes = [], []
        for seed in SEEDS:
            train, test = divide(patients, split, seed)
            runs.append(auroc(images, labels, train, test, seed))
            probes.append(probe(images, patients, train, test))
            print(
                split, seed, table(runs[-1]), "macro", round(float(runs[-1].mean()), 4), flush=True
            )
        facts[split] = {
            "train_images": len(train),
            "macro_auroc_per_seed": [round(float(run.mean()), 4) for run in runs],
            "macro_auroc": round(float(np.mean(runs)), 4),
            "auroc": table(np.mean(runs, 0)),
            "test_images_with_their_patient_in_train": [known for known, _ in probes],
            "nearest_thumbnail_is_same_patient": [hits for _, hits in probes],
        }
    facts["leak"] = round(facts["image"]["macro_auroc"] - facts["patient"]["macro_auroc"], 4)
    known = sum(facts["image"]["test_images_with_their_patient_in_train"])
    hits = sum(facts["image"]["nearest_thumbnail_is_same_patient"])
    facts["probe_rate_image_split"] = round(hits / known, 4)
    text = json.dumps(facts, indent=2)
    print(text)
    Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """Images `[n, SIDE, SIDE]`, labels `[n, 6]` of 0 and 1, patient numbers `[n]`."""
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.reader(io.StringIO(archive.read("Data_Entry_2017.csv").decode())))[1:]
        images = [
            cv2.resize(
                cv2.imdecode(
                    np.frombuffer(archive.read(f"images/{row[0]}"), np.uint8), cv2.IMREAD_GRAYSCALE
                ),
                (SIDE, SIDE),
                interpolation=cv2.INTER_AREA,
            )
            for row in rows
        ]
    labels = [[label in row[1].split("|") for label in LABELS] for row in rows]
    return (
        np.stack(images).astype(np.uint8),
        np.array(labels, np.float32),
        np.array([int(row[3]) for row in rows]),
    )


def divide(
    patients: NDArray[np.int64], split: str, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of 75 % of the images and of the rest, by patient or by image."""
    rng = np.random.default_rng(seed)
    if split == "image":
        order = rng.permutation(len(patients))
    else:  # images of a patient stay together
        rank = rng.permutation(patients.max() + 1)
        order = np.argsort(rank[patients], kind="stable")
    cut = round(0.75 * len(order))
    train, test = order[:cut], order[cut:]
    if split == "patient":
        test = test[~np.isin(patients[test], patients[train])]
    return train, test


def net() -> nn.Module:
    """Five blocks of convolution, batch norm, ReLU and pooling, then one linear layer."""
    widths = [1, 16, 32, 64, 128, 128]
    blocks: list[nn.Module] = []
    for before, after in pairwise(widths):
        blocks += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        blocks += [nn.MaxPool2d(2)]
    return nn.Sequential(
        *blocks, nn.Flatten(), nn.Linear(widths[-1] * (SIDE // 32) ** 2, len(LABELS))
    )


def auroc(
    images: NDArray[np.uint8],
    labels: NDArray[np.float32],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float64]:
    """Train on some rows and compute the AUROC per label on others."""
    torch.manual_seed(seed)
    x = torch.from_numpy(images)[:, None].float().div(128).sub(1)
    y = torch.from_numpy(labels)
    x = x.contiguous(memory_format=torch.channels_last)  # twice as fast on processors
    model = net().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(train) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    shuffle = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        order = torch.from_numpy(train)[torch.randperm(len(train), generator=shuffle)]
        for rows in order[: len(order) // BATCH * BATCH].split(BATCH):
            loss = functional.binary_cross_entropy_with_logits(
                model(shifted(x[rows], shuffle)), y[rows]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.inference_mode():
        scores = torch.cat([model(x[rows]) for rows in torch.from_numpy(test).split(256)])
    return np.array(
        [roc_auc_score(labels[test, k], scores[:, k].numpy()) for k in range(len(LABELS))]
    )


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift a batch by up to three pixels, the only augmentation."""
    dx, dy = torch.randint(-3, 4, (2,), generator=generator).tolist()
    return torch.roll(x, (dy, dx), (2, 3))


def probe(
    images: NDArray[np.uint8],
    patients: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> tuple[int, int]:
    """Count test images whose patient is in train, and those found by a 16x16 thumbnail."""
    small = [cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA) for image in images]
    flat = np.stack(small).reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    nearest = train[(flat[test] @ flat[train].T).argmax(1)]
    known = np.isin(patients[test], patients[train])
    same = patients[nearest] == patients[test]
    return int(known.sum()), int((same & known).sum())


def table(values: NDArray[np.floating]) -> dict[str, float]:
    """Label to rounded value."""
    return {label: round(float(v), 4) for label, v in zip(LABELS, values, strict=True)}


def cpu_model() -> str:
    """Name of the processor as Linux gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
