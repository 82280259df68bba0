"""All the kinds of files in which radiographs circulate."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from small_run import params
from thorax.preprocess.decode import decode, resize

RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def encode(image, extension=".png"):
    return cv2.imencode(extension, image)[1].tobytes()


def settings(**changes):
    return params(preprocess={"image_size": 64, **changes}).preprocess


def palette_png(image):
    """An indexed PNG whose palette is the inverse gray ramp."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    height, width = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = bytes(255 - i for i in range(256) for _ in range(3))
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    parts = chunk(b"IHDR", header) + chunk(b"PLTE", palette)
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [encode(RAMP), encode(cv2.merge([RAMP] * 3)), encode(cv2.merge([*[RAMP] * 3, 255 - RAMP])),
     encode(RAMP, ".bmp"), encode(RAMP, ".tiff"), palette_png(255 - RAMP)],
    ids=["gray", "rgb", "rgba", "bmp", "tiff", "palette"],
)  # fmt: skip
def test_lossless_kinds_give_the_same_pixel_intensities(content):
    np.testing.assert_array_equal(decode(content), RAMP)


def test_twelve_bits_in_sixteen_fill_the_range():
    deep = RAMP.astype(np.uint16) * 16 + 10
    image = decode(encode(deep))
    assert (image.min(), image.max()) == (0, 255)
    assert np.corrcoef(image.ravel(), RAMP.ravel())[0, 1] > 0.9999


@pytest.mark.parametrize("letter", [(1, 1), (8, 10)], ids=["hot pixel", "burnt-in letter"])
def test_deep_images_keep_their_contrast_beside_an_outlier(letter):
    """Scaled to the brightest pixel, one at 65,535 left 3 of 255 gray levels."""
    deep = RAMP.astype(np.uint16) * 3 + 2000
    clean = decode(encode(deep))
    height, width = letter
    deep[2 : 2 + height, 3 : 3 + width] = 65535
    image = decode(encode(deep))
    assert (image[2 : 2 + height, 3 : 3 + width] == 255).all()
    image[2 : 2 + height, 3 : 3 + width] = clean[2 : 2 + height, 3 : 3 + width]
    np.testing.assert_array_equal(image, clean)


def test_a_deep_image_that_is_nearly_all_border_keeps_its_middle():
    deep = np.zeros((60, 60), np.uint16)
    deep[25:35, 25:35] = np.arange(100).reshape(10, 10) * 20 + 100
    image = decode(encode(deep))
    assert len(np.unique(image)) == 101


def test_eight_bit_images_are_left_as_they_are():
    dull = RAMP // 8 + 50
    dull[0, 0] = 255
    np.testing.assert_array_equal(decode(encode(dull)), dull)


def test_exif_orientation_is_applied():
    jpeg = encode(RAMP, ".jpg")
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    assert decode(jpeg).shape == (48, 64)
    image = decode(turned)
    assert image.shape == (64, 48)
    assert image[0].mean() < image[-1].mean()  # a quarter turn clockwise: left became top


@pytest.mark.parametrize("content", [b"", b"not an image", encode(RAMP)[:60]])
def test_what_is_no_image_is_refused(content):
    with pytest.raises(ValueError, match="decoded"):
        decode(content)


def test_one_pixel_value_in_sixteen_bits_is_refused():
    with pytest.raises(ValueError, match="one pixel value"):
        decode(encode(np.full((8, 8), 300, np.uint16)))


@pytest.mark.parametrize("keep_aspect", [False, True])
@pytest.mark.parametrize("crop_borders", [False, True])
def test_geometry_leads_from_the_original_to_the_cache(keep_aspect, crop_borders):
    image = np.zeros((200, 320), np.uint8)
    image[40:180, 30:300] = 60
    image[100:104, 200:204] = 255
    pixels, g = resize(image, settings(keep_aspect=keep_aspect, crop_borders=crop_borders))
    y, x = np.unravel_index(pixels.argmax(), pixels.shape)
    expected_x = (202 - g.crop_x) * g.new_width / g.crop_width + g.pad_x
    expected_y = (102 - g.crop_y) * g.new_height / g.crop_height + g.pad_y
    assert (x, y) == (pytest.approx(expected_x, abs=1), pytest.approx(expected_y, abs=1))
    if crop_borders:
        assert abs(g.crop_x - 30) <= 2
        assert abs(g.crop_width - 270) <= 4


def test_keeping_the_aspect_pads_with_black():
    pixels, g = resize(np.full((50, 100), 200, np.uint8), settings(keep_aspect=True))
    assert (g.new_width, g.new_height) == (64, 32)
    assert pixels[: g.pad_y].max() == 0
    assert pixels[g.pad_y : g.pad_y + 32].min() == 200


def test_a_black_image_is_not_cropped_away():
    assert resize(np.zeros((40, 40), np.uint8), settings(crop_borders=True))[1].crop_width == 40


def framed(image, frame):
    """An image within a black frame, a fraction of its sides wide; and where it lies."""
    y, x = (round(frame * side) for side in image.shape)
    return np.pad(image, ((y, y), (x, x))), (x, y, image.shape[1], image.shape[0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mark", ["nothing", "a marker", "letters"])
def test_borders_are_cut_off_whatever_is_printed_on_them(mark, seed):
    rng = np.random.default_rng(seed)
    chest = rng.integers(40, 200, (rng.integers(150, 300), rng.integers(150, 300))).astype(np.uint8)
    image, expected = framed(chest, 0.15)
    if mark == "a marker":
        image[:8, -8:] = 255
    if mark == "letters":
        cv2.putText(image, "AP 12:30", (3, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    place = resize(image, settings(crop_borders=True))[1]
    found = (place.crop_x, place.crop_y, place.crop_width, place.crop_height)
    assert found == pytest.approx(expected, abs=3)


def test_both_halves_of_a_chest_are_kept():
    image, _ = framed(np.full((100, 200), 90, np.uint8), 0.2)
    image[:, 130:150] = 0  # a very dark middle
    place = resize(image, settings(crop_borders=True))[1]
    assert (place.crop_x, place.crop_width) == (pytest.approx(40, abs=1), pytest.approx(200, abs=2))


def test_clahe_and_blur_do_what_they_say():
    rng = np.random.default_rng(0)
    flat = rng.normal(100, 5, (64, 64)).clip(0, 255).astype(np.uint8)
    assert resize(flat, settings(clahe_clip=2.0))[0].std() > 1.3 * flat.std()
    assert resize(flat, settings(blur_kernel=5))[0].std() < 0.7 * flat.std()


@pytest.mark.parametrize("name", ["area", "linear", "cubic", "lanczos", "nearest"])
def test_every_interpolation_keeps_the_mean(name):
    for image in (RAMP, cv2.resize(RAMP, (256, 256))):
        pixels, _ = resize(image, settings(interpolation=name))
        assert pixels.mean() == pytest.approx(image.mean(), abs=2)


def test_cmyk_jpeg_gives_its_gray():
    file = io.BytesIO()
    Image.fromarray(RAMP).convert("RGB").convert("CMYK").save(file, "JPEG", quality=95)
    assert np.abs(decode(file.getvalue()).astype(int) - RAMP).max() <= 3
