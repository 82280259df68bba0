"""Made-up data sets: rows and file names without images, and small archives with bytes."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from thorax.config import Data, load_params, merge
from thorax.survey import Survey

PARAMS = Path(__file__).parents[1] / "params.yaml"
NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def data_section(**changes: Any) -> Data:
    """The `data` section of params.yaml with changes, also of nested keys."""
    return Data.model_validate(merge(load_params(PARAMS).data.model_dump(), changes))


def survey_of(
    locations: Iterable[str] = (),
    tables: Mapping[str, str | bytes] | None = None,
    same: Mapping[str, str] | None = None,
) -> Survey:
    """A survey whose images all differ, except that a key of `same` has the bytes of its value."""
    same = same or {}
    images = {at: hashlib.sha256(same.get(at, at).encode()).hexdigest() for at in locations}
    texts = {
        at: text if isinstance(text, bytes) else text.encode()
        for at, text in (tables or {}).items()
    }
    return Survey(Path("somewhere"), images, texts)


def nih_row(
    image: str,
    labels: str = "No Finding",
    *,
    patient: str | None = None,
    age: str = "40",
    sex: str = "F",
    view: str = "PA",
) -> str:
    """One line of NIH's entry table."""
    patient = patient if patient is not None else str(int(image[:8]))
    return f"{image},{labels},0,{patient},{age},{sex},{view},2500,2048,0.168,0.168"


def nih_table(*rows: str, header: str = NIH_HEADER) -> str:
    """NIH's entry table."""
    return "\n".join([header, *rows]) + "\n"


def row_of(table: pd.DataFrame, image_id: str) -> pd.Series:
    """The one row of an image."""
    (row,) = (row for _, row in table[table["image_id"] == image_id].iterrows())
    return row


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files under a folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a tar, compressed as its name says."""
    kind = path.suffix.removeprefix(".").replace("tar", "").replace("tgz", "gz")
    with tarfile.open(path, f"w:{kind}") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path
