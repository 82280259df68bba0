"""The gray rule: from stored values and a header to gray levels 0–255 (DICOM PS3.3).

Stored bits → padding set apart → modality LUT, or slope and intercept (C.11.1) → VOI LUT, or the
first window (C.11.2) → 0–1 → inverted for MONOCHROME1 alone (C.7.6.3.1.2) → 0–255, rounded half up.
Presentation LUT Shape (C.11.6) restates the polarity and is never applied. Everything is done once
for each of the 2**bits values that a pixel can have; the picture is then looked up.

tests/gray_cases.json has cases for whoever writes this rule again in another language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thorax.dicom.parse import DicomError, Header, number, numbers, text

TAIL = 5  # percent of the pixels at either end that may be letters or defects
NARROWEST = 1e-9  # a window of less, 0 included, is a mistake
REACH = 0.5  # how far beyond the rest a pixel still belongs to it, fraction of the rest's range

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A LUT: `values[0]` for all inputs up to `first`, its last value for all beyond its end."""

    first: int
    values: Floats

    def at(self, x: Floats) -> Floats:
        """Values at x, rounded half up."""
        index = np.floor(x + 0.5) - self.first
        found: Floats = self.values[np.clip(index, 0, len(self.values) - 1).astype(np.int64)]
        return found

    @property
    def white(self) -> float:
        """Largest value of as many bits as the entries need; descriptors misstate them."""
        return float(2 ** int(self.values.max()).bit_length() - 1) or 1.0


