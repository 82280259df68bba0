"""viewer.html from disk in headless Chromium without network: it sees and says what Python does."""

import base64
import gzip
import hashlib
import io
import json
import re
import shutil
import struct
import zlib
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

import thorax_phantom
from chromium import needs_chromium, sync_api
from small_run import export_to, finished_run
from thorax.archives import images
from thorax.artifacts.model import Exported
from thorax.bundle.about import ABOUT, ONNX as MODEL
from thorax.export.viewer import FOLDER, PAGE, bundle, libraries, write_viewer
from thorax.preprocess.decode import decode

PHONE, DESKTOP = (360, 740), (1280, 800)
PAGES = [PAGE, f"{FOLDER}/index.html"]
CARD = "# Model card: <b>small</b>\n\n| Metric | Test |\n| --- | --- |\n| AUROC | 0.5 |\n"
ASSETS = files("thorax.export") / "assets"

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    paths, _ = finished_run()
    folder = tmp_path_factory.mktemp("export")
    said = export_to(folder, paths, CARD)
    assert f"Open {folder / PAGE} in a browser" in said
    return folder


@pytest.fixture
def visit(browser):
    """Open a page without network; console messages, errors and requests gather in `page.noted`."""
    contexts = []

    def opened(path, size=DESKTOP, **options):
        width, height = size
        viewport = {"width": width, "height": height}
        context = browser.new_context(viewport=viewport, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.noted = []
        page.on("console", lambda message: page.noted.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: page.noted.append(f"error: {error}"))
        page.on("request", lambda request: page.noted.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def decoders(browser):
    """The modules of the page on an empty one: their functions are called by name."""
    page = browser.new_page()
    for name in ("dicomParser.min.js", "openjpegwasm_decode.js"):
        page.add_script_tag(content=unpacked(name).decode())
    wasm = base64.b64encode((ASSETS / "openjpegwasm_decode.wasm.gz").read_bytes()).decode()
    page.evaluate("wasm => { globalThis.thorax = { parts: { openjpeg: wasm } }; }", wasm)
    for entry, exposed in (
        ("warnings", "$picture, $gray, $dicom, $warnings"),
        ("results", "$results"),
    ):
        opened = bundle(entry).removesuffix("})();\n")
        page.add_script_tag(content=f"{opened}Object.assign(globalThis, {exposed});\n}})();\n")
    yield page
    page.close()


def unpacked(name):
    return gzip.decompress((ASSETS / f"{name}.gz").read_bytes())


PIXELS = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { width, height, pixels } = seen(await read(bytes));
  let said = "";
  for (const level of pixels) said += String.fromCharCode(level);
  return [height, width, btoa(said)];
}"""


def pixels(page, content):
    """What the page gives the model of a file, uint8 [H, W]."""
    height, width, said = page.evaluate(PIXELS, base64.b64encode(content).decode())
    return np.frombuffer(base64.b64decode(said), np.uint8).reshape(height, width)


def judge(page, content, name="film"):
    """Probabilities of a dropped file by class; none where it is refused."""
    page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": content})
    page.wait_for_selector("[data-state=judged], [data-state=failed]")
    rows = page.query_selector_all("[data-probability]")
    return {
        row.get_attribute("data-class"): float(row.get_attribute("data-probability"))
        for row in rows
    }


def python(folder, gray):
    """Probabilities by class of a gray image in Python."""
    about = Exported.read(folder / ABOUT)
    found = onnxruntime.InferenceSession(folder / MODEL).run(["probability"], {"image": gray})[0]
    return dict(zip(about.outputs, found.tolist(), strict=True))


def film(height=120, width=100, seed=0):
    """Something like a chest: smooth noise, bright in the middle."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 120, cv2.NORM_MINMAX)
    smooth[:, width * 2 // 5 : width * 3 // 5] += 120
    return smooth.astype(np.uint8)


def png(samples, depth, color, *, extra=b"", interlaced=False):
    """A PNG of sample values [H, W] or [H, W, C], filtered by each method in turn."""
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width = samples.shape[:2]
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)) if interlaced else ((0, 0, 1, 1),)  # fmt: skip
    raw = b""
    for row, column, down, right in starts:
        part = samples[row::down, column::right]
        raw += _filtered(part, depth) if part.size else b""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    chunks = _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", zlib.compress(raw))
    return b"\x89PNG\r\n\x1a\n" + chunks + _chunk(b"IEND", b"")


