"""The images of a run, one row each."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.config import Paths
from thorax.errors import IntegrityError
from thorax.io import LABEL, read_csv, read_manifest


def read_cohort(paths: Paths, split: dict[str, Any]) -> pd.DataFrame:
    """Manifest rows in the order of the cache, with original sizes and parts.

    Raises:
        IntegrityError: cache and split table do not speak of the same images.
    """
    index = read_csv(Path(paths.cache) / "index.csv", numbers=["width", "height"])
    sides = read_csv(Path(paths.split), numbers=["fold"])
    if sides["image_id"].tolist() != index["image_id"].tolist():
        raise IntegrityError(
            f"{paths.split} and {paths.cache} list different images. Run `dvc repro`."
        )
    manifest = read_manifest(Path(paths.manifest)).set_index("image_id", drop=False)
    cohort = manifest.loc[index["image_id"]].reset_index(drop=True)
    return cohort.assign(
        width=index["width"],
        height=index["height"],
        part=part_of(sides["subset"], sides["fold"], whole="val" in split["parts"]),
    )


def part_of(subset: "pd.Series[str]", fold: "pd.Series[float]", *, whole: bool) -> list[str]:
    """Name of each image's part, as in the split's counts.

    Args:
        subset: `trainval` or `test`.
        fold: number of the fold it is validated in, −1 for never.
        whole: there is one validation part, not folds.
    """
    names = []
    for side, number in zip(subset, fold, strict=True):
        if side == "test":
            names.append("test")
        elif number < 0:
            names.append("train")
        else:
            names.append("val" if whole else f"fold_{number:.0f}")
    return names


def has_label(cohort: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Whether each image is known to show a class."""
    mask: NDArray[np.bool_] = (cohort[LABEL + name] == 1).to_numpy()
    return mask
