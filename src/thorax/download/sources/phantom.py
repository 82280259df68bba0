"""Synthetic X-rays with known truth, generated on the spot: works offline and without a license."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

import thorax_phantom as generator
from thorax.archives import path_in_data
from thorax.config import Data
from thorax.download.sources.base import LabelTable
from thorax.download.sources.nih import read_layout
from thorax.download.sources.tables import read_table
from thorax.errors import DataError
from thorax.io import write_text
from thorax.progress import bar
from thorax.survey import Survey
from thorax_phantom.findings import FINDINGS, NO_FINDING

CLASSES = (*FINDINGS, NO_FINDING)


def store(data: Data) -> str:
    """Name the archive after its settings, so that those of all experiments lie side by side."""
    settings = json.dumps(data.phantom.model_dump(), sort_keys=True)
    return f"phantom/phantom-{hashlib.sha256(settings.encode()).hexdigest()[:12]}.zip"


def generate(data: Data, archive: Path) -> None:
    """Write the archive that `data.phantom` describes, unless this very code already did."""
    written_by, code = archive.with_suffix(".code"), _digest_of_the_generator()
    if archive.exists() and written_by.exists() and written_by.read_text() == code:
        return
    progress: tqdm[Any] = bar("generate phantoms")
    with progress:

        def show(done: int, total: int) -> None:
            progress.total = total
            progress.update(done - progress.n)

        generator.write_archive(archive, **data.phantom.model_dump(), progress=show)
    write_text(written_by, code)


def _digest_of_the_generator() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(generator.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read(survey: Survey, _data: Data) -> LabelTable:
    """Read the archive as NIH's layout; refuse other images, which the user meant to be read."""
    tables = [place for place in survey.tables if path_in_data(place).endswith("phantom.csv")]
    if not tables:
        raise DataError(
            f"{survey.root} holds {len(survey.images):,} images, but data.source is phantom, which "
            "generates its own. Set data.source to kermany, nih, folder or table to use yours, or "
            "empty that folder."
        )
    labeled = read_layout(survey, CLASSES)
    vendors = read_table(survey.tables[tables[0]], tables[0]).set_index("Image Index")["Vendor"]
    labeled.table["vendor"] = labeled.table["image_id"].map(vendors).fillna("")
    return labeled
