"""How long a model takes for one image; kept beside DVC's outputs, as it differs between runs."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thorax.dataset import Dataset
from thorax.models.inference import open_model, predict_logits, single_device
from thorax.provenance import record_latency

REPEATS = 20


def measure(dataset: Dataset, models: Sequence[Path]) -> None:
    """Record each model's median time from a cached image to its logits, one image at a time."""
    fabric = single_device()
    for folder in models:
        model, network, batches = open_model(folder, dataset, fabric)
        times = []
        for row in np.resize(np.arange(len(dataset.table)), (REPEATS + 1, 1)):
            start = time.perf_counter()
            predict_logits(fabric, network, batches, row, 1)
            times.append(time.perf_counter() - start)
        record_latency(model.fingerprint, 1000 * float(np.median(times[1:])))  # the first warms up
