"""Who is trained on, validated on and tested on: by patient, stratified, without near-twins across.

The unit that moves is a group: all images of one patient, joined with every patient who owns a
byte-identical or near-identical image.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from thorax.config import Paths, Split
from thorax.errors import DataError
from thorax.files import write_json
from thorax.fingerprints import near_identical
from thorax.tables import LABEL, class_names, read_csv, read_manifest, write_csv

TEST = -2  # as a part number; parts 0, 1, … are folds
NEVER_VALIDATED = -1


def split(params: Split, paths: Paths) -> None:
    """Write the split table and the count of images, patients and labels per part."""
    cache = Path(paths.cache)
    manifest = read_manifest(Path(paths.manifest)).set_index("image_id", drop=False)
    manifest = manifest.loc[read_csv(cache / "index.csv")["image_id"]].reset_index(drop=True)
    pairs = near_identical(
        np.load(cache / "hashes.npy"),
        np.load(cache / "thumbnails.npy"),
        distance=params.hash_distance,
        correlation=params.thumbnail_correlation,
    )
    table = assign(manifest, pairs, params)
    write_csv(table, Path(paths.split))
    summary = summarise(table, manifest, params, near_pairs=len(pairs))
    write_json(Path(paths.split_table), summary)
    write_json(Path(paths.leakage), {})
    print(pd.DataFrame(summary["parts"]).T.to_string())
    if summary["leaky"]:
        print(f"LEAKY: {summary['groups_on_two_sides']} groups stand on two sides.")


def assign(
    manifest: pd.DataFrame, near_pairs: list[tuple[int, int]], params: Split
) -> pd.DataFrame:
    """Split table of a manifest: `image_id, patient_id, group, subset, fold`, a row an image.

    Args:
        manifest: one row an image.
        near_pairs: row numbers of near-identical images.
        params: method, fractions or folds, seed.

    Raises:
        DataError: too few patients, or the source has no official split.
    """
    groups = group_images(manifest, near_pairs)
    units = np.arange(len(manifest)) if params.method == "random" else groups
    part = np.full(len(manifest), NEVER_VALIDATED)
    is_test = _official_test(manifest) if params.method == "official" else None
    test_fraction = params.test_fraction if is_test is None else 0.0
    if is_test is not None:
        part[is_test] = TEST
    rest = np.flatnonzero(part != TEST)
    fractions = _fractions(params, test_fraction)
    counts = manifest.filter(like=LABEL).fillna(0).to_numpy(float)
    _require_enough(manifest.iloc[rest], units[rest], fractions, params)
    part[rest] = stratify(counts[rest], units[rest], fractions, params.seed)
    return pd.DataFrame(
        {
            "image_id": manifest["image_id"],
            "patient_id": manifest["patient_id"],
            "group": groups,
            "subset": np.where(part == TEST, "test", "trainval"),
            "fold": np.where(part == TEST, NEVER_VALIDATED, part),
        }
    )


def group_images(manifest: pd.DataFrame, near_pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Group number of each image [N]: connected by patient, identical bytes or near-identity."""
    n = len(manifest)
    edges = [np.array(near_pairs, int).reshape(-1, 2)]
    for column in ("patient_id", "sha256"):
        codes = pd.factorize(manifest[column])[0]
        first = np.full(codes.max() + 1, n)
        np.minimum.at(first, codes, np.arange(n))
        edges.append(np.column_stack([np.arange(n), first[codes]]))
    left, right = np.concatenate(edges).T
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    labels: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def stratify(
    counts: NDArray[np.float64], units: NDArray[np.int64], fractions: dict[int, float], seed: int
) -> NDArray[np.int64]:
    """Deal whole units to parts so that each part gets its share of every label.

    Greedy and multi-label, in the spirit of iterative stratification (Sechidis, Tsoumakas and
    Vlahavas 2011): units that carry the scarcest labels go first, each to the part whose squared
    deviation from its target, over labels, images and units, falls most.

    Args:
        counts: float [N, L], 1 where an image has a label.
        units: int [N], what must stay together.
        fractions: part number → share of the whole.
        seed: decides the order among equals.

    Returns:
        int [N]: part number of each image.
    """
    codes, _ = pd.factorize(units)
    n_units = codes.max() + 1
    features = np.column_stack([counts, np.ones(len(counts))])
    weight = np.zeros((n_units, features.shape[1] + 1))
    np.add.at(weight[:, :-1], codes, features)
    weight[:, -1] = 1  # the unit itself: parts get their share of patients too
    weight = weight[:, weight.sum(axis=0) > 0]
    weight /= weight.sum(axis=0)

    numbers = np.array(list(fractions))
    share = np.array(list(fractions.values()))[:, None]
    missing = np.repeat(share, weight.shape[1], axis=1)  # target minus what the part has
    shuffled = np.random.default_rng(seed).permutation(n_units)
    order = shuffled[np.argsort(-weight.sum(axis=1)[shuffled], kind="stable")]
    chosen = np.empty(n_units, int)
    for unit in order:
        cost = ((weight[unit] - 2 * missing) * weight[unit] / share).sum(axis=1)
        chosen[unit] = best = int(cost.argmin())
        missing[best] -= weight[unit]
    parts: NDArray[np.int64] = numbers[chosen[codes]]
    return parts


