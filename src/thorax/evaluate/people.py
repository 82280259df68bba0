"""Subgroups and metadata baseline of the part judged, from the manifest and the cache's index."""

from pathlib import Path
from typing import Any

import pandas as pd

from thorax.config import Evaluate, Paths
from thorax.dataset.dataset import Cohort
from thorax.evaluate import metadata_baseline, subgroups
from thorax.io import read_csv, read_manifest
from thorax.metrics.bootstrap import Array
from thorax.metrics.summary import Predictions


def describe(
    params: Evaluate,
    cohort: Cohort,
    fold: int,
    part: Predictions,
    d: Array,
    unseen: Predictions,
    paths: Paths,
) -> dict[str, Any]:
    """What `predictions/subgroups.json` holds.

    Args:
        params: draws, seed, smallest group.
        cohort: all images; the baseline learns from the training images of `fold`.
        fold: the first one trained.
        part: the images judged.
        d: decisions [N, O] at the frozen thresholds.
        unseen: those of the images that are not in the training part of `fold`.
        paths: of manifest and cache.
    """
    manifest = read_manifest(Path(paths.manifest))
    sizes = read_csv(Path(paths.cache) / "index.csv", numbers=["width", "height"])
    everyone = manifest.set_index("image_id").loc[sizes["image_id"]].reset_index()
    groups = subgroups.attributes(everyone).set_index(everyone["image_id"])
    known = metadata_baseline.features(everyone, sizes).set_index(everyone["image_id"])
    ids = part.images["image_id"]
    trained = cohort.rows("train", fold)
    draws = {"draws": params.bootstrap, "seed": params.seed}
    found = subgroups.summarise(part, d, groups.loc[ids], min_group=params.min_group, **draws)
    found["metadata"] = metadata_baseline.baseline(
        known.loc[pd.Index(cohort.table["image_id"].iloc[trained])],
        cohort.targets[trained],
        unseen,
        known.loc[unseen.images["image_id"]],
        draws=min(params.bootstrap, subgroups.DRAWS),
        seed=params.seed,
    )
    return found
