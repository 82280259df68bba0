"""What a header says, files that are none of ours, and files made to do harm."""

import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from made_up_dicom import SYNTAXES, dicom
from thorax.dicom.header import film_of
from thorax.dicom.image import read
from thorax.dicom.parse import HEAD, DicomError

PIXELS = np.arange(48, dtype=np.uint16).reshape(6, 8)
STORAGE = "1.2.840.10008.5.1.4.1.1"


def film(**header):
    return film_of(dicom(PIXELS, **header))


@pytest.mark.parametrize(
    ("header", "view"),
    [({"ViewPosition": "PA"}, "PA"), ({"ViewPosition": "AP"}, "AP"),
     ({"ViewPosition": "LL"}, "LATERAL"), ({"ViewPosition": "RLD"}, "LATERAL"),
     ({"ViewPosition": "LLD"}, "LATERAL"), ({}, ""),
     ({"ViewCodeSequence": [{"CodeMeaning": "postero-anterior"}]}, "PA"),
     ({"ViewCodeSequence": [{"CodeMeaning": "left lateral"}]}, "LATERAL"),
     ({"ViewPosition": "AP", "ViewCodeSequence": [{"CodeMeaning": "postero-anterior"}]}, "AP"),
     ({"SeriesDescription": "W034 Chest P.A."}, "PA"), ({"ProtocolName": "chest_ap_port"}, "AP"),
     ({"SeriesDescription": "CHEST PA & LAT"}, ""), ({"SeriesDescription": "SPACE MAP"}, "")],
    ids=str,
)  # fmt: skip
def test_the_view_stands_in_one_of_three_places(header, view):
    assert film(**header).value("ViewPosition") == view


@pytest.mark.parametrize(
    ("header", "reason"),
    [({"SOPClassUID": f"{STORAGE}.11.1"}, "presentation state"),
     ({"SOPClassUID": f"{STORAGE}.88.11"}, "structured report"),
     ({"SOPClassUID": f"{STORAGE}.66.4"}, "segmentation"),
     ({"SOPClassUID": f"{STORAGE}.1.1.1"}, "for processing, not for presentation"),
     ({"PresentationIntentType": "FOR PROCESSING"}, "for processing, not for presentation"),
     ({"NumberOfFrames": "2"}, "several frames"), ({"NumberOfFrames": "0"}, ""),
     ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "color"),
     ({"PhotometricInterpretation": "PALETTE COLOR"}, "color"), ({"Modality": "CT"}, "modality CT"),
     ({"Modality": "Doe^John"}, "other modality"), ({"Modality": ""}, ""),
     ({"Modality": "DX"}, ""),
     ({"BodyPartExamined": "SKULL"}, "another part of the body"),
     ({"BodyPartExamined": "RIBS"}, ""),
     ({"BodyPartExamined": "CHEST HEAD"}, ""), ({"BodyPartExamined": "ZZZ"}, ""),
     ({"ViewPosition": "RAO"}, "oblique view"), ({"Rows": 0}, "states no rows and columns")],
    ids=str,
)  # fmt: skip
def test_what_is_no_chest_radiograph_is_set_aside_with_its_reason(header, reason):
    assert film(**header).reason == reason


def test_a_strange_part_of_the_body_and_burnt_in_letters_are_noted():
    assert film(BodyPartExamined="ZZZ").strange_part
    assert not film(BodyPartExamined="PORT CHEST").strange_part
    assert film(BurnedInAnnotation="YES").burnt_in


@pytest.mark.parametrize("name", ["", "ANON", "anonymous", "0000", "De-Identified", "N/A"])
def test_a_number_that_stands_for_nobody_is_none(name):
    assert film(PatientID=name).value("PatientID") == ""


def test_a_patient_is_a_number_and_its_issuer():
    assert film().value("PatientID") == film(PatientID=" 17 ").value("PatientID") == "17"
    assert film(IssuerOfPatientID="A").value("PatientID") != film().value("PatientID")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_head_of_a_file_says_what_the_whole_says(syntax):
    content = dicom(np.zeros((700, 700), np.uint16), syntax, PatientSex="F", ViewPosition="PA")
    assert film_of(content[:HEAD]) == film_of(content)
    assert film_of(content).value("PatientSex") == "F"


