"""What predicting `No Finding` for every image of NIH's official train_val list gives.

Means over images and over the 15 labels of each, as the NIH study prints them after its first epoch
(`recipes/nih-efficientnet-b6.yaml`). FOLDER holds Data_Entry_2017_v2020.csv and train_val_list.txt.

    python benchmarks/constant_predictor.py FOLDER
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.metrics.classification import loss_and_accuracy, ones
from thorax.studies.averages import by_image
from thorax.tasks import TASKS


def main(folder: Path) -> None:
    """Print label counts and figures."""
    listed = (folder / "train_val_list.txt").read_text().split()
    with (folder / "Data_Entry_2017_v2020.csv").open() as file:
        found = {row[0]: row[1].split("|") for row in csv.reader(file)}
    classes = sorted({name for image in listed for name in found[image]})
    y = np.array([[name in found[image] for name in classes] for image in listed], float)
    d = np.zeros_like(y)
    d[:, classes.index("No Finding")] = 1
    w = ones(len(y))
    p = np.broadcast_to(y.mean(axis=0), y.shape)
    loss = loss_and_accuracy(TASKS["multi-label"], y, np.log(p / (1 - p)), d, w)["loss"]
    figures = by_image(y, d, w) | {"loss": loss}
    counts = {name: int(count) for name, count in zip(classes, y.sum(axis=0), strict=True)}
    print(json.dumps({"images": len(y), "present": counts}))
    print(", ".join(f"{name} {value[0]:.4f}" for name, value in figures.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
