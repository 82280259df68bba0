"""Tables as text: every cell stays what it was, and every mistake says where it is."""

import csv
import difflib
import gzip
import io
import itertools
from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from thorax.errors import DataError

_LISTED = 20  # examples in one message


def listed(items: Iterable[str]) -> str:
    """Join the first 20 items and say how many more there are."""
    everything = list(items)
    more = len(everything) - _LISTED
    return ", ".join(everything[:_LISTED]) + (f" … and {more:,} more" if more > 0 else "")


def unknown_labels(rows: Mapping[str, int], known: Collection[str], where: str) -> str:
    """Word the problem of labels that no class stands for: `rows` counts each one's rows."""
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
        DataError: other bytes, with the file, the offset, the line and the cure.
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


def read_table(content: bytes, location: str) -> pd.DataFrame:
    """Read CSV, TSV (also `.gz`) or Parquet into columns of text; blank cells are empty text.

    The index says where a row stands: `row 2` is the first after the header.

    Raises:
        DataError: wrong encoding, ragged rows, columns of the same name, no row at all.
    """
    if location.lower().endswith(".parquet"):
        table = _parquet(content, location)
    else:
        table = _delimited(decode(content, location), location)
    if table.empty:
        raise DataError(f"{location} holds no row under its header. Fetch or export it again.")
    return table


def _parquet(content: bytes, location: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:  # pyarrow's own errors are subclasses
        raise DataError(f"{location} is not a whole Parquet file ({error}).") from None
    table.index = _row_names(len(table))
    return table.astype(object).where(table.notna(), "").astype(str)


def _row_names(count: int) -> "pd.Index[str]":
    return pd.Index([f"row {number}" for number in range(2, count + 2)])


def _delimited(text: str, location: str) -> pd.DataFrame:
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",\t;", key=first.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    header, *following = itertools.islice(rows, 2) if text.strip() else [[]]
    width = max(len(header), *(len(row) for row in following), 0)
    if len(header) < width:  # NIH quotes `OriginalImage[Width,Height]`, which is two columns
        header = delimiter.join(header).split(delimiter)
    repeated = sorted({name for name in header if header.count(name) > 1})
    if not header or repeated or len(header) < width:
        raise DataError(
            f"{location} has an unusable header of {len(header)} names over {width} columns"
            + (f", where {listed(repeated)} repeats" if repeated else "")
            + ". Give every column its own name in the first row."
        )
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=delimiter, names=header, header=0, index_col=False, dtype=str,
            keep_default_na=False, na_filter=False, skip_blank_lines=False,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = str(error).strip().rpartition("C error: ")[2]
        raise DataError(f"{location} is not a valid table: {reason}. Correct that line.") from None
    table.index = _row_names(len(table))
    table = table.rename(columns=str.strip).drop(columns="", errors="ignore")
    blank = table.isin([""]).sum(axis=1) + table.isna().sum(axis=1) == table.shape[1]
    table = table[~blank]
    short = table.index[table.isna().any(axis=1)]
    if len(short):
        raise DataError(
            f"{location} has {len(short):,} rows with fewer fields than the header: "
            f"{listed(short)}. Fetch it again, or correct them."
        )
    return table
