"""Who is trained on, validated on and tested on: by patient, stratified, near-duplicates together.

The unit that moves is a group: all images of one patient, joined with every patient who has a
byte-identical or near-identical image.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from thorax.artifacts.data import DatasetInfo, LeakageAudit, SplitSummary, SubsetCounts
from thorax.config import Paths, Split
from thorax.dataset import NEVER, cached_images, split_names
from thorax.errors import DataError, IntegrityError, marked
from thorax.io import LABEL, class_names, write_csv
from thorax.near_duplicates import near_identical
from thorax.patient_ids import AS_LISTED, fitting_rules
from thorax.split.leakage import LEAKS, Images, audit_split, overlaps, summary as audit_text

TEST, VAL = -2, -3  # beside the folds 0, 1, … and NEVER
BY_IMAGE = ("random", "official-random")


def split(params: Split, paths: Paths) -> None:
    """Write the split table, its counts, and the leakage audit.

    Raises:
        DataError: too few patients, or the source has no official split.
        IntegrityError: patients or images appear in two subsets and `on_leak` is `fail`.
    """
    cache = Path(paths.cache)
    images = cached_images(paths)
    prints = np.load(cache / "hashes.npy"), np.load(cache / "thumbnails.npy", mmap_mode="r")
    near = near_identical(
        prints,
        distance=params.hash_distance,
        correlation=params.thumbnail_correlation,
    )
    table = assign(images, near, params)
    write_csv(table, Path(paths.split))
    names = pd.Series(split_names(table), dtype=object)
    patient = images["patient_id"].to_numpy()
    others = sum(patient[i] != patient[j] for i, j in near)
    summary = summarize(table, images, names, params, near_pairs=others)
    summary.write(Path(paths.split_summary))
    unknown = DatasetInfo.read(Path(paths.dataset)).patients_unknown
    print(counts_text(summary, patients_unknown=unknown))
    if unknown:
        print("Patients are unknown: images of one patient may be in two subsets.")
    left_aside = int((images["official_split"] == "test").sum())
    if left_aside and not params.method.startswith("official"):
        print(
            f"The {left_aside:,} images of the data's own test set are split anew with all others:"
            f" split.method is {params.method}. official keeps them apart."
        )
    if summary.leaky:
        print(marked(f"LEAKY: {summary.split_groups} groups appear in two subsets."))
    _audit(params, images, names, near, paths, patients_unknown=unknown)


def _audit(
    params: Split,
    images: pd.DataFrame,
    names: "pd.Series[str]",
    near: list[tuple[int, int]],
    paths: Paths,
    *,
    patients_unknown: bool,
) -> None:
    locations = images["location"].tolist()
    patients = {AS_LISTED: images["patient_id"].tolist()}
    patients |= fitting_rules(locations, images["official_split"].tolist())
    compared = Images(images["image_id"].tolist(), locations, images["sha256"].tolist(), patients)
    audit = audit_split(compared, names, near)
    LeakageAudit(on_leak=params.on_leak, overlaps=audit).write(Path(paths.leakage))
    print(text := audit_text(audit, patients_unknown=patients_unknown))
    if params.on_leak == "fail" and any(overlaps(pair, LEAKS) for pair in audit):
        raise IntegrityError(
            f"Images that belong together appear in two subsets:\n{text}\n"
            f"{paths.leakage} names them. Use split.method: patient, or split.on_leak: warn to go"
            " on with every number marked."
        )


def assign(images: pd.DataFrame, near: list[tuple[int, int]], params: Split) -> pd.DataFrame:
    """Split table: `image_id, patient_id, group, subset, fold`, a row an image.

    With several folds `val` is a subset that no fold trains on: there the operating points of their
    ensemble are chosen.

    Args:
        images: manifest rows.
        near: row numbers of near-identical images.
        params: method, fractions or folds, seed.

    Raises:
        DataError: too few patients, or the source has no official split.
    """
    groups = group_images(images, near)
    units = np.arange(len(images)) if params.method in BY_IMAGE else groups
    fold = np.full(len(images), NEVER)
    test_fraction = params.test_fraction
    if params.method.startswith("official"):
        fold[_official_test(images, params.method)] = TEST
        test_fraction = 0.0
    if params.method == "official-folders":
        fold[_official_val(images)] = 0
    else:
        rest = np.flatnonzero(fold != TEST)
        fractions = _fractions(params, test_fraction)
        counts = images.filter(like=LABEL).fillna(0).to_numpy(float)
        _require_enough(images.iloc[rest], units[rest], fractions, params)
        fold[rest] = stratify(counts[rest], units[rest], fractions, params.seed)
    return pd.DataFrame(
        {
            "image_id": images["image_id"],
            "patient_id": images["patient_id"],
            "group": groups,
            "subset": np.select([fold == TEST, fold == VAL], ["test", "val"], "trainval"),
            "fold": np.where(fold < NEVER, NEVER, fold),
        }
    )


def stratify(
    counts: NDArray[np.float64], units: NDArray[np.int64], fractions: dict[int, float], seed: int
) -> NDArray[np.int64]:
    """Assign whole units to subsets so that each subset gets its fraction of every label.

    Greedy and multi-label, in the spirit of iterative stratification (Sechidis, Tsoumakas and
    Vlahavas 2011): units that carry most, of scarce labels above all, go about first, each to the
    subset whose squared distance from its target, over labels, images and units, falls most.

    Args:
        counts: float [N, L], 1 where an image has a label.
        units: int [N], what must stay together.
        fractions: subset number → fraction of the whole.
        seed: of the order; two seeds overlap as two independent draws do.

    Returns:
        int [N]: subset number of each image.
    """
    codes, _ = pd.factorize(units)
    n_units = codes.max() + 1
    features = np.column_stack([counts, np.ones(len(counts))])
    weight = np.zeros((n_units, features.shape[1] + 1))
    np.add.at(weight[:, :-1], codes, features)
    weight[:, -1] = 1  # the unit itself: subsets get their fraction of patients too
    weight = weight[:, weight.sum(axis=0) > 0]
    weight /= weight.sum(axis=0)

    numbers = np.array(list(fractions))
    fraction = np.array(list(fractions.values()))[:, None]
    missing = np.repeat(fraction, weight.shape[1], axis=1)  # target minus what the subset has
    # Heaviest first balances best, but would put whoever has most images on the same side under
    # every seed. With weights disturbed by about a half, seeds draw as if independently.
    disturbed = weight.sum(axis=1) * np.exp(0.5 * np.random.default_rng(seed).normal(size=n_units))
    order = np.argsort(-disturbed)
    chosen = np.empty(n_units, int)
    for unit in order:
        cost = ((weight[unit] - 2 * missing) * weight[unit] / fraction).sum(axis=1)
        chosen[unit] = best = int(cost.argmin())
        missing[best] -= weight[unit]
    subsets: NDArray[np.int64] = numbers[chosen[codes]]
    return subsets


def group_images(images: pd.DataFrame, near: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Group number of each image [N]: connected by patient, identical bytes or similarity."""
    n = len(images)
    edges = [np.array(near, int).reshape(-1, 2)]
    for column in ("patient_id", "sha256"):
        codes = pd.factorize(images[column])[0]
        first = np.full(codes.max() + 1, n)
        np.minimum.at(first, codes, np.arange(n))
        edges.append(np.column_stack([np.arange(n), first[codes]]))
    left, right = np.concatenate(edges).T
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    labels: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def summarize(
    table: pd.DataFrame,
    images: pd.DataFrame,
    names: "pd.Series[str]",
    params: Split,
    near_pairs: int,
) -> SplitSummary:
    """Images, patients and label counts of each subset, and groups that appear in two."""
    split_groups = int((names.groupby(table["group"]).nunique() > 1).sum())
    shas = images["sha256"].value_counts()
    subsets = {}
    for name in sorted(set(names), key=_order):
        rows = images[names == name]
        subsets[name] = SubsetCounts(
            images=len(rows),
            patients=rows["patient_id"].nunique(),
            classes={c: int((rows[LABEL + c] == 1).sum()) for c in class_names(images)},
        )
    return SplitSummary(
        settings=params,
        leaky=params.method in BY_IMAGE or split_groups > 0,
        split_groups=split_groups,
        identical_images=int(shas[shas > 1].sum()),
        near_identical_pairs=near_pairs,
        subsets=subsets,
    )


