"""One picture in every encoding is one picture; the rule is that of tests/gray_cases.json."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

import thorax_phantom
from made_up_dicom import DEEP, SYNTAXES, dicom, table
from thorax.archives import images
from thorax.dicom.gray import rule_of, to_gray, whiskers
from thorax.dicom.image import read
from thorax.dicom.parse import DicomError
from thorax.preprocess.decode import decode

CASES = json.loads((Path(__file__).parent / "gray_cases.json").read_text())
UPRIGHT = {"L\\F": lambda g: g, "R\\F": lambda g: g[:, ::-1], "L\\H": lambda g: g[::-1],
           "R\\H": lambda g: g[::-1, ::-1], "F\\L": lambda g: g.T,
           "H\\R": lambda g: g.T[::-1, ::-1], "": lambda g: g}  # fmt: skip


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A synthetic radiograph that uses all gray levels, uint8 [64, 60]."""
    path = tmp_path_factory.mktemp("phantom") / "phantom.zip"
    thorax_phantom.write_archive(
        path, patients=10, pixels=64, seed=0, marker_correlation=0.0, marker_label="Nodule"
    )
    gray = next(decode(content) for at, content in images(path) if "masks" not in at)[:, :60]
    gray = ((gray - gray.min()) / np.ptp(gray) * 255).round().astype(np.uint8)
    assert whiskers(gray) == (0, 255)
    return gray


def encoding(gray, *, bits, voi, slope=1.0, signed=False, inverted=False, high=None):
    """Stored values and header from which the rule must give this picture back."""
    t = np.clip((255 - gray if inverted else gray) / 255, 1 / 512, 1 - 1 / 512)
    lowest = -(2 ** (bits - 1)) if signed else 0
    ends = [slope * lowest - 7, slope * (lowest + 2**bits - 1) - 7]
    low, width = min(ends), max(ends) - min(ends)
    header = {"BitsStored": bits, "PixelRepresentation": int(signed)}
    header["PhotometricInterpretation"] = "MONOCHROME1" if inverted else "MONOCHROME2"
    header |= {"RescaleSlope": f"{slope:g}", "RescaleIntercept": "-7"}
    x = low + (gray / 255 if not inverted else 1 - gray / 255) * width
    if voi == "sigmoid":
        header |= window(low + width / 2, width / 3.2, "SIGMOID")
        x = low + width / 2 - width / 3.2 / 4 * np.log(1 / t - 1)
    elif voi == "exact":
        header |= window(low + width / 2, width, "LINEAR_EXACT")
    elif voi == "linear":
        header |= window(low + width / 2 + 0.5, width + 1, "")
    elif voi == "table":
        entries = int(width) + 1
        values = np.round(4095 * (np.arange(entries) / (entries - 1)) ** 2)
        header["VOILUTSequence"] = table(int(low), values, 12)
        x = low + np.sqrt((x - low) / width) * width
    stored = np.round((x + 7) / slope).astype(int)
    codes = (stored % 2**bits).astype(np.uint8 if bits == 8 else np.uint16)
    if high is not None:  # what an overlay left above the stored bits
        codes[::3] |= np.uint16(high)
    return codes, header


def window(center, width, function):
    header = {"WindowCenter": f"{center:.10g}", "WindowWidth": f"{width:.10g}"}
    return header | ({"VOILUTFunction": function} if function else {})


def encodings():
    """40 of them: each value of each property comes with many of the others."""
    syntaxes, turns = itertools.cycle(SYNTAXES), itertools.cycle(UPRIGHT)
    vois = itertools.cycle(["linear", "exact", "none", "sigmoid", "table"])
    slopes = itertools.cycle([1.0, -1.0, 0.5, -10.0, 2.0, 1.0, -0.25])
    for number, bits in zip(range(40), itertools.cycle([8, 10, 12, 14, 16, 15]), strict=False):
        voi, slope = next(vois), next(slopes)
        if voi == "table":
            slope = 1.0 if bits < 16 else 0.5
        if bits == 8 and voi in ("sigmoid", "table"):
            bits = 12
        yield pytest.param(
            {"bits": bits, "voi": voi, "slope": slope, "signed": number % 4 == 3,
             "inverted": number % 2 == 1, "high": 0x8000 if bits == 12 and number % 3 else None},
            next(syntaxes), next(turns), id=f"{number}-{bits}-{voi}-{slope:g}",
        )  # fmt: skip


@pytest.mark.parametrize(("settings", "syntax", "orientation"), list(encodings()))
def test_a_picture_comes_out_of_every_encoding_within_a_gray_level(
    phantom, settings, syntax, orientation
):
    if settings["high"] and syntax in ("jpeg 2000", "jpeg ls", "jpeg lossless", "rle"):
        settings = settings | {"high": None}
    codes, header = encoding(UPRIGHT[orientation](phantom), **settings)
    header["PatientOrientation"] = orientation.split("\\") if orientation else ""
    picture = read(dicom(np.ascontiguousarray(codes), syntax, **header))
    assert np.abs(picture.image.astype(int) - phantom).max() <= 1
    assert picture.rule.endswith("inverted") == settings["inverted"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_rule_gives_the_gray_levels_of_the_golden_file(case):
    gray = to_gray(np.array(case["stored"], np.uint16), rule_of(case["header"]))
    assert gray.tolist() == case["gray"]


def real(name):
    return Path(get_testdata_file(name, download=False)).read_bytes()


def test_a_real_chest_film_is_the_same_raw_and_as_jpeg_2000():
    raw, packed = (read(real(f"RG1_{kind}.dcm")) for kind in ("UNCR", "J2KR"))
    assert raw.image.shape == (1955, 1841)
    assert raw.image.tobytes() == packed.image.tobytes()
    assert (raw.rule, raw.polarity) == ("linear window, inverted", "")
    assert np.array_equal(decode(real("RG1_UNCR.dcm")), raw.image)


@pytest.mark.parametrize("name", ["RG3_UNCR.dcm", "mlut_18.dcm", "vlut_04.dcm", "JPEG-LL.dcm"])
def test_other_real_files_are_named_and_refused(name):
    with pytest.raises(DicomError, match=r"set aside: (another part of the body|modality|color)"):
        read(real(name))


RAMP = np.tile(np.arange(64, dtype=np.uint16) * 64, (32, 1))
WIDE = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096}


