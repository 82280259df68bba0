"""The command `thorax card`: draft the card of an unknown table, with what is still to be decided.

A draft guesses and says so; it is read once as a run would read it, and what that gives stands at
its head.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from thorax.archives import TABLE, Survey, listing, path_in_data
from thorax.config import Data, TableCard, check
from thorax.download import read
from thorax.download.sources.tables import read_table
from thorax.download.validate import VIEW
from thorax.draft import columns as guess
from thorax.draft.columns import Column
from thorax.errors import DataError, ThoraxError
from thorax.io import LABEL

FEW = 10  # rows of a class, below which the draft asks whether it should be one
SHOWN = 8  # words of a column that is not used


@dataclass
class Draft:
    """A card on its way: keys and values, what is said behind them, and open questions."""

    keys: dict[str, Any]
    remarks: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    def set(self, key: str, value: Any, remark: str = "") -> None:
        """Give a key its value."""
        self.keys[key] = value
        self.remarks[key] = remark


def draft(table: Path, images: Path) -> str:
    """A card for `table`, whose images lie under `images`, with comments.

    Raises:
        DataError: the table or the images do not exist, or the table cannot be read.
    """
    for path in (table, images):
        if not path.exists():
            raise DataError(f"{path} does not exist.")
    if not table.name.lower().endswith(TABLE):
        raise DataError(f"{table} is no {', '.join(TABLE)}. Export it as CSV.")
    within = images if images.is_dir() else images.parent
    root = Path(os.path.commonpath([table.parent.resolve(), within.resolve()]))
    content = listing(root)
    encoding = _encoding(table)
    rows = read_table(table.read_bytes(), str(table), encoding)
    result = Draft({"file": _file(table, root, content)})
    if encoding != "utf-8":
        result.set("encoding", encoding)
        result.questions.append(f"the table is not UTF-8: are names right when read as {encoding}?")
    found = guess.columns_of(rows)
    rest = _describe(result, rows, found, list(content.images) if content else [])
    used = _labels(result, rest)
    if unused := [column for column in rest if column.name not in used]:
        result.questions.append("columns not used, should one be (`keep`, `site`, a label)?")
        result.questions += [f"    {column.name}: {_words(column.words)}" for column in unused]
    return _text(result, table, root, _read_back(result.keys, content, root))


def _encoding(table: Path) -> str:
    """UTF-8 if the bytes are; else what writes a table in Western Europe, or UTF-16 by its mark."""
    content = table.read_bytes()
    if table.name.lower().endswith((".parquet", ".gz")):
        return "utf-8"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _file(table: Path, root: Path, content: Survey | None) -> str:
    """Name of the table, with its folders where another one has the same name."""
    same = [
        at for at in (content.tables if content else ()) if path_in_data(at).endswith(table.name)
    ]
    return table.name if len(same) < 2 else table.resolve().relative_to(root).as_posix()


def _describe(
    result: Draft, rows: pd.DataFrame, columns: list[Column], images: list[str]
) -> list[Column]:
    """Find the columns of image, patient, view, sex …; the columns that are left."""
    _image(result, rows, images)
    image = result.keys["image"]
    rest = [column for column in columns if column.name != image]
    if patient := guess.patient_column(rest):
        result.set("patient", patient, f"{rows[patient].nunique():,} patients")
    elif pattern := guess.patient_pattern(rows[image]):
        result.set("patient_pattern", pattern, "a number in the names of the images")
        result.questions.append("is the number in the names of the images the patient's?")
    else:
        result.questions.append(
            "nothing names patients, so that images of one may be trained and tested on. Is there "
            "a column (`patient`), or a part of the file name (`patient_pattern: '^(.+?)_'`)?"
        )
    rest = [column for column in rest if column.name != patient]
    by_name = {column.name: column for column in rest}
    for key, name in guess.described(rest):
        result.set(key, name, _words(by_name[name].words))
        if key == "view" and (lateral := _laterals(by_name[name])):
            frontal = [word for word in by_name[name].filled if word not in lateral]
            result.questions.append(
                f"{', '.join(lateral)} are lateral views: leave them out? "
                f"keep: {{{_scalar(name)}: [{', '.join(map(_scalar, frontal))}]}}"
            )
    return [column for column in rest if column.name not in result.keys.values()]


def _image(result: Draft, rows: pd.DataFrame, images: list[str]) -> None:
    match = guess.image_column(rows, images)
    if match is None:
        result.set("image", str(rows.columns[0]), "a guess: no column names an image")
        result.questions.append("which column names the images, and where do they lie?")
        return
    column, suffix, share = match
    result.set("image", column, f"{share:.0%} of the rows name an image that is here")
    if suffix:
        result.set("suffix", suffix)
    if not rows[column].is_unique:
        result.set("merge_rows", True, f"{len(rows):,} rows, {rows[column].nunique():,} images")
        result.questions.append("is it right that a finding in any row of an image is present?")


def _laterals(column: Column) -> list[str]:
    return [word for word in column.filled if VIEW.get(word.upper()) == "LATERAL"]


def _labels(result: Draft, rest: list[Column]) -> list[str]:
    """Find the labels; the names of their columns."""
    marked = guess.marks(rest)
    worded = guess.label_column(column for column in rest if column not in marked)
    if worded and (worded.named(*guess.LABEL) or not marked):
        return _words_of_one(result, worded)
    if marked:
        return _one_mark(result, marked[0]) if len(marked) == 1 else _marks(result, marked)
    result.set("labels", {}, "no column looks like one of labels: name it")
    result.questions.append("where are the labels? docs/sources.md describes `label` and `labels`")
    return []


def _marks(result: Draft, marked: list[Column]) -> list[str]:
    """A finding a column, several of them at once."""
    words: Counter[str] = sum((column.words for column in marked), Counter())
    for key, known in (
        ("present", guess.PRESENT), ("absent", guess.ABSENT), ("unknown", guess.UNKNOWN),
    ):  # fmt: skip
        there = [word for word in words if word.lower() in known]
        if there:
            result.set(key, there, ", ".join(f"{words[word]:,} cells" for word in there))
    result.set("labels", {column.name: column.name for column in marked})
    for column in marked:
        _remark(result, column.name, sum(column.words[w] for w in result.keys.get("present", [])))
    _blank(result, words, "absent" if "absent" not in result.keys else "unknown")
    return [column.name for column in marked]


def _one_mark(result: Draft, column: Column) -> list[str]:
    """Present or absent of one finding: two classes, the first of which is the positive one."""
    names = {True: column.name, False: f"no {column.name}"}
    known = {word: word.lower() in guess.PRESENT for word in column.filled}
    unknown = [word for word in column.filled if word.lower() in guess.UNKNOWN]
    labels = {word: names[there] for word, there in known.items() if word not in unknown}
    result.set("label", column.name)
    result.set("labels", labels)
    for word in labels:
        _remark(result, word, column.words[word])
    if unknown:
        result.set("unknown", unknown)
    result.set("task", "binary")
    result.set("positive", column.name)
    _blank(result, column.words, "unknown")
    return [column.name]


def _words_of_one(result: Draft, column: Column) -> list[str]:
    """Labels in one column, by themselves or joined by a separator."""
    separator = guess.separator_of(column)
    rows = guess.split(column, separator)
    unknown = [word for word in rows if word.lower() in guess.UNKNOWN]
    words = [word for word, _ in rows.most_common() if word not in unknown]
    nothing = [word for word in words if word.lower() in guess.NOTHING]
    several = separator is not None or result.keys.get("merge_rows", False)
    result.set("label", column.name)
    if separator:
        result.set("separator", separator)
    result.set("labels", {word: None if several and word in nothing else word for word in words})
    for word in words:
        _remark(result, word, rows[word])
    if unknown:
        result.set("unknown", unknown)
    if not several:
        result.set("task", "binary" if len(words) == 2 else "multi-class")
    if not several and len(words) == 2:
        positive = next((word for word in reversed(words) if word not in nothing), words[-1])
        result.set("positive", positive)
        if len(nothing) != 1:
            result.questions.append(f"is {positive} the positive class?")
    _blank(result, column.words, "unknown")
    return [column.name]


def _blank(result: Draft, words: Counter[str], meaning: str) -> None:
    if words[""]:
        result.set("blank", meaning, f"{words['']:,} cells")
        result.questions.append(
            f"{words['']:,} cells of labels are blank, taken for {meaning}: right, or does blank "
            f"mean {'unknown' if meaning == 'absent' else 'absent'}?"
        )


def _remark(result: Draft, word: str, rows: int) -> None:
    result.remarks[f"labels.{word}"] = f"{rows:,} rows"
    if rows < FEW and result.keys["labels"][word]:
        result.questions.append(f"{word} stands in {rows} rows only: no class (null)?")


def _read_back(keys: Mapping[str, Any], content: Survey | None, root: Path) -> str:
    """What a run would read with this card, or why it would stop."""
    if content is None:
        return f"Not tried: {root} holds large archives that must be unpacked to list them."
    try:
        card = check(keys, TableCard, "this card")
        settings = {"source": "table", "path": str(root), "card": card, "task": "auto"}
        data = Data.model_construct(**settings, positive=None, patient_id="auto")  # type: ignore[arg-type]
        labeled = read(content, data)
    except ThoraxError as error:
        return f"A run would stop with it: {error}"
    classes = (
        f"{column.removeprefix(LABEL)} {int((labeled.table[column] == 1).sum()):,}"
        for column in map(str, labeled.table.filter(like=LABEL))
    )
    patients = labeled.table["patient_id"].nunique()
    text = f"{len(labeled.table):,} images of {patients:,} patients. {labeled.task}: "
    return "\n".join([f"Read with this card: {text}{', '.join(classes)}.", *labeled.notes])


def _text(result: Draft, table: Path, root: Path, outcome: str) -> str:
    name = f"cards/{table.name.partition('.')[0]}.yaml"
    head = [
        f"Draft of `thorax card {table.name}`. Save it as {name}, check it, then",
        f"    thorax run -S data.source=table -S data.path={root} -S data.card={name}",
        "",
        *outcome.splitlines(),
        "",
        *(["Open questions:"] if result.questions else []),
        *(q if q.startswith(" ") else f"- {q}" for q in result.questions),
    ]
    comments = [f"# {line}".rstrip() for line in head]
    return "\n".join([*comments, "", *_yaml(result)])


def _yaml(result: Draft) -> Iterable[str]:
    for key in (name for name in TableCard.model_fields if name in result.keys):
        value = result.keys[key]
        remark = result.remarks.get(key, "")
        if isinstance(value, dict) and value:
            yield f"{key}:"
            for word, name in value.items():
                line = f"  {_scalar(word)}: {_scalar(name)}"
                yield _commented(line, result.remarks.get(f"{key}.{word}", ""))
        elif isinstance(value, list):
            yield _commented(f"{key}: [{', '.join(map(_scalar, value))}]", remark)
        else:
            yield _commented(f"{key}: {_scalar(value)}", remark)


def _commented(line: str, remark: str) -> str:
    return f"{line:<40} # {remark}" if remark else line


def _scalar(value: Any) -> str:
    """YAML of a text, plain where nothing can be meant but the text, or of true, null or {}."""
    plain = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n|nan)$)[^\W\d_][\w ./()]*", re.I)
    if isinstance(value, str) and plain.fullmatch(value) and value == value.strip():
        return value
    if isinstance(value, str) and "\\" in value:  # a pattern
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


def _words(words: Mapping[str, int]) -> str:
    """The commonest words of a column, with their rows."""
    common = Counter(words).most_common(SHOWN)
    shown = ", ".join(f"{word or '(blank)'} {count:,}" for word, count in common)
    return f"{len(words):,} values, mostly {shown}" if len(words) > SHOWN else shown
