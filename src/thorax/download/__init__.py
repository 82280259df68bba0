"""Download: find or fetch the images, and write the manifest that every later stage starts from."""

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from thorax.artifacts.data import DatasetCounts, DatasetInfo, LabelCounts
from thorax.config import Data, Paths
from thorax.dicom.pseudonyms import key_name
from thorax.download.annotations import read_annotations
from thorax.download.sources import SOURCES, LabelTable, Source, films
from thorax.download.sources.tables import listed
from thorax.download.validate import validate
from thorax.errors import DataError
from thorax.io import LABEL, class_names, locked, main_root, write_csv
from thorax.raw_store import own_data, store_path
from thorax.survey import Survey, listing, survey

Root = Literal["path", "raw"]
_EXAMPLES = {
    "folder": "data.source=folder data.path=/data/xrays (with one folder per class in it)",
    "table": "data.source=table data.path=/data/xrays data.card=cards/chexpert.yaml",
}


def download(data: Data, paths: Paths) -> None:
    """Write the manifest, its description and the annotations; fetch what is missing first.

    The images at `data.path` are used where there are any; else the source is fetched into the raw
    store, `data/raw` in the user's checkout. Cards, tables and labels are checked before an image
    is read.

    Raises:
        DataError: no data, or data with problems; all problems are listed at once.
    """
    kind, root = locate(data)
    source = SOURCES[data.source]
    source.check(data)
    if kind == "raw" and source.fetch is not None:
        with locked(root.parent / f".{root.name}.lock", f"The raw store {root}"):
            source.fetch(data, root)
    if (names := listing(root)) is not None:
        read(names, data)
    content = survey(root, "read images")
    labeled = read(content, data)
    annotations = read_annotations(content)
    dataset = _describe(labeled, source, data, kind)
    labels = [LABEL + name for name in dataset.classes]
    write_csv(labeled.table.astype(dict.fromkeys(labels, "Int8")), Path(paths.manifest))
    write_csv(annotations, Path(paths.annotations))
    dataset.write(Path(paths.dataset))
    print(_summary(dataset, root))


def read(content: Survey, data: Data) -> LabelTable:
    """The labeled list of what lies under a root, checked; opens no image.

    Raises:
        ConfigError: a card with mistakes.
        DataError: no image, or data with problems; all problems are listed at once.
    """
    if not content.images:
        raise DataError(
            f"{content.root.absolute()} holds files, but no image (DICOM, PNG, JPEG, BMP, TIFF, "
            f"WebP). {' '.join([*films.notes(content), 'Correct data.path.'])}"
        )
    labeled = SOURCES[data.source].read(content, data)
    notes = [*labeled.notes, *_no_images(content.others), *films.notes(content)]
    labeled = validate(replace(labeled, notes=notes), str(content.root), data.views)
    return _for_task(labeled, data)


def _no_images(locations: list[str]) -> list[str]:
    """A note that counts files of other kinds, where there are any."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "without ending" for name in locations)
    counts = listed(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    files = f"{len(locations):,} file{'s are' if len(locations) > 1 else ' is'}"
    return [f"{files} left out, no images that thorax reads: {counts}."] if kinds else []


def locate(data: Data) -> tuple[Root, Path]:
    """Where the images are or will be: `path` for the user's own, `raw` for the raw store.

    Raises:
        DataError: `data.path` is missing, or empty while the source has nothing to fetch.
    """
    if (path := own_data(data.path)) is not None:
        return "path", path
    if not any((root / data.path).exists() for root in (Path(), main_root())):
        raise DataError(
            f"data.path in params.yaml is {data.path!r}, which does not exist in {Path.cwd()}. "
            "Correct it, or set it to data/local and leave that folder empty to fetch the data."
        )
    source = SOURCES[data.source]
    if source.fetch is None:
        raise DataError(
            f"data.path in params.yaml is {data.path!r}, which is empty, and the source "
            f"{data.source!r} has nothing to fetch. Set data.path to your images, for example "
            f"{_EXAMPLES.get(data.source, f'data.source={data.source} data.path=/data/xrays')}."
        )
    return "raw", store_path(source.store(data))


def _for_task(labeled: LabelTable, data: Data) -> LabelTable:
    """Give two classes an output each where `data.task` asks for it."""
    if data.task == "auto":
        return labeled
    if labeled.task == "multi-label":
        raise DataError(
            f"data.task is multi-class, but an image of the source {data.source!r} may have several"
            " labels at once. Set data.task: auto."
        )
    return replace(labeled, task="multi-class", positive=None)


def _describe(labeled: LabelTable, source: Source, data: Data, root: Root) -> DatasetInfo:
    table = labeled.table
    classes = class_names(table)
    counts = {}
    # Pseudonyms by one key mean one person in any folder.
    by_key = labeled.patient_rule == films.HEADERS
    namespace = key_name() if by_key else source.patient_namespace(data)
    for name in classes:
        label = table[LABEL + name]
        present, absent, unknown = (label == 1).sum(), (label == 0).sum(), label.isna().sum()
        counts[name] = LabelCounts(present=present, absent=absent, unknown=unknown)
    return DatasetInfo(
        source=data.source,
        title=data.title or source.title,
        citation=source.citation,
        license=source.license,
        patient_namespace=namespace,
        patient_rule=labeled.patient_rule,
        task=labeled.task,
        positive=labeled.positive,
        classes=classes,
        root=root,
        store=source.store(data) if root == "raw" else None,
        data=data,
        counts=DatasetCounts(
            images=len(table),
            patients=table["patient_id"].nunique(),
            official_trainval=(table["official_split"] == "trainval").sum(),
            official_test=(table["official_split"] == "test").sum(),
            classes=counts,
        ),
        notes=labeled.notes,
    )


def _summary(dataset: DatasetInfo, root: Path) -> str:
    counts = dataset.counts
    width = max(map(len, counts.classes))
    lines = [
        f"{dataset.title}, from {root}",
        f"{counts.images:,} images"
        + (
            ", patients unknown"
            if dataset.patients_unknown
            else f" of {counts.patients:,} patients"
        )
        + "; official split: "
        f"{counts.official_trainval:,} trainval, {counts.official_test:,} test",
    ]
    for name, count in counts.classes.items():
        unknown = f", {count.unknown:,} unknown" if count.unknown else ""
        prevalence = f"{count.present / counts.images:6.1%}"
        lines.append(f"  {name:<{width}}  {count.present:>7,}  {prevalence}{unknown}")
    if dataset.positive:
        lines.append(f"positive: {dataset.positive} (data.positive)")
    return "\n".join([*lines, *(f"note: {note}" for note in dataset.notes)])
