"""Any table of images and labels that a card describes (`data.card`, see cards/)."""

from collections import Counter
from pathlib import Path

import pandas as pd

from thorax.archives import path_in_data
from thorax.config import Data, TableCard, check, read_yaml
from thorax.dicom.header import DESCRIBED
from thorax.download.sources import films
from thorax.download.sources.base import LabelTable
from thorax.download.sources.labels import read_labels
from thorax.download.sources.match import SPLITS, attach
from thorax.download.sources.patients import infer_patients
from thorax.download.sources.tables import listed, listed_images, read_table, unknown_labels
from thorax.errors import ConfigError, DataError
from thorax.io import LABEL, main_root
from thorax.patient_ids import patient_by
from thorax.survey import Survey


def read(survey: Survey, data: Data) -> LabelTable:
    """Read the table that the card describes.

    Raises:
        ConfigError: `data.card` is missing or has mistakes.
        DataError: the table or a column of it is missing; other problems go to the result.
    """
    card = read_card(data)
    notes: list[str] = []
    place, rows = _table(survey, card)
    from_headers = card.patient is not None and card.patient not in rows
    rows = _with_headers(rows, card, survey, notes)
    rows = _kept(rows, card, place, notes)
    labels, problems = read_labels(rows, card, place)
    table = _columns(rows, card, survey, problems)
    patient_rule = films.HEADERS if from_headers else "listed"
    if card.patient is None and card.patient_pattern is None:
        inferred = infer_patients(
            table["image_id"].tolist(), table["official_split"].tolist(), data
        )
        table["patient_id"], patient_rule = inferred.patients, inferred.rule
        notes += inferred.notes
        problems += inferred.problems
    table = table.join(labels)
    if card.merge_rows:
        table = _merge(table, notes, problems)
    matches = attach(table, survey.images, survey)
    absent = table["location"] == ""
    if card.view is None:  # a lateral is one whether or not the card asks
        table["view"] = films.values(survey, table["location"], "ViewPosition")
    if from_headers:
        there = table[~absent]
        problems += films.patient_problems(there["patient_id"], survey, there["location"])
    if absent.any():
        problems.append(
            f"{absent.sum():,} of {len(table):,} images that {place} names are not under "
            f"{survey.root}: {listed_images(table[absent])}. Add them, or drop their rows (`keep`)."
        )
    if unlisted := len(survey.images) - len(set(table["location"]) - {""}):
        notes.append(f"{unlisted:,} images on disk are not in the rows used of {place}.")
    problems += matches.problems
    notes += matches.notes
    return LabelTable(card.task, card.positive, table[~absent], notes, problems, patient_rule)


def read_card(data: Data) -> TableCard:
    """The card that `data.card` holds or names; a `ConfigError` lists its mistakes."""
    if data.card is None:
        raise ConfigError(
            "data.card in params.yaml is null, but data.source is table. Name a card, for example "
            "cards/chexpert.yaml, or write its keys there."
        )
    if isinstance(data.card, TableCard):
        return data.card
    path = Path(data.card)
    if not path.exists():  # a run in a temporary copy sees only tracked files
        path = main_root() / data.card
    if not path.exists():
        raise ConfigError(
            f"data.card in params.yaml is {data.card!r}, which does not exist. Correct it, or let "
            "`thorax card TABLE IMAGES` draft one."
        )
    return check(read_yaml(path), TableCard, str(path))


def _table(survey: Survey, card: TableCard) -> tuple[str, pd.DataFrame]:
    """Find the table that the card names in any folder or archive, and check its columns."""
    tables = {
        content: place
        for place, content in sorted(survey.tables.items())
        if f"/{path_in_data(place)}".endswith(f"/{card.file}")
    }
    if len(tables) != 1:
        what = f"{len(tables)} different tables" if tables else "no table"
        there = listed(tables.values() or survey.tables) or "no table at all"
        raise DataError(
            f"{survey.root} holds {what} {card.file}, but the card (key `file`) needs exactly one; "
            f"there is {there}. Put it beside the images, or name it with its folder."
        )
    content, place = next(iter(tables.items()))
    rows = read_table(content, place, card.encoding)
    named = [card.image, card.patient, *_described(card).values(), card.split, *card.keep]
    named += [card.label] if card.label is not None else list(card.labels)
    known = {*rows, *(DESCRIBED if survey.films else ())}
    missing = [name for name in dict.fromkeys(named) if name is not None and name not in known]
    if missing:
        raise DataError(
            f"{place} lacks the columns {listed(missing)}, which the card names; it has "
            f"{listed(rows.columns)}. Correct the card."
        )
    return place, rows


