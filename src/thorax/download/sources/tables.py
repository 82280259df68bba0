"""Tables as text, and how a message names their rows and words; every mistake says where it is."""

import csv
import difflib
import gzip
import io
from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from thorax.errors import DataError

_LISTED = 20  # examples in one message


def decode(content: bytes, location: str, encoding: str = "utf-8") -> str:
    """Decode UTF-8 with or without a byte order mark, or as a card says; never guess.

    Raises:
        DataError: other bytes, with the file, the offset, the line and the remedy.
    """
    try:
        if location.lower().endswith(".gz"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except (OSError, EOFError) as error:
        raise DataError(f"{location} is not a whole gzip file ({error}). Fetch it again.") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        guess = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
        raise DataError(
            f"{location} is not {encoding.upper()}: byte 0x{content[error.start]:02x} at offset "
            f"{error.start:,} (line {line:,}). Convert it, for example with `iconv -f {guess} -t "
            f"UTF-8`, if {guess} is what it is; a card can name it (key `encoding`)."
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


def read_table(content: bytes, location: str, encoding: str = "utf-8") -> pd.DataFrame:
    """Read CSV, TSV (also `.gz`) or Parquet into columns of text; blank cells are empty text.

    The index says where a row stands: `row 2` is the first after the header.

    Raises:
        DataError: wrong encoding, ragged rows, two columns of one name, no row at all.
    """
    if location.lower().endswith(".parquet"):
        table = _parquet(content, location)
    else:
        table = _delimited(decode(content, location, encoding), location)
    if table.empty:
        raise DataError(f"{location} holds no row under its header. Fetch or export it again.")
    return table


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


def listed(items: Iterable[object]) -> str:
    """Join the first 20 items and say how many more there are."""
    texts = [str(item) for item in items]
    more = len(texts) - _LISTED
    return ", ".join(texts[:_LISTED]) + (f" … and {more:,} more" if more > 0 else "")


def listed_images(rows: pd.DataFrame) -> str:
    """The images of a labeled list, each with where its row stands."""
    return listed(rows["image_id"] + " (" + rows.index + ")")


def unknown_labels(rows: Mapping[str, int], known: Collection[str], where: str) -> str:
    """Describe labels that stand for no class; `rows` is the number of rows of each."""
    words = []
    for label, count in sorted(rows.items(), key=lambda item: (-item[1], item[0])):
        near = difflib.get_close_matches(label, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        words.append(f"{label!r} ({count:,} row{'s' * (count > 1)}{hint})")
    allowed = ", ".join(repr(name) for name in known)
    return f"{len(words)} unknown in {where}: {listed(words)}. Known are {allowed}."
