"""Read a DICOM file's header into plain values, whatever its sender got wrong.

pydicom parses. Nothing that it says about a broken value leaves this module: its warnings and
errors quote the value, which may name a patient.
"""

import io
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

HEAD = 2**18  # bytes that hold the header of nearly every radiograph, its tables included
MOST_PIXELS = 2**26  # of one image; the largest detectors have under 2**25
MOST_BYTES = 2 * MOST_PIXELS + 2**24  # of a file that is inflated
IMPLICIT, DEFLATED, BIG_ENDIAN = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
)  # fmt: skip
PIXELS = 0x7FE00008  # from this tag on: pixels, as floats or integers

IDENTIFIERS = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "StudyInstanceUID",
    "SeriesInstanceUID", "SOPInstanceUID", "PatientBirthDate", "StudyDate", "SeriesDate",
    "AcquisitionDate", "ContentDate", "InstanceCreationDate",
)  # fmt: skip
NAMES = ("PatientName", "OtherPatientNames", "ReferringPhysicianName", "OperatorsName")
KEYWORDS = (
    *IDENTIFIERS, *NAMES, "SpecificCharacterSet", "SOPClassUID", "Modality", "Manufacturer",
    "ManufacturerModelName", "InstitutionName", "StationName", "SeriesDescription", "ProtocolName",
    "PresentationIntentType", "IssuerOfPatientID", "PatientSex", "PatientAge", "BodyPartExamined",
    "ViewPosition", "ViewCodeSequence", "PatientOrientation", "BurnedInAnnotation",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio",
)  # fmt: skip
ITEM = ("LUTDescriptor", "LUTData", "CodeMeaning")  # of what stands in an item of a sequence
_TAGS = {keyword: tag for keyword in (*KEYWORDS, *ITEM) if (tag := tag_for_keyword(keyword))}
_PARSING = threading.Lock()  # filters of warnings are the whole process's; pydicom holds the GIL
logging.getLogger("pydicom").disabled = True

Header = dict[str, Any]  # keyword → number, text, bytes, list of these; a sequence: list of headers


class DicomError(ValueError):
    """A file that cannot be used; the message quotes no value of it."""


@dataclass(frozen=True)
class Parsed:
    """A header and where the pixels are.

    Attributes:
        header: values by keyword; one that is absent, empty or unreadable is missing.
        syntax: UID of the transfer syntax.
        pixels: the element's value: bytes, or fragments in items; None where there is none.
        encapsulated: the value is fragments.
        swapped: its words have the high byte first.
        words: bytes of 8 bits are swapped too, because they stand in words.
    """

    header: Header
    syntax: str
    pixels: memoryview | None
    encapsulated: bool
    swapped: bool
    words: bool


def is_dicom(content: bytes) -> bool:
    """Whether the bytes are a DICOM file (PS3.10, section 7.1)."""
    return content[128:132] == b"DICM"


def parse(content: bytes) -> Parsed:
    """Read a file, or its first `HEAD` bytes, up to its pixels.

    Raises:
        DicomError: no DICOM file, a damaged one, or one that unpacks to more than it may.
    """
    if not is_dicom(content):
        raise DicomError("is no DICOM file")
    try:
        with _quietly():
            return _parse(content)
    except DicomError:
        raise
    except Exception:  # of any kind: pydicom raises some dozen for damaged files
        raise DicomError("is a damaged DICOM file") from None


def size(parsed: Parsed) -> tuple[int, int]:
    """Rows and columns.

    Raises:
        DicomError: none, or more than a radiograph has.
    """
    rows, columns = number(parsed.header, "Rows", 0), number(parsed.header, "Columns", 0)
    if rows < 1 or columns < 1:
        raise DicomError("states no rows and columns")
    if rows * columns > MOST_PIXELS:
        raise DicomError(f"claims {rows} x {columns} pixels, more than any radiograph has")
    return rows, columns