@dataclass(frozen=True)
class Window:
    """Center, width and function: LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str

    def at(self, x: Floats) -> Floats:
        """Brightness 0–1 at x (C.11.2.1.2 and C.11.2.1.3)."""
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (x - self.center) / self.width, -700, 700)))
        if self.function == "LINEAR_EXACT":
            return np.clip((x - self.center) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (x > self.center - 0.5).astype(float)
        return np.clip((x - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)


@dataclass(frozen=True)
class Rule:
    """How stored values become gray.

    Attributes:
        bits: that are stored of a pixel; the others are masked.
        signed: whether the highest of them is a sign.
        padding: stored values from the first to the second are no picture; None: all are.
        modality: a table, or slope and intercept.
        voi: a table, a window, or None.
        inverted: whether the smallest value is white.
    """

    bits: int
    signed: bool
    padding: tuple[int, int] | None
    modality: Table | tuple[float, float]
    voi: Table | Window | None
    inverted: bool

    @property
    def name(self) -> str:
        """The rule in words, by which images are counted."""
        steps = []
        if isinstance(self.modality, Table):
            steps.append("modality LUT")
        elif self.modality != (1.0, 0.0):
            steps.append("rescaled" if self.modality[0] > 0 else "rescaled, negative slope")
        if isinstance(self.voi, Window):
            steps.append(f"{self.voi.function.lower().replace('_', ' ')} window")
        else:
            steps.append("no window" if self.voi is None else "VOI LUT")
        return ", ".join([*steps, *(["inverted"] if self.inverted else [])])


def rule_of(header: Header) -> Rule:
    """The rule that a header states.

    Raises:
        DicomError: its bits are impossible.
    """
    allocated = number(header, "BitsAllocated", 0)
    bits = number(header, "BitsStored", allocated)
    if allocated not in (8, 16) or not 1 <= bits <= allocated:
        raise DicomError("has an impossible number of bits a pixel")
    signed = number(header, "PixelRepresentation", 0) == 1
    modality = _modality(header, signed)
    negative = signed or (isinstance(modality, tuple) and min(_ends(bits, signed, modality)) < 0)
    return Rule(
        bits=bits,
        signed=signed,
        padding=_padding(header, allocated, signed),
        modality=modality,
        voi=_table(header, "VOILUTSequence", negative) or _window(header),
        inverted=text(header, "PhotometricInterpretation") == "MONOCHROME1",
    )


def contradicts_itself(header: Header) -> bool:
    """Whether Presentation LUT Shape states another polarity than Photometric Interpretation."""
    pair = text(header, "PhotometricInterpretation"), text(header, "PresentationLUTShape")
    return pair in (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE"))


def to_gray(codes: NDArray[np.uint16], rule: Rule) -> NDArray[np.uint8]:
    """Gray levels of an image, by the stored bits of its pixels.

    Args:
        codes: [H, W] or any other shape; bits beyond the stored ones do not count.
        rule: of the image.

    Raises:
        DicomError: no window, and a single value.
    """
    codes = codes & np.uint16(2**rule.bits - 1)
    stored = np.arange(2**rule.bits)
    if rule.signed:
        stored = np.where(stored < 2 ** (rule.bits - 1), stored, stored - 2**rule.bits)
    padded = np.zeros(len(stored), bool)
    if rule.padding is not None:
        padded = (stored >= rule.padding[0]) & (stored <= rule.padding[1])
    x = _modal(stored.astype(np.float64), rule.modality)
    if isinstance(rule.voi, Table):
        y = rule.voi.at(x) / rule.voi.white
    elif isinstance(rule.voi, Window):
        y = rule.voi.at(x)
    else:
        low, high = _range(codes, x, padded, rule)
        y = np.clip((x - low) / (high - low), 0, 1)
    if rule.inverted:
        y = 1 - y
    gray = np.floor(255 * y + 0.5).astype(np.uint8)
    gray[padded] = 0
    return gray[codes]


def whiskers(values: NDArray[Any]) -> tuple[float, float]:
    """Darkest and brightest value, outliers aside.

    A defect pixel or a letter burnt in at 65,535 would leave nothing of a 12-bit radiograph. So
    the ends are those of a box plot's whiskers (Tukey 1977), around the middle 90% of the pixels.
    """
    first, last = (float(value) for value in np.percentile(values, (TAIL, 100 - TAIL)))
    reach = REACH * (last - first)
    inside = values[(values >= first - reach) & (values <= last + reach)] if reach else values
    return float(inside.min()), float(inside.max())


def _range(
    codes: NDArray[np.uint16], x: Floats, padded: NDArray[np.bool_], rule: Rule
) -> tuple[float, float]:
    """What is black and white without window: 8 bits in full, deeper images by their own values."""
    if rule.bits <= 8 and isinstance(rule.modality, tuple):
        return min(ends := _ends(rule.bits, rule.signed, rule.modality)), max(ends)
    kept = codes[~padded[codes]] if padded.any() else codes
    low, high = whiskers(x[kept]) if kept.size else (0.0, 0.0)
    if not high > low:
        raise DicomError("has one pixel value only")
    return low, high


def _modal(stored: Floats, modality: Table | tuple[float, float]) -> Floats:
    if isinstance(modality, Table):
        return modality.at(stored)
    return stored * modality[0] + modality[1]


def _ends(bits: int, signed: bool, modality: tuple[float, float]) -> tuple[float, float]:
    low = -(2 ** (bits - 1)) if signed else 0
    return low * modality[0] + modality[1], (low + 2**bits - 1) * modality[0] + modality[1]


def _modality(header: Header, signed: bool) -> Table | tuple[float, float]:
    table = _table(header, "ModalityLUTSequence", signed)
    if table is not None:
        return table
    slope, intercept = (numbers(header, f"Rescale{name}")[:1] for name in ("Slope", "Intercept"))
    return (slope or [1.0])[0] or 1.0, (intercept or [0.0])[0]  # a slope of 0 states nothing


def _window(header: Header) -> Window | None:
    center, width = (numbers(header, f"Window{name}")[:1] for name in ("Center", "Width"))
    if not center or not width or width[0] < NARROWEST:
        return None
    function = text(header, "VOILUTFunction")
    if function not in ("SIGMOID", "LINEAR_EXACT"):
        function = "LINEAR" if width[0] >= 1 else "LINEAR_EXACT"
    return Window(center[0], width[0], function)


def _table(header: Header, keyword: str, signed: bool) -> Table | None:
    """The first table of a sequence, if there is a whole one."""
    items = header.get(keyword)
    item: Mapping[str, Any] = items[0] if isinstance(items, list) and items else {}
    descriptor, data = numbers(dict(item), "LUTDescriptor"), item.get("LUTData")
    if len(descriptor) != 3:
        return None
    entries, first = int(descriptor[0]) % 2**16 or 2**16, int(descriptor[1]) % 2**16
    if isinstance(data, bytes):  # one byte an entry where they are no longer than that
        wide = len(data) >= 2 * entries
        data = np.frombuffer(data[: len(data) // 2 * 2] if wide else data, "<u2" if wide else "u1")
    else:
        data = numbers(dict(item), "LUTData")
    values = np.asarray(data, np.float64)[:entries]
    if not values.size or values.min() < 0:
        return None
    return Table(first - 2**16 if signed and first >= 2**15 else first, values)


def _padding(header: Header, allocated: int, signed: bool) -> tuple[int, int] | None:
    value = numbers(header, "PixelPaddingValue")[:1]
    if not value:
        return None
    limit = numbers(header, "PixelPaddingRangeLimit")[:1] or value
    ends = sorted(_as_stored(int(end[0]), allocated, signed) for end in (value, limit))
    return ends[0], ends[1]


def _as_stored(value: int, allocated: int, signed: bool) -> int:
    """A value whose sign may be coded wrongly, as the pixels have theirs."""
    value %= 2**allocated
    return value - 2**allocated if signed and value >= 2 ** (allocated - 1) else value
