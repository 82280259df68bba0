"""Tables as text, and the labels in them; every mistake says where it is."""

import csv
import difflib
import gzip
import io
import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from thorax.config import TableCard
from thorax.errors import DataError

_LISTED = 20  # examples in one message


def listed(items: Iterable[str]) -> str:
    """Join the first 20 items and say how many more there are."""
    everything = list(items)
    more = len(everything) - _LISTED
    return ", ".join(everything[:_LISTED]) + (f" … and {more:,} more" if more > 0 else "")


def unknown_labels(rows: Mapping[str, int], known: Collection[str], where: str) -> str:
    """Describe labels that stand for no class; `rows` is the number of rows of each."""
    words = []
    for label, count in sorted(rows.items(), key=lambda item: (-item[1], item[0])):
        near = difflib.get_close_matches(label, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        words.append(f"{label!r} ({count:,} row{'s' * (count > 1)}{hint})")
    allowed = ", ".join(repr(name) for name in known)
    return f"{len(words)} unknown in {where}: {listed(words)}. Known are {allowed}."


def decode(content: bytes, location: str) -> str:
    """Decode UTF-8 with or without a byte order mark; never guess another encoding.

    Raises:
        DataError: other bytes, with the file, the offset, the line and the remedy.
    """
    try:
        if location.lower().endswith(".gz"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise DataError(f"{location} is not a whole gzip file ({error}). Fetch it again.") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        guess = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
        raise DataError(
            f"{location} is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start:,} "
            f"(line {line:,}). Convert it, for example with `iconv -f {guess} -t UTF-8`, if "
            f"{guess} is what it is."
        ) from None


def read_rows(text: str, location: str, delimiter: str) -> dict[int, list[str]]:
    """Split delimited text into rows that are not blank, by the numbers that a spreadsheet shows.

    Raises:
        DataError: a quotation does not end, with its line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return {number: row for number, row in enumerate(reader, 1) if any(row)}
    except csv.Error as error:
        line = reader.line_num
        raise DataError(
            f"{location}, line {line:,}: {error}. Correct it, or fetch it again."
        ) from None


def read_table(content: bytes, location: str) -> pd.DataFrame:
    """Read CSV, TSV (also `.gz`) or Parquet into columns of text; blank cells are empty text.

    The index says where a row stands: `row 2` is the first after the header.

    Raises:
        DataError: wrong encoding, ragged rows, two columns of one name, no row at all.
    """
    if location.lower().endswith(".parquet"):
        table = _parquet(content, location)
    else:
        table = _delimited(decode(content, location), location)
    if table.empty:
        raise DataError(f"{location} holds no row under its header. Fetch or export it again.")
    return table


def read_labels(rows: pd.DataFrame, card: TableCard, place: str) -> tuple[pd.DataFrame, list[str]]:
    """Turn the cells that the card names into 1, 0 or NaN (unknown) per class.

    Args:
        rows: the table as text.
        card: which cells mean what.
        place: name of the table, for messages.

    Returns:
        Columns `label_<class>` for the same rows, and problems: every cell without a meaning.
    """
    if card.label is not None:
        return _from_one_column(rows[card.label], card, f"{place}, column {card.label}")
    return _from_columns(rows, card, place)


def _parquet(content: bytes, location: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:  # pyarrow's own errors are subclasses
        raise DataError(f"{location} is not a whole Parquet file ({error}).") from None
    table.index = pd.Index([f"row {number}" for number in range(2, len(table) + 2)])
    return table.astype(object).where(table.notna(), "").astype(str)


def _delimited(text: str, location: str) -> pd.DataFrame:
    first = text.partition("\n")[0]
    delimiter = max(",\t;", key=first.count)
    rows = read_rows(text, location, delimiter)
    header = rows.pop(min(rows, default=0), [])
    width = len(next(iter(rows.values()), header))
    if len(header) < width:  # some quote NIH's `OriginalImage[Width,Height]`, which is two columns
        header = delimiter.join(header).split(delimiter)
    header = [name.strip() for name in header]
    named = [name for name in header if name]
    if not named or len(set(named)) < len(named):
        repeated = sorted({name for name in named if named.count(name) > 1})
        raise DataError(
            f"{location} has no usable header: {listed(repeated)} appears there more than once."
            if repeated
            else f"{location} is empty. Fetch or export it again."
        )
    ragged = [f"row {n} has {len(row)}" for n, row in rows.items() if len(row) != len(header)]
    if ragged:
        raise DataError(
            f"{location} has {len(header)} columns, but {len(ragged):,} rows have more or fewer: "
            f"{listed(ragged)}. Fetch it again, or correct them."
        )
    index = [f"row {number}" for number in rows]
    table = pd.DataFrame(list(rows.values()), index=index, columns=header, dtype=str)
    return table[named]


def _from_one_column(
    texts: "pd.Series[str]", card: TableCard, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """Split every distinct text once; an unknown word makes all classes unknown."""
    meaning: dict[str, list[float]] = {}
    strange: dict[str, int] = {}
    for text, count in texts.value_counts(sort=False).items():
        words = str(text).split(card.separator) if card.separator else [str(text)]
        words = [word.strip() for word in words if word.strip()]
        for word in set(words).difference(card.labels, card.unknown):
            strange[word] = strange.get(word, 0) + int(count)
        known = {card.labels.get(word) for word in words}
        vague = not {*words}.isdisjoint(card.unknown) if words else card.blank == "unknown"
        meaning[str(text)] = [math.nan if vague else float(c in known) for c in card.classes]
    columns = [f"label_{name}" for name in card.classes]
    table = pd.DataFrame.from_dict(meaning, orient="index", columns=columns)
    problems = [unknown_labels(strange, list(card.labels), where)] if strange else []
    return table.loc[texts.tolist()].set_axis(texts.index), problems


def _from_columns(
    rows: pd.DataFrame, card: TableCard, place: str
) -> tuple[pd.DataFrame, list[str]]:
    """Look every cell up; where several columns are one class, any that is present wins."""
    values = {
        **dict.fromkeys(card.present, 1.0),
        **dict.fromkeys(card.absent, 0.0),
        **dict.fromkeys(card.unknown, math.nan),
        "": {"present": 1.0, "absent": 0.0, "unknown": math.nan}[card.blank],
    }
    labels = pd.DataFrame(index=rows.index)
    problems = []
    for column, name in card.labels.items():
        if name is None:
            continue
        cells = rows[column].str.strip()
        strange = cells[~cells.isin(list(values))].value_counts()
        if len(strange):
            counts = {str(text): int(count) for text, count in strange.items()}
            where = f"{place}, column {column}"
            problems.append(unknown_labels(counts, list(filter(None, values)), where))
        label = cells.map(values).astype(float)
        key = f"label_{name}"
        labels[key] = np.fmax(labels[key], label) if key in labels else label
    return labels, problems