def gray(codes=RAMP, **header):
    return read(dicom(codes, **{**WIDE, **header})).image


def test_an_eight_bit_table_for_twelve_bits_does_not_wrap():
    """`apply_voi` of pydicom does."""
    image = gray(VOILUTSequence=table(0, np.arange(4096) // 16, 8))
    assert (np.diff(image[0].astype(int)) >= 0).all()
    assert (image.min(), image.max()) == (0, 252)


@pytest.mark.parametrize("syntax", DEEP)
def test_deep_pixels_are_the_same_however_they_are_packed(syntax):
    signed = syntax.startswith("signed")
    codes = (RAMP.astype(np.int16) - 2048).view(np.uint16) if signed else RAMP
    header = {"PixelRepresentation": int(signed), "WindowCenter": 0 if signed else 2048}
    header |= {"WindowWidth": 4096, "BitsStored": 12}
    assert np.array_equal(read(dicom(codes, syntax, **header)).image, gray())


def test_a_negative_slope_with_its_window_is_not_inverted_twice():
    negative = {"RescaleSlope": "-1", "RescaleIntercept": "4095"}
    assert np.array_equal(gray(4095 - RAMP, **negative), gray())


def test_a_marker_does_not_rescale_the_picture():
    marked = RAMP.copy()
    marked[0, 0] = 4095
    assert np.array_equal(gray(marked)[1:], gray()[1:])


@pytest.mark.parametrize(
    "header",
    [{"WindowWidth": "0"}, {"WindowWidth": "", "WindowCenter": ""}, {"RescaleSlope": ""},
     {"WindowCenter": "nan"}, {"VOILUTSequence": [{"LUTDescriptor": [4, 0, 8]}]},
     {"ModalityLUTSequence": [{"LUTExplanation": "nothing"}]}, {"NumberOfFrames": "0"},
     {"VOILUTFunction": ""}, {"RescaleSlope": "1", "RescaleIntercept": "0"}],
    ids=str,
)  # fmt: skip
def test_what_is_empty_or_broken_states_nothing(header):
    image = read(dicom(RAMP, **{**WIDE, **header})).image
    assert (np.diff(image[0].astype(int)) >= 0).all()
    assert image.max() >= 250


def test_several_windows_mean_the_first():
    both = gray(WindowCenter=[1000, 2000], WindowWidth=[500, 600])
    assert np.array_equal(both, gray(WindowCenter=1000, WindowWidth=500))


@pytest.mark.parametrize("signed", [0, 1])
def test_padding_is_black_whichever_sign_it_is_coded_with(signed):
    codes = RAMP // 2
    codes[:4] = 0xF000
    header = {"BitsStored": 16, "PixelRepresentation": signed, "WindowCenter": 1024,
              "WindowWidth": 2048, "PhotometricInterpretation": "MONOCHROME1"}  # fmt: skip
    image = gray(codes, PixelPaddingValue=0xF000 - signed * 2**16, **header)
    assert image[:4].max() == 0
    assert image[4:, 0].min() == 255


def test_polarity_is_stated_once_and_contradictions_are_noticed():
    for photometric, shape in (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")):
        one, both = (
            read(dicom(RAMP, **WIDE, PhotometricInterpretation=photometric, **more))
            for more in ({}, {"PresentationLUTShape": shape})
        )
        assert np.array_equal(one.image, both.image)
        assert both.polarity.startswith("header")
        assert not one.polarity.startswith("header")


def test_a_negative_is_noticed(phantom):
    header = {"WindowCenter": 128, "WindowWidth": 256}
    assert read(dicom(phantom, **header)).polarity == ""
    assert read(dicom(255 - phantom, **header)).polarity == "picture"


@pytest.mark.parametrize(
    ("header", "shape"),
    [({"PixelSpacing": [0.2, 0.1]}, (64, 64)), ({"ImagerPixelSpacing": [0.1, 0.2]}, (32, 128)),
     ({"PixelAspectRatio": [1, 2]}, (32, 128)), ({"PixelSpacing": [0, 0]}, (32, 64)),
     ({"PixelSpacing": [0.2, 0.1], "PatientOrientation": ["F", "L"]}, (64, 64))],
    ids=str,
)  # fmt: skip
def test_pixels_become_square(header, shape):
    assert gray(**header).shape == shape


def test_an_impossible_aspect_is_refused():
    with pytest.raises(DicomError, match="aspect"):
        gray(PixelAspectRatio=[1, 60000])