def summarise(
    table: pd.DataFrame, manifest: pd.DataFrame, params: Split, near_pairs: int
) -> dict[str, Any]:
    """Images, patients and label counts of each part, and whether a group stands on two sides."""
    part = np.where(table["subset"] == "test", "test", "fold_" + table["fold"].astype(str))
    if params.n_folds == 1:
        part = np.where(part == "fold_0", "val", part)
    part = np.where(part == "fold_-1", "train", part)
    sides = pd.Series(part).groupby(table["group"]).nunique()
    shas = manifest["sha256"].value_counts()
    parts = {}
    for name in sorted(set(part), key=_order):
        rows = manifest[part == name]
        labels = {c: int((rows[LABEL + c] == 1).sum()) for c in class_names(manifest)}
        parts[name] = {"images": len(rows), "patients": rows["patient_id"].nunique(), **labels}
    return {
        "method": params.method,
        "leaky": params.method == "random" or bool((sides > 1).any()),
        "groups_on_two_sides": int((sides > 1).sum()),
        "identical_images": int(shas[shas > 1].sum()),
        "near_identical_pairs": near_pairs,
        "parts": parts,
    }


def _order(part: str) -> tuple[int, str]:
    return {"train": 0, "val": 1, "test": 3}.get(part, 2), part


def _fractions(params: Split, test_fraction: float) -> dict[int, float]:
    test = {TEST: test_fraction} if test_fraction > 0 else {}
    if params.n_folds > 1:
        return test | dict.fromkeys(range(params.n_folds), (1 - test_fraction) / params.n_folds)
    return test | {0: params.val_fraction, NEVER_VALIDATED: 1 - test_fraction - params.val_fraction}


def _official_test(manifest: pd.DataFrame) -> NDArray[np.bool_]:
    sides = set(manifest["official_split"])
    if not {"trainval", "test"} <= sides:
        raise DataError(
            "split.method is official, but this data has no official "
            f"{'test' if 'trainval' in sides else 'split'}. Use split.method: patient, or bring "
            "the missing part."
        )
    mask: NDArray[np.bool_] = (manifest["official_split"] == "test").to_numpy()
    return mask


def _require_enough(
    manifest: pd.DataFrame, units: NDArray[np.int64], fractions: dict[int, float], params: Split
) -> None:
    patients = len(set(units))
    if patients < len(fractions):
        raise DataError(
            f"{patients} separable patients cannot fill {len(fractions)} parts. Bring more patients"
            " (data.path), or ask for fewer parts (split.test_fraction: 0.0, split.n_folds: 1)."
        )
    if params.n_folds == 1:
        return
    for name in class_names(manifest):
        have = len(set(units[(manifest[LABEL + name] == 1).to_numpy()]))
        if have < len(fractions):
            most = have - (len(fractions) - params.n_folds)
            raise DataError(
                f"Class {name} has {have} separable patients, too few for split.n_folds: "
                f"{params.n_folds}. The largest possible number of folds is {max(most, 1)}."
            )