@contextmanager
def _quietly() -> Iterator[None]:
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _parse(content: bytes) -> Parsed:
    file = io.BytesIO(content)
    file.seek(132)
    meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >= 0x30000)
    syntax = str(meta.get("TransferSyntaxUID") or IMPLICIT)
    if syntax == DEFLATED:
        content = _inflated(content[file.tell() :])
        file = io.BytesIO(content)
    little = syntax != BIG_ENDIAN
    found = []

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        if tag >= PIXELS:
            found.append((vr, length))
        return tag >= PIXELS

    tags = [_TAGS[keyword] for keyword in KEYWORDS]
    dataset = read_dataset(file, syntax == IMPLICIT, little, None, at_pixels, specific_tags=[*tags])
    header = _plain(dataset, KEYWORDS, little)
    pixels, vr, encapsulated = None, None, False
    if found:
        ((vr, length),) = found
        start = file.tell() + (8 if dataset.original_encoding[0] or vr not in _LONG else 12)
        encapsulated = length == 0xFFFFFFFF
        pixels = memoryview(content)[start : len(content) if encapsulated else start + length]
    return Parsed(header, syntax, pixels, encapsulated, not little, not little and vr == "OW")


_LONG = ("OB", "OW", "OF", "OD", "OL", "OV", "UN")  # explicit VRs whose length has four bytes


def _inflated(packed: bytes) -> bytes:
    """Inflate a data set, but only as far as an image may reach."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    head = unpacker.decompress(packed, HEAD)
    rows, columns = (_plain_number(head, tag) for tag in (b"\x28\x00\x10\x00", b"\x28\x00\x11\x00"))
    most = min(MOST_BYTES, 4 * rows * columns + 2**24)
    content = head + unpacker.decompress(unpacker.unconsumed_tail, most)
    if unpacker.unconsumed_tail and not unpacker.eof:
        raise DicomError("inflates to more than its rows and columns can hold")
    return content


def _plain_number(content: bytes, tag: bytes) -> int:
    """An unsigned short in explicit little endian, which is what a deflated data set is; or 0."""
    at = content.find(tag + b"US\x02\x00")
    return int(struct.unpack_from("<H", content, at + 8)[0]) if 0 <= at <= len(content) - 10 else 0


def _plain(dataset: Dataset, keywords: tuple[str, ...], little: bool) -> Header:
    header = {}
    for keyword in keywords:
        if _TAGS[keyword] in dataset:
            try:
                value = _value(dataset[_TAGS[keyword]].value, little)
            except Exception:  # an unreadable value is none
                continue
            if value not in (None, "", b"", []):
                header[keyword] = value
    return header


def _value(value: Any, little: bool) -> Any:
    if isinstance(value, Sequence):
        return [_plain(item, ITEM, little) for item in value]
    if isinstance(value, MultiValue | list | tuple):
        return [_value(each, little) for each in value]
    if isinstance(value, bytes):  # words, in the order of the file
        words = np.frombuffer(value[: len(value) // 2 * 2], "u2")
        return value if little else words.byteswap().tobytes()
    if value is None:
        return value
    if isinstance(value, float):
        return float(value)
    return int(value) if isinstance(value, int) else str(value).strip().strip("\0").strip()


def texts(header: Header, keyword: str) -> list[str]:
    """The value as texts; none where it is missing."""
    value = header.get(keyword, [])
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def text(header: Header, keyword: str) -> str:
    """The first of them in capitals, or an empty one."""
    return next(iter(texts(header, keyword)), "").upper()


def numbers(header: Header, keyword: str) -> list[float]:
    """The value as finite numbers; none where any is not one."""
    try:
        found = [float(each) for each in texts(header, keyword)]
    except ValueError:
        return []
    return found if all(abs(number) < 1e30 for number in found) else []


def number(header: Header, keyword: str, otherwise: int) -> int:
    """The first of them as an integer."""
    return int(next(iter(numbers(header, keyword)), otherwise))
