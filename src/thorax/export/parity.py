"""Whether the exported graph decides the test images as the bundle does, from cache and file."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from thorax.archives import walk
from thorax.artifacts.data import DatasetInfo
from thorax.artifacts.model import Exported, Parity
from thorax.bundle.graph import Classifier
from thorax.config import Paths
from thorax.dataset import Dataset, open_dataset
from thorax.errors import DataError
from thorax.preprocess.decode import Gray, decode
from thorax.progress import bar
from thorax.raw_store import open_root

MOST_FILES = 200  # original images that are decoded once more

Model = Callable[[Gray], Any]  # to the graph's outputs
Decided = tuple[NDArray[np.float32], NDArray[np.uint8]]  # probabilities, decisions [N, O]


def compare(classifier: Classifier, path: Path, about: Exported, paths: Paths) -> Parity:
    """Run both on the test images of a project, or on all where it has no test part."""
    dataset = open_dataset(paths)
    rows = dataset.held_out("test")
    rows = rows if len(rows) else np.arange(len(dataset.table))
    session = onnxruntime.InferenceSession(path)
    cached = [dataset.images[row].copy() for row in rows]

    def graph(image: Gray) -> Any:
        return session.run(None, {"image": image})

    ours = _run(cached, len(rows), lambda image: classifier(torch.from_numpy(image)), "torch")
    theirs = _run(cached, len(rows), graph, "ONNX")
    difference, flipped = _apart(ours, theirs)
    chosen = rows[:: max(1, -(-len(rows) // MOST_FILES))]
    originals = [] if about.prepared else _originals(dataset, chosen, paths)
    chosen = chosen[: len(originals)]
    from_files = _run(originals, len(chosen), graph, "files")
    at = np.searchsorted(rows, chosen)
    file_difference, file_flipped = _apart((ours[0][at], ours[1][at]), from_files)
    return Parity(
        images=len(rows),
        max_abs_difference=difference,
        flipped_decisions=flipped,
        files=len(chosen),
        max_abs_difference_from_files=file_difference,
        flipped_decisions_from_files=file_flipped,
    )


def _run(images: Iterable[Gray], count: int, model: Model, what: str) -> Decided:
    """Probabilities and decisions of each image."""
    probability, predicted = [], []
    with bar(f"export: {what}", total=count, keep=False) as progress:
        for image in images:
            outputs = model(image)
            probability.append(np.asarray(outputs[0]))
            predicted.append(np.asarray(outputs[1]))
            progress.update()
    return np.array(probability), np.array(predicted)


def _apart(ours: Decided, theirs: Decided) -> tuple[float, int]:
    """Largest difference of two probabilities, and how many decisions differ."""
    if not len(ours[0]):
        return 0.0, 0
    return float(np.abs(ours[0] - theirs[0]).max()), int((ours[1] != theirs[1]).sum())


def _originals(dataset: Dataset, rows: NDArray[np.int64], paths: Paths) -> list[Gray]:
    """Decoded original images of cache rows, in their order; none where they are gone."""
    places = dataset.table["location"].iloc[rows].tolist()
    try:
        root = open_root(DatasetInfo.read(Path(paths.dataset)))
    except DataError:
        return []
    wanted = set(places).__contains__
    found = {location: decode(content) for location, content in walk(root, wanted)}
    return [found[place] for place in places]