def _with_headers(
    rows: pd.DataFrame, card: TableCard, survey: Survey, notes: list[str]
) -> pd.DataFrame:
    """Columns for the DICOM keywords that the card names; rows of files set aside are dropped."""
    if not survey.films:
        return rows
    table = pd.DataFrame({"image_id": _names(rows, card).map(survey.alias)})
    attach(table, survey.images | dict.fromkeys(survey.aside, ""), survey)
    aside = table["location"].isin(list(survey.aside))
    if aside.any():
        notes.append(f"{aside.sum():,} rows dropped whose DICOM files are set aside.")
    named = (card.patient, *_described(card).values(), *card.keep)
    missing = [name for name in named if name is not None and name not in rows]
    columns = {name: films.values(survey, table["location"], name) for name in missing}
    return rows.assign(**columns)[~aside]


def _kept(rows: pd.DataFrame, card: TableCard, place: str, notes: list[str]) -> pd.DataFrame:
    """Drop rows by the values that the card keeps, and count them."""
    for column, allowed in card.keep.items():
        cells = rows[column].str.strip()
        kept = cells.isin(allowed)
        if not kept.any():
            raise DataError(
                f"No row of {place} has {column} {listed(map(repr, allowed))} (key `keep` of the "
                f"card); there is {listed(map(repr, cells.unique()))}."
            )
        if not kept.all():
            dropped = listed(map(repr, sorted(cells[~kept].unique())))
            notes.append(f"{(~kept).sum():,} rows dropped for their {column}: {dropped}.")
        rows = rows[kept]
    return rows


def _names(rows: pd.DataFrame, card: TableCard) -> "pd.Series[str]":
    names = rows[card.image].str.strip()
    return (names + card.suffix).where(names != "", "")


def _columns(
    rows: pd.DataFrame, card: TableCard, survey: Survey, problems: list[str]
) -> pd.DataFrame:
    """Give the card's columns the manifest's names."""
    table = pd.DataFrame({"image_id": _names(rows, card).map(survey.alias)})
    for name, column in {"patient_id": card.patient, **_described(card)}.items():
        table[name] = rows[column] if column is not None else ""
    if card.patient_pattern is not None:
        found = [patient_by(card.patient_pattern, name) for name in _names(rows, card)]
        hide = table["image_id"] != _names(rows, card)  # the name tells somebody
        table["patient_id"] = pd.Series(found, table.index)
        table.loc[hide, "patient_id"] = table.loc[hide, "patient_id"].map(survey.pseudonym)
    table["patient_id"] = table["patient_id"].map(survey.alias)
    table["official_split"] = ""
    if card.split is not None:
        words = rows[card.split].str.strip().str.lower()
        table["official_split"] = words.map(lambda word: SPLITS.get(word, ""))
        if strange := Counter(words[~words.isin([*SPLITS, ""])]):
            problems.append(unknown_labels(strange, list(SPLITS), f"column {card.split}"))
    return table


def _described(card: TableCard) -> dict[str, str | None]:
    """Column of the manifest → column of the table, for what a card may know beside the patient."""
    return {name: getattr(card, name) for name in ("view", "sex", "age", "vendor", "site")}


def _merge(table: pd.DataFrame, notes: list[str], problems: list[str]) -> pd.DataFrame:
    """Merge the rows of an image: a finding in any is present, and absent wins over unknown."""
    if table["image_id"].is_unique:
        return table
    texts = [name for name in table if not str(name).startswith(LABEL)]
    filled = table[texts].mask(table[texts] == "")
    differ = filled.groupby(table["image_id"], sort=False).nunique().gt(1).any(axis=1)
    if differ.any():
        problems.append(
            f"{differ.sum():,} images have rows that differ in patient, split or description: "
            f"{listed(differ.index[differ])}. Correct them in the table."
        )
    merged = filled.assign(**table.drop(columns=texts)).groupby("image_id", sort=False)
    first = table.index[~table["image_id"].duplicated()]
    result = merged.agg({name: "max" if name not in texts else "first" for name in table})
    notes.append(f"{len(table):,} rows merged into {len(result):,} images.")
    return result.fillna(dict.fromkeys(texts, "")).set_axis(first)