def _filtered(samples, depth):
    if depth < 8:
        bits = (samples[..., 0, None] >> np.arange(depth - 1, -1, -1)) & 1
        lines = np.packbits(bits.reshape(len(samples), -1).astype(np.uint8), axis=1)
    else:
        lines = samples.astype(f">u{depth // 8}").reshape(len(samples), -1).view(np.uint8)
    step = max(1, samples.shape[2] * depth // 8)
    above, out = np.zeros(lines.shape[1], int), b""
    for number, line in enumerate(lines.astype(int)):
        a, c = (np.concatenate([np.zeros(step, int), each])[: len(line)] for each in (line, above))
        b = above
        near = np.stack([abs(b - c), abs(a - c), abs(a + b - 2 * c)]).argmin(axis=0)
        guess = (0 * a, a, b, (a + b) // 2, np.choose(near, (a, b, c)))[number % 5]
        out += bytes([number % 5]) + ((line - guess) % 256).astype(np.uint8).tobytes()
        above = line
    return out


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


RNG = np.random.default_rng(0)
PALETTE = _chunk(b"PLTE", RNG.integers(0, 256, 768, np.uint8).tobytes())
TWELVE = (film().astype(int) * 16 + RNG.integers(0, 16, (120, 100))).clip(0, 4000)
TWELVE[0, :3] = 65535  # letters
PNGS = {
    "gray": png(film(), 8, 0),
    "gray, interlaced": png(film(), 8, 0, interlaced=True),
    "narrow, interlaced": png(film(9, 3), 8, 0, interlaced=True),
    "gray with a gamma": png(film(), 8, 0, extra=_chunk(b"gAMA", struct.pack(">I", 45455))),
    "12 of 16 bits": png(TWELVE, 16, 0),
    "12 of 16 bits with alpha": png(np.stack([TWELVE, TWELVE[::-1]], axis=-1), 16, 4),
    "gray with alpha": png(np.stack([film(), film(seed=1)], axis=-1), 8, 4),
    "1 bit": png(film() > 100, 1, 0),
    "2 bits": png(film() // 64, 2, 0),
    "4 bits": png(film() // 16, 4, 0, interlaced=True),
    "color": png(RNG.integers(0, 256, (40, 30, 3)), 8, 2),
    "color with alpha": png(RNG.integers(0, 256, (40, 30, 4)), 8, 6, interlaced=True),
    "16-bit color": png(RNG.integers(0, 65536, (40, 30, 3)), 16, 2),
    "palette": png(film(), 8, 3, extra=PALETTE),
    "palette of 4 bits": png(film() // 16, 4, 3, extra=PALETTE),
    "gray as color, with a profile": png(
        np.repeat(film()[..., None], 3, axis=2), 8, 2, extra=_chunk(b"sRGB", b"\0")
    ),
}


@pytest.mark.parametrize("content", PNGS.values(), ids=PNGS)
def test_a_png_has_the_pixels_that_python_reads(decoders, content):
    assert np.array_equal(pixels(decoders, content), decode(content))


@pytest.mark.parametrize("color", [False, True])
def test_a_jpeg_is_within_two_gray_levels(decoders, color):
    image = np.dstack([film(), film(seed=1), film(seed=2)]) if color else film()
    content = cv2.imencode(".jpg", image)[1].tobytes()
    apart = np.abs(pixels(decoders, content).astype(int) - decode(content))
    assert apart.max() <= 2
    assert apart.mean() < 0.1


COLORED = png(RNG.integers(0, 256, (9, 9, 3)), 8, 2, extra=_chunk(b"sRGB", b"\0"))
CMYK = b"\xff\xd8\xff\xc0\x00\x14\x08\x00\x09\x00\x09\x04" + bytes(20)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"GIF89a" + bytes(200), "neither DICOM nor PNG nor JPEG"), (b"", "neither"),
     (PNGS["gray"][:-40], "damaged"), (PNGS["gray"][:60], "damaged"), (COLORED, "color profile"),
     (CMYK, "CMYK"), (CMYK[:9], "damaged JPEG"),
     (png(np.full((9, 9), 700), 16, 0), "one pixel value"),
     (bytes(128) + b"DICM" + bytes(99), "damaged DICOM")],
)  # fmt: skip
def test_what_cannot_be_read_alike_is_refused_with_the_reason(decoders, content, reason):
    with pytest.raises(sync_api.Error, match=reason):
        pixels(decoders, content)


def gray_cases():
    path = Path(__file__).parent / "gray_cases.json"
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no gray_cases.json"))]
    cases = json.loads(path.read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in cases]


DEVELOPED = """({ header, stored }) => {
  const rule = ruleOf(header);
  const codes = Uint16Array.from(stored, (code) => code & (2 ** rule.bits - 1));
  const { gray } = develop(codes, rule);
  return [...codes].map((code) => gray[code]);
}"""


@pytest.mark.parametrize("case", gray_cases())
def test_the_gray_rule_gives_the_golden_gray_levels(decoders, case):
    assert decoders.evaluate(DEVELOPED, case) == case["gray"]


SPACED = {"PixelSpacing": ["0.3", "0.2"]}
DICOMS = {
    "implicit": ("implicit", {}),
    "explicit, upside down": ("explicit", {"PatientOrientation": ["L", "H"]}),
    "mirrored": ("implicit", {"PatientOrientation": ["R", "F"], "RescaleSlope": "-10"}),
    "on its side": ("explicit", {"PatientOrientation": ["H", "R"]}),
    "sigmoid": ("implicit", {
        "WindowCenter": "900", "WindowWidth": "700", "VOILUTFunction": "SIGMOID"}),
    "JPEG 2000": ("jpeg 2000", {"PhotometricInterpretation": "MONOCHROME1"}),
    "signed JPEG 2000": ("jpeg 2000", {"PixelRepresentation": 1}),
    "tables": ("explicit", {"VOILUTSequence": [
        {"LUTDescriptor": [256, -3, 8], "LUTData": [*range(256)]}], "RescaleIntercept": "-100"}),
    "padded": ("implicit", {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 40}),
    "an aspect": ("explicit", SPACED),
    "an aspect, on its side": ("explicit", SPACED | {"PatientOrientation": ["F", "L"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", DICOMS)
def test_dicom_has_the_pixels_that_python_reads(decoders, name):
    made_up_dicom = pytest.importorskip("made_up_dicom")
    syntax, header = DICOMS[name]
    codes = TWELVE.clip(0, 4095).astype(np.uint16)
    content = made_up_dicom.dicom(codes, syntax, **{"BitsStored": 12, **header})
    expected, found = decode(content), pixels(decoders, content)
    assert found.shape == expected.shape
    apart = np.abs(found.astype(int) - expected)
    assert apart.max() <= ("aspect" in name)  # OpenCV interpolates in integers


def test_jpeg_in_dicom_is_within_two_gray_levels(decoders):
    made_up_dicom = pytest.importorskip("made_up_dicom")
    from pydicom import dcmread
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    dataset = dcmread(io.BytesIO(made_up_dicom.dicom(film())))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([cv2.imencode(".jpg", film())[1].tobytes()])
    dataset["PixelData"].VR = "OB"
    file = io.BytesIO()
    dataset.save_as(file)
    apart = pixels(decoders, file.getvalue()).astype(int) - decode(file.getvalue())
    assert np.abs(apart).max() <= 2


@pytest.mark.parametrize("syntax", ["big endian", "deflated", "jpeg ls", "jpeg lossless", "rle"])
def test_other_transfer_syntaxes_are_named(decoders, syntax):
    made_up_dicom = pytest.importorskip("made_up_dicom")
    words = {"big endian": "big endian", "rle": "RLE", "jpeg ls": "JPEG-LS",
             "jpeg lossless": "lossless JPEG"}  # fmt: skip
    content = made_up_dicom.dicom(film().astype(np.uint16), syntax)
    with pytest.raises(sync_api.Error, match=words.get(syntax, "deflated|damaged")):
        pixels(decoders, content)


def test_views_and_parts_of_the_body_are_those_of_python(decoders):
    header = pytest.importorskip("thorax.dicom.header")
    found = decoders.evaluate(
        "views => views.map((view) => viewOf({ ViewPosition: [view] }))", list(header.VIEW)
    )
    assert found == list(header.VIEW.values())
    code = bundle("dicom")
    assert all(f'"{part}"' in code for part in header.ELSEWHERE)
    assert "|".join(header.CHEST) in code


REFUSED = {
    "modality CT": {"Modality": "CT"}, "other modality": {"Modality": "^^"},
    "for processing": {"PresentationIntentType": "FOR PROCESSING"},
    "several frames": {"NumberOfFrames": "2"},
    "color": {"PhotometricInterpretation": "RGB"}, "another part": {"BodyPartExamined": "HAND"},
    "oblique": {"ViewPosition": "LAO"}, "no rows": {"Rows": 0}, "fewer pixels": {"Rows": 500},
    "impossible number of bits": {"BitsStored": 17},
    "more pixels": {"Rows": 65535, "Columns": 65535},
    "impossible aspect": {"PixelSpacing": ["1", "9"]},
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_radiograph_of_a_chest_is_refused(decoders, reason):
    made_up_dicom = pytest.importorskip("made_up_dicom")
    content = made_up_dicom.dicom(film(), **{"HighBit": 7, **REFUSED[reason]})
    with pytest.raises(sync_api.Error, match=reason):
        pixels(decoders, content)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_says_what_python_says_and_asks_for_nothing(exported, visit, name, tmp_path):
    thorax_phantom.write_archive(
        tmp_path / "phantoms.zip", patients=10, pixels=64, seed=0,
        marker_correlation=0.0, marker_label="Nodule",
    )  # fmt: skip
    phantoms = [content for at, content in images(tmp_path / "phantoms.zip") if "masks" not in at]
    page = visit(exported / name)
    for content in (*phantoms[:4], PNGS["12 of 16 bits"], PNGS["color"]):
        found, expected = judge(page, content), python(exported, decode(content))
        assert found == pytest.approx(expected, abs=1e-5)
        assert list(found) == list(expected)
    own = {(exported / name).parent.as_uri()}
    assert {note.rpartition("/")[0] for note in page.noted} == own
    assert len(page.noted) == 1 or name != PAGE


def test_a_real_chest_film_gets_the_probabilities_of_python(exported, visit):
    pytest.importorskip("thorax.dicom")
    data = pytest.importorskip("pydicom.data")
    page = visit(exported / PAGE)
    for kind in ("UNCR", "J2KR"):
        content = Path(data.get_testdata_file(f"RG1_{kind}.dcm", download=False)).read_bytes()
        found = judge(page, content)
        assert found == pytest.approx(python(exported, decode(content)), abs=1e-5)
    assert page.inner_text("#what") == "DICOM, 1841 × 1955 px, PA view"
    assert page.is_visible("#facing")


def test_what_numbers_mean_stands_beside_them(exported, visit):
    about = Exported.read(exported / ABOUT)
    page = visit(exported / PAGE)
    found = judge(page, PNGS["gray"])
    for name, threshold in about.thresholds.items():
        row = page.inner_text(f'[data-class="{name}"]')
        assert f"threshold of {threshold:.2f}" in row or f"{threshold:.3f}" in row
        assert ("at or above" in row) == (found[name] >= threshold)
        for estimate in (about.performance[name].sensitivity, about.performance[name].specificity):
            star = "*" if estimate.caution else ""
            assert f"{estimate.value:.2f} ({estimate.low:.2f}–{estimate.high:.2f}){star}" in row
            assert estimate.caution in page.inner_text("#results")
    assert about.test_set in page.inner_text("#results")
    assert about.use in page.inner_text("header")


def titles(page):
    return [each.inner_text() for each in page.query_selector_all(".warning h2")]


def test_warnings_are_those_that_hold(exported, visit):
    page = visit(exported / PAGE)
    judge(page, png(film(20, 20), 8, 0))
    assert "Smaller than the model's input" in titles(page)
    assert "Unknown view" in titles(page)
    negative = 255 - film()
    judge(page, png(negative, 8, 0))
    assert "Looks like a negative" in titles(page)
    judge(page, png(film(), 8, 0))
    assert "Looks like a negative" not in titles(page)


def test_an_atypicality_above_one_is_a_warning(decoders, exported):
    about = {"exported": json.loads((exported / ABOUT).read_text())}
    warned = """([about, text, score]) => read(Uint8Array.from(atob(text), (l) => l.charCodeAt(0)))
        .then((picture) => warnings(about, picture, seen(picture), { atypicality: score }))"""
    picture = base64.b64encode(PNGS["gray"]).decode()
    (first, *_) = decoders.evaluate(warned, [about, picture, 1.01])
    assert (first["title"], first["grave"]) == ("Unlike the training images", True)
    assert "1.01" in first["text"]
    assert f"{100 * about['exported']['atypical']:.1f}% of the test images" in first["text"]
    (first, *_) = decoders.evaluate(warned, [about, picture, 1])
    assert first["title"] == "Unknown view"


def test_the_most_likely_of_several_classes_has_no_threshold(decoders, exported):
    about = json.loads((exported / ABOUT).read_text())
    undefined = {"value": None, "low": None, "high": None, "reason": "no such image", "caution": ""}
    about |= {"thresholds": {}, "models": 3}
    about["performance"] = {"A": {"sensitivity": undefined, "specificity": undefined}}
    decided = {"probability": [0.002, 0.8], "predicted": [0, 1], "spread": [0.1, 0.04]}
    text = """([about, decided]) => {
      document.body.replaceChildren(...judged({ exported: about }, decided, []));
      return [...document.querySelectorAll("li")].map((row) => row.textContent);
    }"""
    first, second = decoders.evaluate(text, [about, decided])
    assert first == (
        "A< 0.01± 0.10 between 3 models"
        "sensitivityundefined: no such imagespecificityundefined: no such image"
    )
    assert second == "B0.80most likely class, ± 0.04 between 3 modelsNot measured on a test set"


def test_the_header_states_the_view(exported, visit):
    made_up_dicom = pytest.importorskip("made_up_dicom")
    page = visit(exported / PAGE)
    for header, expected in (
        ({"ViewPosition": "LL"}, ["Lateral view"]), ({}, ["Unknown view"]),
        ({"SeriesDescription": "W_CHEST_PA"}, []),
        ({"PresentationLUTShape": "INVERSE"}, ["The header contradicts itself"]),
        ({"BodyPartExamined": "TRUNK"}, ["Part of the body"]),
    ):  # fmt: skip
        view = {} if header == {} or "SeriesDescription" in header else {"ViewPosition": "AP"}
        judge(page, made_up_dicom.dicom(film(), **(view | header)))
        assert [
            title for title in titles(page) if title != "Unlike the training images"
        ] == expected


def test_a_refused_file_leaves_no_other_film_under_its_name(exported, visit):
    page = visit(exported / PAGE)
    assert judge(page, PNGS["gray"], "first.png")
    assert judge(page, b"nothing", "second.png") == {}
    assert "second.png is neither DICOM nor PNG nor JPEG" in page.inner_text("#results")
    assert page.is_hidden("#film")
    assert judge(page, PNGS["gray"], "third.png")
    assert page.is_visible("#film")


def test_another_model_file_is_refused(exported, visit, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(exported / FOLDER, folder)
    other = base64.b64encode(gzip.compress((exported / MODEL).read_bytes()[:-1] + b"\0")).decode()
    (folder / "model-data.js").write_text(f'globalThis.thorax.parts.model = "{other}";')
    page = visit(folder / "index.html")
    page.wait_for_selector(".warning")
    assert "not the one that this page was made with" in page.inner_text("#results")
    assert judge(page, PNGS["gray"]) == {}
    assert "not the one that this page was made with" in page.inner_text("#results")


def shown(page):
    """Gray levels of the canvas [H, W]."""
    page.wait_for_timeout(100)
    data = page.evaluate("() => document.getElementById('film').toDataURL().split(',')[1]")
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE)


def test_keys_change_the_film_and_not_the_probabilities(exported, visit):
    page = visit(exported / PAGE)
    before = judge(page, PNGS["12 of 16 bits"])
    as_it_came = shown(page)
    page.keyboard.press("i")
    assert np.abs(shown(page).astype(int) - (255 - as_it_came.astype(int)))[:, 300:500].max() <= 2
    assert page.get_attribute("#invert", "aria-pressed") == "true"
    page.keyboard.press("r")
    assert np.array_equal(shown(page), as_it_came)
    for keys in ("w ArrowRight ArrowDown", "z ArrowUp", "m ArrowLeft", "+", "1", "f"):
        page.focus("#film")
        shown_before = shown(page)
        for key in keys.split():
            page.keyboard.press(key)
        assert not np.array_equal(shown(page), shown_before), keys
    assert "as stored" not in page.inner_text("#window")
    rows = page.query_selector_all("[data-probability]")
    assert [float(row.get_attribute("data-probability")) for row in rows] == list(before.values())


def test_dragging_windows_moves_and_zooms(exported, visit):
    page = visit(exported / PAGE)
    judge(page, PNGS["gray"])
    page.mouse.move(300, 300)
    for tool, overlay in (("window", "#window"), ("zoom", "#zoom")):
        page.click(f"[data-tool={tool}]")
        before = page.inner_text(overlay)
        page.mouse.move(300, 300)
        page.mouse.down()
        page.mouse.move(360, 340)
        page.mouse.up()
        page.wait_for_timeout(100)
        assert page.inner_text(overlay) != before
    before = page.inner_text("#zoom")
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    assert page.inner_text("#zoom") != before
    page.click("text=Reset")
    page.wait_for_timeout(100)
    assert page.inner_text("#window") == "W 255 L 128"


def test_every_button_is_reached_by_tab_and_the_card_by_its_key(exported, visit):
    page = visit(exported / PAGE)
    judge(page, PNGS["gray"])
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("() => document.activeElement.textContent || document.activeElement.id")
        )
    assert {"Open…", "Model card", "film", "Window", "Invert", "Fit", "Reset"} <= reached
    page.keyboard.press("c")
    assert "<b>small</b>" in page.inner_text("#card")
    assert page.is_visible("#card td:has-text('AUROC')")
    page.click("#card summary")
    page.wait_for_timeout(200)
    assert "UCL" in page.inner_text("#notices pre")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.is_visible("#keys")


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_no_overflow_and_black_around_the_film(exported, visit, size, scheme):
    page = visit(exported / PAGE, size, color_scheme=scheme)
    judge(page, PNGS["gray"], "a_file_with_a_very_long_name_" * 4 + ".png")
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert shown(page)[0, 0] == 0 or shown(page)[-1, -1] == 0
    page.emulate_media(media="print")
    assert page.is_hidden(".tools")
    assert page.is_hidden("nav")
    assert page.is_visible("#film")
    assert page.is_visible(".use")


def test_no_page_for_what_it_cannot_do(exported, tmp_path, monkeypatch):
    about = Exported.read(exported / ABOUT)
    for name in (PAGE, MODEL):
        shutil.copy(exported / name, tmp_path)
    shutil.copytree(exported / FOLDER, tmp_path / FOLDER)
    prepared = about.model_copy(update={"prepared": ["crop_borders"]})
    said = write_viewer(tmp_path, tmp_path / MODEL, prepared, "cnn5", CARD)
    assert said.startswith("No viewer.html: crop_borders cannot be computed")
    assert not any((tmp_path / page).exists() for page in PAGES)
    monkeypatch.setattr("thorax.export.viewer.LARGEST", 1000)
    said = write_viewer(tmp_path, tmp_path / MODEL, about, "cnn5", CARD)
    assert "more than a browser opens well" in said
    assert not any((tmp_path / page).exists() for page in PAGES)


def test_the_page_allows_its_own_scripts_only_and_names_its_libraries(exported):
    text = (exported / PAGE).read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy
    assert len(text) < 25e6
    for library in libraries():
        assert f"{library['package']} {library['version']}" in text


def test_the_libraries_are_those_that_were_recorded():
    for library in libraries():
        for name, sha256 in library["files"].items():
            assert hashlib.sha256(unpacked(Path(name).name)).hexdigest() == sha256
