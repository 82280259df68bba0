"""The command `thorax predict`: a finished model on images, without labels or a project."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thorax.archives import images
from thorax.artifacts.model import AtThreshold, Exported
from thorax.dicom.image import Picture
from thorax.errors import ConfigError, DataError
from thorax.inference.checks import Seen, of_decision, of_file
from thorax.inference.engine import Decision, Engine, open_engine
from thorax.io import write_text
from thorax.parallel import cores, ordered_map
from thorax.preprocess.decode import develop
from thorax.progress import bar

if TYPE_CHECKING:
    from thorax.inference.heatmaps import HeatMaps

DIGITS = 4  # of probabilities


@dataclass(frozen=True)
class File:
    """One file on its way: its picture and doubts, or the reason why there is none."""

    name: str
    picture: Picture | None
    doubts: Sequence[str] = ()
    error: str = ""


@dataclass(frozen=True)
class Row:
    """What is said of one image; without a decision there is an error."""

    image: str
    decision: Decision | None
    warnings: Sequence[str] = ()
    error: str = ""


def predict(
    model: Path,
    places: Sequence[Path],
    to: Path | None = None,
    prevalence: float | None = None,
    heatmaps: Path | None = None,
) -> tuple[str, int]:
    """Classify files, folders and archives.

    Args:
        model: a bundle or an export.
        places: to look for images in.
        to: a CSV or JSON file; None prints CSV.
        prevalence: of each class where the images are from; predictive values are stated for it.
        heatmaps: a folder for Grad-CAM over the images, with `heatmaps.csv`.

    Returns:
        The table, or where it is; and 3 where an image could not be read, else 0.

    Raises:
        ConfigError: a prevalence outside of 0 to 1, or heat maps of what was exported.
        DataError: no image at all.
    """
    if prevalence is not None and not 0 < prevalence < 1:
        raise ConfigError(f"--prevalence is {prevalence:g}; it must lie between 0 and 1.")
    engine, seen = open_engine(model), Seen.of(model)
    drawing = _heat_maps(engine, heatmaps) if heatmaps else None
    rows = [row for place in places for row in classify(engine, seen, place, drawing)]
    if not rows:
        raise DataError(f"No image in {', '.join(map(str, places))}.")
    if drawing and drawing.drawn:
        table = _csv([drawn._asdict() for drawn in drawing.drawn])
        write_text(drawing.folder / "heatmaps.csv", table)
    records = [record(row, engine.about, prevalence) for row in rows]
    text = _json(records) if to and to.suffix == ".json" else _csv(records)
    failed = sum(1 for row in rows if row.error)
    if to is None:
        return text.rstrip("\n"), DataError.exit_code if failed else 0
    write_text(to, text)
    doubtful = sum(1 for row in rows if row.warnings)
    said = f"{len(rows):,} images, {doubtful:,} with a warning, {failed:,} unreadable: {to}"
    return f"{said}\n{engine.about.use}", DataError.exit_code if failed else 0


def _heat_maps(engine: Engine, folder: Path) -> "HeatMaps":
    if engine.bundle is None:
        raise ConfigError("--heatmaps needs gradients: name the bundle, not its export.")
    from thorax.inference.heatmaps import HeatMaps  # torch, which an export does without

    return HeatMaps(engine.bundle, folder)


def classify(
    engine: Engine, seen: Seen, place: Path, drawing: "HeatMaps | None" = None
) -> Iterator[Row]:
    """One row for each image of a file, folder or archive; decoding runs ahead in threads."""
    threads = max(1, cores() // 2)  # the network takes the others
    with bar("predict", unit="image") as progress:
        opened = partial(_opened, engine.about, seen)
        for file in ordered_map(opened, images(place), threads, 4 * threads):
            row = _row(file, engine)
            if drawing and file.picture and row.decision:
                drawing.draw(file.name, file.picture.image, row.decision)
            yield row
            progress.update()


def _opened(about: Exported, seen: Seen, item: tuple[str, bytes]) -> File:
    name, content = item
    try:
        picture = develop(content)
    except ValueError as error:
        return File(name, None, error=str(error))
    return File(name, picture, of_file(content, picture, about, seen))


def _row(file: File, engine: Engine) -> Row:
    if file.picture is None:
        return Row(file.name, None, error=file.error)
    image = file.picture.image
    decision = engine(image)
    return Row(file.name, decision, [*file.doubts, *of_decision(image, decision, engine)])


def record(row: Row, about: Exported, prevalence: float | None) -> dict[str, Any]:
    """A row of the table: probabilities, thresholds, decisions, spread, warnings, error."""
    cells: dict[str, Any] = {"image": row.image}
    for i, name in enumerate(about.outputs):
        limit = about.thresholds.get(name)
        cells[f"p_{name}"] = _figure(row.decision and row.decision.probability[i])
        cells[f"threshold_{name}"] = _figure(limit)
        predicted = None if row.decision is None else int(row.decision.predicted[i])
        cells[f"predicted_{name}"] = predicted
        if about.models > 1:
            cells[f"spread_{name}"] = _figure(row.decision and row.decision.spread[i])
        if prevalence is not None:
            known = about.performance.get(name)
            cells[f"predictive_value_{name}"] = predictive_value(known, predicted, prevalence)
    return cells | {"warnings": "; ".join(row.warnings), "error": row.error}


def predictive_value(
    known: AtThreshold | None, predicted: int | None, prevalence: float
) -> float | None:
    """Probability that the decision is right, by Bayes: PPV where positive, NPV where negative."""
    if known is None or predicted is None:
        return None
    sensitivity, specificity = known.sensitivity.value, known.specificity.value
    if sensitivity is None or specificity is None:
        return None
    if predicted:
        right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    else:
        right, wrong = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return _figure(right / (right + wrong)) if right + wrong else None


def _figure(value: Any) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def _csv(records: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _json(records: list[dict[str, Any]]) -> str:
    return json.dumps(records, indent=2, ensure_ascii=False) + "\n"
