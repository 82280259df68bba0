"""Find the labels of an unknown table: marks in a column each, or words in one."""

from collections import Counter

from thorax.draft import columns as guess
from thorax.draft.columns import Column
from thorax.draft.text import Draft

FEW = 10  # rows of a class, below which the draft asks whether it should be one


def find_labels(result: Draft, rest: list[Column]) -> list[str]:
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