def counts_text(summary: SplitSummary, *, patients_unknown: bool) -> str:
    """A row a subset: images, patients if known, images of each class."""
    rows = pd.DataFrame(
        {
            name: {"images": counts.images, "patients": counts.patients, **counts.classes}
            for name, counts in summary.subsets.items()
        }
    ).T
    return (rows.drop(columns="patients") if patients_unknown else rows).to_string()


def _order(subset: str) -> tuple[int, str]:
    return {"train": 0, "val": 1, "test": 3}.get(subset, 2), subset


def _fractions(params: Split, test_fraction: float) -> dict[int, float]:
    test = {TEST: test_fraction} if test_fraction > 0 else {}
    rest = 1 - test_fraction - params.val_fraction
    if params.n_folds == 1:
        return test | {0: params.val_fraction, NEVER: rest}
    val = {VAL: params.val_fraction} if params.val_fraction > 0 else {}
    return test | val | dict.fromkeys(range(params.n_folds), rest / params.n_folds)


def _official_test(images: pd.DataFrame, method: str) -> NDArray[np.bool_]:
    official = set(images["official_split"])
    if not {"trainval", "test"} <= official:
        raise DataError(
            f"split.method is {method}, but this data has no official "
            f"{'test set' if 'trainval' in official else 'split'}. Use split.method: patient, or"
            " bring the missing part."
        )
    mask: NDArray[np.bool_] = (images["official_split"] == "test").to_numpy()
    return mask


def _official_val(images: pd.DataFrame) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (
        images["location"]
        .str.contains(r"(?i)(?:^|/)(?:val|valid|validate|validation)/")
        .to_numpy(bool)
    )
    if not mask.any():
        raise DataError(
            "split.method is official-folders, but this data has no images in a folder val. Use"
            " split.method: official."
        )
    return mask


def _require_enough(
    images: pd.DataFrame, units: NDArray[np.int64], fractions: dict[int, float], params: Split
) -> None:
    count, what = len(set(units)), "images" if params.method in BY_IMAGE else "separable patients"
    if count < len(fractions):
        raise DataError(
            f"{count} {what} cannot fill {len(fractions)} subsets. Bring more (data.path), or ask"
            " for fewer subsets (split.test_fraction: 0.0, split.n_folds: 1)."
        )
    if params.n_folds == 1:
        return
    for name in class_names(images):
        have = len(set(units[(images[LABEL + name] == 1).to_numpy()]))
        if have < len(fractions):
            most = have - (len(fractions) - params.n_folds)
            raise DataError(
                f"Class {name} has {have} {what}, too few for split.n_folds: "
                f"{params.n_folds}. The largest possible number of folds is {max(most, 1)}."
            )
