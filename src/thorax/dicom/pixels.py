"""Stored values of a DICOM image; compressed ones are decoded by imagecodecs, without the GIL.

What a file claims is held against what its compressed stream claims before any memory is taken.
"""

import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_fragments

from thorax.dicom.parse import DicomError, Parsed, number, size

RLE = "1.2.840.10008.1.2.5"
JPEG_2000 = b"\xff\x4f\xff\x51"  # how its codestream begins, also within a JP2 file
_JPEG = b"\xff\xd8"
_LOSSLESS, _LS = 0xC3, 0xF7  # frames of JPEG; the others are made of DCT blocks
_FRAMES = {0xC0, 0xC1, 0xC2, _LOSSLESS, _LS}


def stored(parsed: Parsed) -> NDArray[np.uint16]:
    """Stored bits of every pixel [H, W], right-aligned; higher bits may hold anything.

    Raises:
        DicomError: no pixels, fewer than promised, or in a way that nothing here decodes.
    """
    shape = size(parsed)
    if parsed.pixels is None:
        raise DicomError("holds no pixels")
    if parsed.encapsulated:
        return _decoded(parsed, shape)
    allocated = number(parsed.header, "BitsAllocated", 0)
    kind = np.dtype("u1" if allocated == 8 else ">u2" if parsed.swapped else "<u2")
    count = shape[0] * shape[1]
    odd = count % 2 if parsed.words and allocated == 8 else 0
    if len(parsed.pixels) < (count + odd) * kind.itemsize:
        raise DicomError("holds fewer pixels than its rows and columns promise")
    codes = np.frombuffer(parsed.pixels, kind, count + odd)
    if parsed.words and allocated == 8:
        codes = codes.view("u2").byteswap().view("u1")[:count]
    bits = number(parsed.header, "BitsStored", allocated)
    shift = max(0, number(parsed.header, "HighBit", bits - 1) + 1 - bits)
    return np.asarray((codes.astype(np.uint16) >> min(shift, 15)).reshape(shape), np.uint16)


def _decoded(parsed: Parsed, shape: tuple[int, int]) -> NDArray[np.uint16]:
    data = _stream(parsed)
    decode: Callable[[bytes], Any]
    if parsed.syntax == RLE:
        return _run_lengths(data, shape, number(parsed.header, "BitsAllocated", 0))
    if (at := data.find(JPEG_2000, 0, 2**12)) >= 0:
        claimed, decode = _size_of_jpeg_2000(data, at), imagecodecs.jpeg2k_decode
    elif data.startswith(_JPEG):
        frame, claimed = _size_of_jpeg(data)
        decode = {_LOSSLESS: imagecodecs.ljpeg_decode, _LS: imagecodecs.jpegls_decode}.get(
            frame, imagecodecs.jpeg8_decode
        )
    else:
        raise DicomError("is compressed in a way that thorax does not read")
    if claimed != shape:
        raise DicomError("states another size than its compressed pixels have")
    try:
        codes = np.asarray(decode(data))
    except Exception:  # each decoder has its own kinds
        raise DicomError("has damaged compressed pixels") from None
    if codes.shape != shape or codes.dtype.kind not in "iu" or codes.dtype.itemsize > 2:
        raise DicomError("has compressed pixels of another kind than its header says")
    return codes.astype(np.int32).astype(np.uint16)


def _stream(parsed: Parsed) -> bytes:
    """The one frame of a single image, whose fragments follow the table of offsets."""
    try:
        _, *fragments = generate_fragments(bytes(parsed.pixels or b""))
    except ValueError:
        raise DicomError("has damaged compressed pixels") from None
    return b"".join(fragments)


def _size_of_jpeg_2000(data: bytes, at: int) -> tuple[int, int]:
    try:
        width, height, left, top = struct.unpack_from(">4I", data, at + 8)
        (components,) = struct.unpack_from(">H", data, at + 40)
    except struct.error:
        raise DicomError("has damaged compressed pixels") from None
    return (height - top, width - left) if components == 1 else (0, 0)


def _size_of_jpeg(data: bytes) -> tuple[int, tuple[int, int]]:
    """Kind of the frame, rows and columns, from the markers before it."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker in _FRAMES:
            rows, columns, components = struct.unpack_from(">2HB", data, at + 5)
            return marker, (rows, columns) if components == 1 else (0, 0)
        at += 1 if marker == 0xFF else 2 + length
    raise DicomError("has damaged compressed pixels")


def _run_lengths(data: bytes, shape: tuple[int, int], allocated: int) -> NDArray[np.uint16]:
    """PackBits by planes of bytes, the highest first (PS3.5, annex G)."""
    planes, pixels = max(1, allocated // 8), shape[0] * shape[1]
    starts = struct.unpack_from(f"<{planes}I", data.ljust(64, b"\0"), 4)
    codes: NDArray[Any] = np.zeros(pixels, np.uint16)
    try:
        for first, last in zip(starts, [*starts[1:], len(data)], strict=True):
            plane = imagecodecs.packbits_decode(data[first:last], out=pixels + 2**8)
            codes = codes << 8 | np.frombuffer(plane, np.uint8, pixels)
    except Exception:
        raise DicomError("has damaged compressed pixels") from None
    return codes.reshape(shape)
