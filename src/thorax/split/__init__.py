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
from thorax.errors import DataError, IntegrityError
from thorax.io import LABEL, class_names, read_csv, read_manifest, write_csv, write_json
from thorax.near_duplicates import near_identical
from thorax.patient_ids import patients_by_rule
from thorax.split.leakage import LEAKS, Images, audit_split, shares_anything
from thorax.split.leakage import summary as summary_of
from thorax.split.stratify import stratify

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
    print(pd.DataFrame(summary["parts"]).T.to_string())
    if summary["leaky"]:
        print(f"LEAKY: {summary['groups_on_two_sides']} groups stand on two sides.")
    audit(params, manifest, part_names(table, params), paths)


def audit(params: Split, manifest: pd.DataFrame, part: "pd.Series[str]", paths: Paths) -> None:
    """Write what the sides of the split share, and stop where that is not allowed.

    Raises:
        IntegrityError: patients or pictures stand on two sides and `on_leak` is `fail`.
    """
    cache = Path(paths.cache)
    locations, listed = manifest["location"].tolist(), manifest["patient_id"].tolist()
    images = Images(
        manifest["image_id"].tolist(),
        locations,
        manifest["sha256"].tolist(),
        np.load(cache / "hashes.npy"),
        np.load(cache / "thumbnails.npy"),
        patients_by_rule(locations, listed),
    )
    results = audit_split(
        images, part, distance=params.hash_distance, correlation=params.thumbnail_correlation
    )
    write_json(Path(paths.leakage), {"on_leak": params.on_leak, "sides": results})
    print(summary_of(results))
    if params.on_leak == "fail" and any(shares_anything(each, LEAKS) for each in results):
        raise IntegrityError(
            f"Images that belong together stand on two sides of the split:\n{summary_of(results)}\n"
            f"{paths.leakage} names them. Use split.method: patient, or split.on_leak: warn to go"
            " on with every number marked."
        )


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


def summarise(
    table: pd.DataFrame, manifest: pd.DataFrame, params: Split, near_pairs: int
) -> dict[str, Any]:
    """Images, patients and label counts of each part, and whether a group stands on two sides."""
    part = part_names(table, params)
    sides = part.groupby(table["group"]).nunique()
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


def part_names(table: pd.DataFrame, params: Split) -> "pd.Series[str]":
    """Name of each image's part: train, val, test or fold_<k>."""
    names = {NEVER_VALIDATED: "train"} | ({0: "val"} if params.n_folds == 1 else {})
    part = [
        "test" if subset == "test" else names.get(fold, f"fold_{fold}")
        for subset, fold in zip(table["subset"], table["fold"], strict=True)
    ]
    return pd.Series(part, dtype=object)


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
