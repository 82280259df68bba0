"""A card in the making, and how it is written: YAML with remarks and open questions."""

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thorax.config import TableCard

SHOWN = 8  # values of a column


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


def written(result: Draft, table: Path, root: Path, outcome: str) -> str:
    """The whole draft: how to run it, what came of reading it, questions, the card."""
    name = f"cards/{table.name.partition('.')[0]}.yaml"
    path = shlex.quote(f"data.path={root}")
    head = [
        f"Draft of `thorax card {table.name}`. Save it as {name}, check it, then",
        f"    thorax run -S data.source=table -S {path} -S data.card={name}",
        "",
        *outcome.splitlines(),
        "",
        *(["Open questions:"] if result.questions else []),
        *(q if q.startswith(" ") else f"- {q}" for q in result.questions),
    ]
    comments = [f"# {line}".rstrip() for line in head]
    return "\n".join([*comments, "", *_yaml(result)])


def _yaml(result: Draft) -> Iterator[str]:
    for key in (name for name in TableCard.model_fields if name in result.keys):
        value = result.keys[key]
        remark = result.remarks.get(key, "")
        if isinstance(value, dict) and value:
            yield f"{key}:"
            for word, name in value.items():
                line = f"  {scalar(word)}: {scalar(name)}"
                yield _commented(line, result.remarks.get(f"{key}.{word}", ""))
        elif isinstance(value, list):
            yield _commented(f"{key}: [{', '.join(map(scalar, value))}]", remark)
        else:
            yield _commented(f"{key}: {scalar(value)}", remark)


def _commented(line: str, remark: str) -> str:
    return f"{line:<40} # {remark}" if remark else line


def scalar(value: Any) -> str:
    """YAML of a text, plain where nothing can be meant but the text, or of true, null or {}."""
    plain = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n|nan)$)[^\W\d_][\w ./()]*", re.I)
    if isinstance(value, str) and plain.fullmatch(value) and value == value.strip():
        return value
    if isinstance(value, str) and "\\" in value:  # a pattern
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


def values(words: Mapping[str, int]) -> str:
    """The commonest words of a column, with their rows."""
    common = Counter(words).most_common(SHOWN)
    shown = ", ".join(f"{word or '(blank)'} {count:,}" for word, count in common)
    return f"{len(words):,} values, mostly {shown}" if len(words) > SHOWN else shown
