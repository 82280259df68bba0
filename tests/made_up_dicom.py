"""DICOM files made up from stored values and a header, in any transfer syntax."""

import io
from functools import partial

import imagecodecs
import numpy as np
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
UNPACKED = {
    "implicit": ImplicitVRLittleEndian, "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian, "deflated": DeflatedExplicitVRLittleEndian,
}  # fmt: skip
PACKED = {
    "jpeg 2000": (
        JPEG2000Lossless,
        lambda codes: imagecodecs.jpeg2k_encode(codes, reversible=True),
    ),
    "jpeg ls": (JPEGLSLossless, imagecodecs.jpegls_encode),
    "jpeg lossless": (JPEGLosslessSV1, imagecodecs.ljpeg_encode),
    "rle": (RLELossless, lambda codes: _run_lengths(codes)),
}
SYNTAXES = [*UNPACKED, *PACKED]
DEEP = {  # for 12 bits
    "jpeg extended": (
        JPEGExtended12Bit,
        partial(imagecodecs.jpeg8_encode, level=100, bitspersample=12),
    ),
    "high throughput": (HTJ2KLossless, partial(imagecodecs.htj2k_encode, reversible=True)),
    "signed jpeg 2000": (JPEG2000Lossless, lambda codes: _signed_jpeg_2000(codes)),
}


def dicom(codes, syntax="explicit", *, drop=(), **header) -> bytes:
    """A DICOM file; `header` are keywords, of which a dictionary in a list is a sequence.

    Args:
        codes: unsigned [H, W], 8 or 16 bit: stored values as they lie in the file.
        syntax: one of `SYNTAXES` or `DEEP`.
        drop: keywords that are left out.
    """
    bits = 8 * codes.dtype.itemsize
    dataset = Dataset()
    values = {
        "SOPClassUID": COMPUTED_RADIOGRAPHY, "SOPInstanceUID": "1.2.3.4", "Modality": "CR",
        "PatientID": "17", "Rows": codes.shape[0], "Columns": codes.shape[1],
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": bits,
        "BitsStored": bits, "PixelRepresentation": 0,
    } | header  # fmt: skip
    values.setdefault("HighBit", values["BitsStored"] - 1)
    for keyword, value in values.items():
        if keyword not in drop:
            with disable_value_validation():
                setattr(dataset, keyword, _items(value, ">" if syntax == "big endian" else "<"))
    meta = dataset.file_meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", COMPUTED_RADIOGRAPHY)
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3.4")
    if syntax in UNPACKED:
        meta.TransferSyntaxUID = UNPACKED[syntax]
        order = ">" if syntax == "big endian" else "<"
        dataset.PixelData = codes.astype(codes.dtype.newbyteorder(order)).tobytes()
        dataset.PixelData += b"\0" * (len(dataset.PixelData) % 2)
        dataset["PixelData"].VR = "OW" if bits > 8 or syntax == "implicit" else "OB"
    else:
        meta.TransferSyntaxUID, encode = (PACKED | DEEP)[syntax]
        dataset.PixelData = encapsulate([encode(codes)])
        dataset["PixelData"].VR = "OB"
    file = io.BytesIO()
    with disable_value_validation():
        dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def table(first, values, bits):
    """A LUT as the only item of a sequence."""
    values = np.asarray(values)
    return [{"LUTDescriptor": [len(values) % 2**16, first, bits], "LUTData": [*map(int, values)]}]


def _items(value, order):
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return value
    items = []
    for each in value:
        item = Dataset()
        for keyword, inner in each.items():
            if keyword == "LUTDescriptor":
                item.add_new(0x00283002, "SS" if inner[1] < 0 else "US", inner)
            elif keyword == "LUTData":
                many = len(inner) > 10_000  # more than an explicit US can be long
                data = np.array(inner, f"{order}u2").tobytes() if many else inner
                item.add_new(0x00283006, "OW" if many else "US", data)
            else:
                setattr(item, keyword, inner)
        items.append(item)
    return Sequence(items)


def _signed_jpeg_2000(codes):
    return imagecodecs.jpeg2k_encode(codes.view(np.int16), reversible=True)


def _run_lengths(codes):
    """Literal runs only: as long as the pixels, but what a decoder must read."""
    planes = codes.astype(codes.dtype.newbyteorder(">")).view(np.uint8)
    planes = planes.reshape(codes.size, -1).T
    packed = []
    for plane in planes:
        runs = [plane[at : at + 128].tobytes() for at in range(0, codes.size, 128)]
        segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
        packed.append(segment + b"\x80" * (len(segment) % 2))
    starts = np.cumsum([64, *map(len, packed[:-1])])
    head = np.zeros(16, "<u4")
    head[0], head[1 : 1 + len(packed)] = len(packed), starts
    return head.tobytes() + b"".join(packed)