def claims(content, **more):
    """A file that claims another size than it has."""
    for tag, value in more.items():
        at = content.index(struct.pack("<HH", 0x28, int(tag[1:], 16)) + b"US\2\0") + 8
        content = content[:at] + struct.pack("<H", value) + content[at + 2 :]
    return content


def inflating(megabytes):
    """A deflated data set that unpacks to a private element of so many megabytes."""
    whole = dicom(PIXELS, "deflated")
    start = 144 + struct.unpack_from("<I", whole, 140)[0]
    body = zlib.decompress(whole[start:], -zlib.MAX_WBITS)
    at = body.index(struct.pack("<HH", 0x7FE0, 0x10))
    junk = struct.pack("<HH2sHI", 0x7001, 0x1001, b"OB", 0, megabytes * 2**20)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    parts = [packer.compress(body[:at] + junk)]
    parts += [packer.compress(b"\0" * 2**20) for _ in range(megabytes)]
    return whole[:start] + b"".join([*parts, packer.compress(body[at:]), packer.flush()])


def lying_stream(kind):
    """A compressed stream that has 60,000 rows and columns, where the header says 6 and 8."""
    content = dicom(PIXELS, kind)
    size = struct.pack(">II", 8, 6) if kind == "jpeg 2000" else struct.pack(">HH", 6, 8)
    large = struct.pack(">II" if kind == "jpeg 2000" else ">HH", 60000, 60000)
    return content.replace(size, large)


@pytest.mark.parametrize(
    ("content", "match"),
    [(claims(dicom(PIXELS), _10=65535, _11=65535), "more than any radiograph"),
     (claims(dicom(PIXELS), _10=8000, _11=8000), "fewer pixels"),
     (claims(dicom(PIXELS, "jpeg 2000"), _10=8000, _11=8000), "another size"),
     (lying_stream("jpeg 2000"), "another size"), (lying_stream("jpeg ls"), "another size"),
     (lying_stream("jpeg lossless"), "another size"), (inflating(300), "inflates to more")],
    ids=["gigapixels", "too few", "too few packed", "jpeg 2000", "jpeg ls", "jpeg", "deflated"],
)  # fmt: skip
def test_a_hostile_file_is_refused_before_memory_is_taken(content, match):
    tracemalloc.start()
    with pytest.raises(DicomError, match=match):
        read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "deflated", "jpeg 2000", "rle"])
def test_damaged_files_raise_nothing_but_typed_errors(syntax):
    """Bits flipped, bytes cut out and put in, at random: 600 files, mostly in their headers."""
    header = {"WindowCenter": 20, "WindowWidth": 40, "PixelSpacing": [0.2, 0.2],
              "PatientAge": "058Y", "PatientName": "Doe^John",
              "ViewCodeSequence": [{"CodeMeaning": "PA"}]}  # fmt: skip
    rng, whole, read_well = random.Random(0), dicom(PIXELS, syntax, **header), 0
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(132, len(content))
            kind = rng.randrange(3)
            if kind == 0:
                content[at] = rng.randrange(256)
            elif kind == 1:
                del content[at : at + rng.randrange(1, 9)]
            else:
                content[at:at] = rng.randbytes(rng.randrange(1, 9))
        film_of(bytes(content))
        try:
            read_well += read(bytes(content)).image.size > 0
        except DicomError as error:
            assert "Doe" not in str(error)
    assert 0 < read_well < 600


def test_every_file_that_pydicom_ships_is_read_or_named():
    folder = Path(get_testdata_file("CT_small.dcm", download=False)).parent
    reasons = {film_of(path.read_bytes()).reason for path in folder.glob("*.dcm")}
    assert {"modality CT", "modality US", "color", "structured report", "no pixels"} <= reasons
