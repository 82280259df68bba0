"""Download: find or fetch the images, and write the manifest that every later stage starts from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from thorax.archives import survey
from thorax.config import Data, Paths
from thorax.download.annotations import regions
from thorax.download.sources import SOURCES, Dataset, Source
from thorax.download.validate import validate
from thorax.errors import DataError
from thorax.io import LABEL, class_names, locked, main_root, write_csv, write_json

_EXAMPLES = {
    "folder": "data.source=folder data.path=/data/xrays (with one folder per class in it)",
    "table": "data.source=table data.path=/data/xrays data.card=cards/chexpert.yaml",
}


def prepare(data: Data, paths: Paths) -> None:
    """Write the manifest and its description; fetch what is missing first.

    The images at `data.path` are used where there are any; else the source is fetched into the raw
    store, `data/raw` in the user's checkout.

    Raises:
        DataError: no data, or data with problems; all problems are listed at once.
    """
    kind, root = _find(data)
    source = SOURCES[data.source]
    found = survey(root, "read images")
    if not found.images:
        raise DataError(
            f"{root.absolute()} holds files, but no image (PNG, JPEG, BMP, TIFF, WebP). Correct "
            "data.path; convert DICOM to PNG first."
        )
    dataset = _as_asked(validate(source.read(found, data), str(root)), data)
    description = _describe(dataset, source, data, kind)
    write_csv(_writable(dataset.table), Path(paths.manifest))
    write_csv(regions(found), Path(paths.regions))
    write_json(Path(paths.dataset), description)
    print(_summary(description, root))


def open_root(dataset: dict[str, Any]) -> Path:
    """Give the root that the manifest's locations are relative to, complete again.

    Args:
        dataset: what `prepare` wrote to `paths.dataset`.

    Raises:
        DataError: the user's own data is no longer there.
    """
    data = Data.model_validate(dataset["data"])
    kind, root = _find(data)
    if kind != dataset["root"]:
        was, there = ("empty", "holds data") if kind == "path" else ("in use", "is empty")
        raise DataError(
            f"data.path, {data.path!r}, was {was} when the manifest was written and now {there}. "
            "Undo that, or run `dvc repro -f download` to read the data anew."
        )
    return root


def locate(data: Data) -> tuple[str, Path]:
    """Tell where the images are or will be: `path` for the user's own, `raw` for the store.

    Raises:
        DataError: `data.path` is missing, or empty while the source cannot fetch itself.
    """
    # A run in a temporary copy sees only tracked files; the user's own lie in the checkout.
    candidates = [Path(data.path), main_root() / data.path]
    for path in candidates:
        if _holds_data(path):
            return "path", path
    if not any(path.exists() for path in candidates):
        raise DataError(
            f"data.path in params.yaml is {data.path!r}, which does not exist in {Path.cwd()}. "
            "Correct it, or set it to data/local and leave that folder empty to fetch the data."
        )
    source = SOURCES[data.source]
    if source.fetch is None:
        raise DataError(
            f"data.path in params.yaml is {data.path!r}, which is empty, and the source "
            f"{data.source!r} has nothing to fetch. Set data.path to your images, for example "
            f"{_EXAMPLES[data.source]}."
        )
    return "raw", main_root() / "data/raw" / source.store(data)


def _find(data: Data) -> tuple[str, Path]:
    """Locate the images, and fetch what is missing from the raw store."""
    kind, root = locate(data)
    fetch = SOURCES[data.source].fetch
    if kind == "raw" and fetch is not None:
        with locked(root.parent / f".{root.name}.lock", f"The raw store {root}"):
            fetch(data, root)
    return kind, root


def _holds_data(path: Path) -> bool:
    """Whether a file or a folder is there with more than its README and hidden files."""
    if not path.is_dir():
        return path.exists()
    return any(
        file.is_file()
        and not file.name.startswith(".")
        and file.relative_to(path) != Path("README.md")
        for file in path.rglob("*")
    )


def _as_asked(dataset: Dataset, data: Data) -> Dataset:
    """Give each of two classes an output of its own where `data.task` asks for it."""
    if data.task == "auto":
        return dataset
    if dataset.task == "multi-label":
        raise DataError(
            f"data.task is multi-class, but an image of the source {data.source!r} may have several"
            " labels at once. Set data.task: auto."
        )
    return replace(dataset, task="multi-class", positive=None)


def _writable(table: pd.DataFrame) -> pd.DataFrame:
    labels = [f"{LABEL}{name}" for name in class_names(table)]
    return table.astype(dict.fromkeys(labels, "Int8"))


def _describe(dataset: Dataset, source: Source, data: Data, kind: str) -> dict[str, Any]:
    """What later stages and the report need to know beside the manifest itself."""
    table = dataset.table
    counts: dict[str, Any] = {"images": len(table), "patients": table["patient_id"].nunique()}
    for part in ("trainval", "test"):
        official = table[table["official_split"] == part]
        counts[f"official_{part}"] = len(official)
    counts["per_class"] = {
        name: {
            "present": int((table[f"{LABEL}{name}"] == 1).sum()),
            "absent": int((table[f"{LABEL}{name}"] == 0).sum()),
            "unknown": int(table[f"{LABEL}{name}"].isna().sum()),
        }
        for name in class_names(table)
    }
    return {
        "source": data.source,
        "title": source.title,
        "people": source.people(data),
        "citation": source.citation,
        "licence": source.licence,
        "task": dataset.task,
        "positive": dataset.positive,
        "classes": class_names(table),
        "root": kind,
        "data": data.model_dump(),
        "counts": counts,
        "notes": dataset.notes,
    }


def _summary(description: dict[str, Any], root: Path) -> str:
    counts = description["counts"]
    width = max(map(len, counts["per_class"]))
    lines = [
        f"{description['title']}, from {root}",
        f"{counts['images']:,} images of {counts['patients']:,} patients; official split: "
        f"{counts['official_trainval']:,} trainval, {counts['official_test']:,} test",
    ]
    for name, count in counts["per_class"].items():
        share = count["present"] / counts["images"]
        unknown = f", {count['unknown']:,} unknown" if count["unknown"] else ""
        lines.append(f"  {name:<{width}}  {count['present']:>7,}  {share:6.1%}{unknown}")
    return "\n".join([*lines, *(f"note: {note}" for note in description["notes"])])
