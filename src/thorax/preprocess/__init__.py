"""Every image is decoded once and written once: the uint8 cache that all training reads.

`data/cache/` holds `images.npy` (uint8 [N, H, W], memory-mapped), `index.csv` (row by row, what was
done to each image, and which rule gave a DICOM image its gray values), `hashes.npy` and
`thumbnails.npy` (fingerprints of the raw decode),
`quarantine.csv` (what could not be read, and why) and `cache.json` (the settings it was made with).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.archives import walk
from thorax.artifacts.data import DatasetInfo
from thorax.config import Paths, Preprocess
from thorax.dicom.pseudonyms import as_listed
from thorax.errors import DataError, IntegrityError
from thorax.io import read_manifest, replacing, write_csv, write_json
from thorax.near_duplicates import HASH_BYTES, THUMBNAIL, fingerprint
from thorax.parallel import cores, ordered_map
from thorax.preprocess.decode import Geometry, Gray, develop, resize
from thorax.progress import bar
from thorax.raw_store import open_root

LISTED = 20  # of a long list of files, so many are named in a message


# One image on its way into the cache: pixels, geometry, hash, thumbnail, and of a DICOM image the
# rule of its gray values and what contradicts its polarity.
Prepared = tuple[Gray, Geometry, NDArray[np.uint8], NDArray[np.uint8], tuple[str, str]]


def preprocess(params: Preprocess, paths: Paths) -> None:
    """Build the cache from the manifest and the original images it points at.

    Raises:
        DataError: images are gone, or more than `max_unreadable` of them cannot be read.
        IntegrityError: an image's bytes differ from the manifest's checksum.
    """
    manifest = read_manifest(Path(paths.manifest))
    root = open_root(DatasetInfo.read(Path(paths.dataset)))
    cache = Path(paths.cache)
    geometry: dict[int, Geometry] = {}
    grays: dict[int, tuple[str, str]] = {}
    unreadable: dict[int, str] = {}
    hashes = np.zeros((len(manifest), HASH_BYTES), np.uint8)
    thumbnails = np.zeros((len(manifest), THUMBNAIL, THUMBNAIL), np.uint8)
    with replacing(cache / "images.npy") as temporary:
        shape = (len(manifest), params.image_size, params.image_size)
        images = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        for row, outcome in _prepare_all(manifest, root, params):
            if isinstance(outcome, str):
                unreadable[row] = outcome
                _stop_if_too_many(unreadable, manifest, params.max_unreadable)
            else:
                images[row], geometry[row], hashes[row], thumbnails[row], grays[row] = outcome
        images.flush()
        good = sorted(geometry)
        if unreadable:
            _keep_rows(temporary, good)
    index = pd.DataFrame([asdict(geometry[row]) for row in good])
    index.insert(0, "image_id", manifest["image_id"].to_numpy()[good])
    if any(rule for rule, _ in grays.values()):
        index[["gray_rule", "polarity"]] = [grays[row] for row in good]
    write_csv(index, cache / "index.csv")
    np.save(cache / "hashes.npy", hashes[good])
    np.save(cache / "thumbnails.npy", thumbnails[good])
    quarantine = manifest.loc[sorted(unreadable), ["image_id", "location"]]
    write_csv(
        quarantine.assign(reason=[unreadable[row] for row in sorted(unreadable)]),
        cache / "quarantine.csv",
    )
    write_json(cache / "cache.json", {"images": len(good), "preprocess": params.model_dump()})
    aside = f"{len(unreadable)} set aside ({cache / 'quarantine.csv'})"
    print(f"{len(good)} images in the cache, {aside}.")


def _prepare_all(
    manifest: pd.DataFrame, root: Path, params: Preprocess
) -> Iterator[tuple[int, Prepared | str]]:
    """Yield (row, image or the reason why there is none), in the order of the archives.

    One thread reads, as archives want; the others decode.
    """
    rows = {location: row for row, location in enumerate(manifest["location"])}
    expected = manifest["sha256"].tolist()
    threads = cores()
    cv2.setNumThreads(1)  # parallel over images, not within one
    listed = as_listed(rows)
    files = walk(root, lambda at: listed(at) in rows)
    contents = ((rows.pop(listed(at)), content) for at, content in files)
    prepared = ordered_map(
        lambda item: _prepare_one(*item, expected[item[0]], params), contents, threads, 4 * threads
    )
    with bar("preprocess", total=len(manifest)) as progress:
        for outcome in prepared:
            yield outcome
            progress.update()
    if rows:
        raise DataError(
            f"{len(rows)} images of the manifest are gone from {root.absolute()}:\n"
            + "\n".join(f"  {location}" for location in list(rows)[:LISTED])
            + "\nPut them back, or run `dvc repro -f download` to make the manifest again."
        )


def _prepare_one(
    row: int, content: bytes, sha256: str, params: Preprocess
) -> tuple[int, Prepared | str]:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(
            f"Row {row + 2} of the manifest: the image's bytes changed since download listed them."
            " Run `dvc repro -f download`."
        )
    try:
        picture = develop(content)
    except ValueError as error:
        return row, str(error)
    image = picture.image
    gray = picture.rule, picture.polarity
    return row, (*resize(image, params), *fingerprint(image), gray)


def _stop_if_too_many(unreadable: dict[int, str], manifest: pd.DataFrame, most: int) -> None:
    if len(unreadable) > most:
        names = [f"  {manifest['location'][row]}: {why}" for row, why in sorted(unreadable.items())]
        raise DataError(
            f"More than preprocess.max_unreadable = {most} images cannot be read:\n"
            + "\n".join(names)
            + "\nReplace them, or raise preprocess.max_unreadable."
        )


def _keep_rows(path: Path, rows: list[int]) -> None:
    """Rewrite an `.npy` file with these rows only, without holding it in memory."""
    images = np.load(path, mmap_mode="r")
    with replacing(path.with_suffix(".kept")) as temporary:
        kept = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(rows), *images.shape[1:]))
        for new, old in enumerate(rows):
            kept[new] = images[old]
        kept.flush()
    path.with_suffix(".kept").replace(path)
