"""Guess what the columns of an unknown table mean, from their names and their words."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from thorax.archives import file_name
from thorax.dicom.header import VIEW
from thorax.download.sources.match import SPLITS
from thorax.download.validate import NO_SEX, SEX, years

PRESENT = {"1", "1.0", "yes", "y", "true", "t", "present", "positive", "pos", "x", "+", "ja"}
ABSENT = {"0", "0.0", "no", "n", "false", "f", "absent", "negative", "neg", "-", "nein"}
UNKNOWN = {
    "-1", "-1.0", "?", "u", "uncertain", "unsure", "unclear", "unknown", "na", "n/a", "nan", "todo",
    "unbekannt", "unklar", "fraglich",
}  # fmt: skip
NOTHING = {
    "no finding", "no findings", "nofinding", "normal", "none", "healthy", "unremarkable", "clear",
    "ohne befund", "o.b.", "unauffällig",
} | ABSENT  # fmt: skip
SEPARATORS = "|;,/+&"
MOST_WORDS = 60  # of a column of labels; more are free text
SAMPLE = 500  # rows that are compared with the names of the images

# What the words of a column's name start with.
PATIENT = ("patient", "subject", "person", "case", "mrn", "pid", "pat", "proband", "fall")
LABEL = (
    "label", "finding", "diagnos", "class", "target", "disease", "patholog", "outcome", "category",
    "befund", "condition",
)  # fmt: skip
NAMED = {
    "age": ("age", "alter", "years"),
    "vendor": ("manufacturer", "vendor", "hersteller"),
    "site": ("site", "hospital", "institution", "center", "centre", "klinik", "standort"),
}
# A number behind one of these words in a file's name is taken for the patient's.
PATTERN = r"(?i)(?:patient|subject|person|pat|subj)[-_ ]?(\d+)"


@dataclass(frozen=True)
class Column:
    """A column of a table: its name and its words (empty: a blank cell) with their counts."""

    name: str
    words: Counter[str]

    @property
    def filled(self) -> list[str]:
        """The distinct words that are not blank."""
        return [word for word in self.words if word]

    def named(self, *beginnings: str) -> bool:
        """Whether a word of the column's name, `PatientID` having two, begins so."""
        apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name).lower()
        return any(token.startswith(beginnings) for token in re.findall(r"[^\W\d_]+", apart))

    def share(self, words: Iterable[str]) -> float:
        """Fraction of the filled cells that hold one of these words, in any case."""
        known = {word.lower() for word in words}
        count = sum(n for word, n in self.words.items() if word and word.lower() in known)
        return count / max(1, self.words.total() - self.words[""])


def columns_of(rows: pd.DataFrame) -> list[Column]:
    """Every column that is not blank throughout."""
    columns = (Column(str(name), Counter(rows[name].str.strip())) for name in rows)
    return [column for column in columns if column.filled]


def image_column(
    rows: pd.DataFrame, images: Iterable[str], alias: Callable[[str], str]
) -> tuple[str, str, float] | None:
    """Column that names most images, what to append to it, and the share of rows that do.

    `alias` gives what stands in the locations of images for a name in the table.
    """
    names = {file_name(place) for place in images}
    suffixes = Counter(PurePosixPath(name).suffix for name in names)
    sample = rows.iloc[:: max(1, len(rows) // SAMPLE)]
    best, most = None, 0
    for suffix in ("", *(suffix for suffix, _ in suffixes.most_common())):
        for column in rows:
            ends = sample[column].str.strip().str.replace("\\", "/").str.rpartition("/")[2] + suffix
            ends = ends.map(alias)
            found = ends[ends.isin(names)]
            if found.nunique() > most:
                best, most = (str(column), suffix, len(found) / len(ends)), found.nunique()
    return best


def patient_column(columns: Iterable[Column]) -> str | None:
    """A column named after patients with several of them; one with `id` or a number first."""
    fitting = [
        column
        for column in columns
        if column.named(*PATIENT)
        and not column.named("age", "alter", "sex", "gender", "name", "position")
        and len(column.filled) > 1
        and column.share([*SEX, *VIEW, *NO_SEX]) < 0.5
    ]
    best = min(fitting, key=lambda column: (not _is_number(column), column.words[""]), default=None)
    return best.name if best else None


def _is_number(column: Column) -> bool:
    return column.named("id", "mrn", "pid", "nr", "no", "num", "patientid", "patid")


def described(columns: Iterable[Column]) -> Iterator[tuple[str, str]]:
    """Key of a card and its column: view and sex by their words, the others by their names."""
    found: set[str] = set()
    for column in columns:
        key = _meaning(column)
        if key and key not in found:
            found.add(key)
            yield key, column.name


def _meaning(column: Column) -> str | None:
    if column.share(VIEW) > 0.9:
        return "view"
    if column.share([*SEX, *NO_SEX]) > 0.9 and column.share(SEX) > 0.5:
        return "sex"
    if column.share(SPLITS) == 1 and len(column.filled) > 1:
        return "split"
    for key, beginnings in NAMED.items():
        if column.named(*beginnings):
            ages = sum(bool(years(word.upper())) for word in column.filled)
            if key != "age" or ages > len(column.filled) / 2:
                return key
    return None


def marks(columns: Iterable[Column]) -> list[Column]:
    """Columns that say of one finding each whether it is there."""
    return [
        column
        for column in columns
        if column.share(PRESENT | ABSENT) > 0 and column.share(PRESENT | ABSENT | UNKNOWN) == 1
    ]


def separator_of(column: Column) -> str | None:
    """What separates the labels in a cell: the sign that leaves fewest distinct words."""
    cells = len(column.filled)
    counts = {sign: len(split(column, sign)) for sign in SEPARATORS}
    joined = {
        sign: count
        for sign, count in counts.items()
        if any(sign in word for word in column.filled) and count < cells
    }
    return min(joined, key=joined.__getitem__, default=None)


def split(column: Column, separator: str | None) -> Counter[str]:
    """Rows of every label in a column."""
    rows: Counter[str] = Counter()
    for cell, count in column.words.items():
        words = {word.strip() for word in (cell.split(separator) if separator else [cell])}
        rows.update(dict.fromkeys(words - {""}, count))
    return rows


def label_column(columns: Iterable[Column]) -> Column | None:
    """A column of few words, one that is named after findings first."""
    fitting = [
        column
        for column in columns
        if 2 <= len(split(column, separator_of(column))) <= MOST_WORDS
        and not all(re.fullmatch(r"[\d.,+-]+", word) for word in column.filled)
    ]
    return min(fitting, key=lambda column: not column.named(*LABEL), default=None)


def patient_pattern(names: Mapping[str, int] | Iterable[str]) -> str | None:
    """A pattern that finds a number of several patients in every name, if one is known."""
    found = [re.search(PATTERN, name) for name in names]
    numbers = {match[1] for match in found if match}
    return PATTERN if len(numbers) > 1 and all(found) else None
