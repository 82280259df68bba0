"""The schema of a data card: how a table of the user's own describes images.

A card says only what differs from a plain table: keys that are left out name no column, no word and
no rule. Unlike `params.yaml`, which holds every setting, a card describes one file.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from thorax.config.mistakes import mistakes


class Section(BaseModel):
    """A strict, immutable section: unknown keys and wrong types are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def pattern_mistakes(pattern: str) -> Iterator[str]:
    """What is wrong with a regular expression that is to find the patient in a file's path."""
    try:
        if not re.compile(pattern).groups:
            yield "patient_pattern needs a group in parentheses around what names the patient"
    except re.error as error:
        yield f"patient_pattern is no regular expression ({error})"


class TableCard(Section):
    """How a table of the user's own describes images; `data.card` is one or the path of one."""

    file: Annotated[str, Field(min_length=1)]
    encoding: str = "utf-8"
    image: Annotated[str, Field(min_length=1)]
    suffix: str = ""
    patient: str | None = None
    patient_pattern: str | None = None
    view: str | None = None
    sex: str | None = None
    age: str | None = None
    vendor: str | None = None
    site: str | None = None
    split: str | None = None
    label: str | None = None
    separator: Annotated[str, Field(min_length=1)] | None = None
    labels: Annotated[dict[str, str | None], Field(min_length=1)]
    present: list[str] = []
    absent: list[str] = []
    unknown: list[str] = []
    blank: Literal["present", "absent", "unknown"] = "unknown"
    keep: dict[str, list[str]] = {}
    merge_rows: bool = False
    task: Literal["multi-label", "binary", "multi-class"] = "multi-label"
    positive: str | None = None

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order in which `labels` first names them."""
        return list(dict.fromkeys(name for name in self.labels.values() if name is not None))

    @model_validator(mode="after")
    def _keys_agree(self) -> "TableCard":
        mistakes = [*self._patient_mistakes(), *self._label_mistakes(), *self._task_mistakes()]
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            mistakes.append(f"encoding is {self.encoding!r}; Python knows utf-8, latin-1, cp1252 …")
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    def _patient_mistakes(self) -> Iterator[str]:
        if self.patient is not None and self.patient_pattern is not None:
            yield "only one of patient and patient_pattern can tell the patient"
        if self.patient_pattern:
            yield from pattern_mistakes(self.patient_pattern)

    def _label_mistakes(self) -> Iterator[str]:
        words = [*self.present, *self.absent, *self.unknown]
        if repeated := sorted({word for word in words if words.count(word) > 1}):
            words = list(map(repr, repeated))
            yield f"{', '.join(words)} stand twice in present, absent and unknown"
        if self.label is None and self.separator is not None:
            yield "separator belongs to labels in one column, but label is null"
        if self.label is not None and (self.present or self.absent or self.blank == "present"):
            yield (
                "present and absent have no meaning where label names the one column that holds "
                "the classes; give a word that stands for none of them as `word: null` in labels"
            )

    def _task_mistakes(self) -> Iterator[str]:
        binary = self.task == "binary"
        if binary and len(self.classes) != 2:
            yield f"a binary task has two classes, labels name {len(self.classes)}"
        if binary and self.positive not in self.classes:
            yield f"positive must be one of {', '.join(self.classes)} in a binary task"
        if not binary and self.positive is not None:
            yield "positive belongs to a binary task; write null"


def inline_card(value: Any) -> Any:
    """Check a card that stands in `params.yaml` itself; null and a path pass as they are."""
    if value is None or isinstance(value, str | TableCard):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic turns only this one into a message
            f"{value!r} is not allowed, it must be null, a path or a card's keys"
        )
    try:
        return TableCard.model_validate(value)
    except ValidationError as error:
        raise ValueError("; ".join(mistakes(error, TableCard, value))) from None
