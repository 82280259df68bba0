"""From the bytes of an image file to one uint8 gray image of the size that models read."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.config import Preprocess
from thorax.dicom import image as dicom
from thorax.dicom.gray import whiskers
from thorax.dicom.parse import is_dicom

Gray = NDArray[np.uint8]

INTERPOLATION = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "nearest": cv2.INTER_NEAREST,
}
BORDER_LEVEL = 10  # of 255: film borders and collimated edges stay under it, lungs do not
SPECK = 0.1  # of the largest bright region: smaller ones in a border are markers and letters


@dataclass(frozen=True)
class Geometry:
    """How original pixels became cached ones, in pixels: cut out, scaled, moved.

    A point x of the original lies at `(x - crop_x) * new_width / crop_width + pad_x` in the cache.
    """

    width: int
    height: int
    crop_x: int
    crop_y: int
    crop_width: int
    crop_height: int
    new_width: int
    new_height: int
    pad_x: int
    pad_y: int


def decode(content: bytes) -> Gray:
    """Decode DICOM, PNG, JPEG, BMP, TIFF or WebP bytes to gray [H, W], 0–255.

    Raises:
        ValueError: the bytes are no readable image.
    """
    return develop(content).image


def develop(content: bytes) -> dicom.Picture:
    """The same with the rule that gave a DICOM image its gray values.

    In other images color, palette and CMYK become luma, alpha is dropped, EXIF orientation is
    applied. Deeper ones are scaled to the range of their own values: 12-bit radiographs are
    commonly stored in 16-bit files, and dividing those by 256 would leave them almost black.

    Raises:
        ValueError: the bytes are no readable image.
    """
    if is_dicom(content):
        return dicom.read(content)
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
    try:
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f"cannot be decoded ({error.msg if error.msg else error})") from None
    if image is None or image.size == 0:
        raise ValueError("cannot be decoded")
    return dicom.Picture(image if image.dtype == np.uint8 else _to_eight_bits(image), "", "")


def _to_eight_bits(image: NDArray[Any]) -> Gray:
    """Scale from the darkest to the brightest value; outliers become black or white."""
    low, high = whiskers(image)
    if not high > low:
        raise ValueError("has one pixel value only")
    scaled = (image.astype(np.float32).clip(low, high) - low) * (255 / (high - low))
    return (scaled + 0.5).astype(np.uint8)


def resize(image: Gray, params: Preprocess) -> tuple[Gray, Geometry]:
    """Crop, resize, equalize, blur and pad one gray image to [image_size, image_size]."""
    height, width = image.shape
    x, y, crop_width, crop_height = _content_box(image) if params.crop_borders else (
        0, 0, width, height,
    )  # fmt: skip
    cropped = image[y : y + crop_height, x : x + crop_width]
    size = params.image_size
    scale = size / max(crop_width, crop_height)
    new_width = max(1, round(crop_width * scale)) if params.keep_aspect else size
    new_height = max(1, round(crop_height * scale)) if params.keep_aspect else size
    resized = _scaled(cropped, new_width, new_height, params.interpolation)
    if params.clahe_clip is not None:
        tiles = (params.clahe_tiles, params.clahe_tiles)
        resized = cv2.createCLAHE(params.clahe_clip, tiles).apply(resized).astype(np.uint8)
    if params.blur_kernel:
        kernel = (params.blur_kernel, params.blur_kernel)
        resized = cv2.GaussianBlur(resized, kernel, 0).astype(np.uint8)
    pad_x, pad_y = (size - new_width) // 2, (size - new_height) // 2
    padded = np.zeros((size, size), np.uint8)
    padded[pad_y : pad_y + new_height, pad_x : pad_x + new_width] = resized
    return padded, Geometry(
        width, height, x, y, crop_width, crop_height, new_width, new_height, pad_x, pad_y
    )


def _scaled(image: Gray, width: int, height: int, interpolation: str) -> Gray:
    enlarging = width > image.shape[1] or height > image.shape[0]
    # INTER_AREA repeats pixels when it enlarges; linear is what one means by it there.
    name = "linear" if interpolation == "area" and enlarging else interpolation
    return cv2.resize(image, (width, height), interpolation=INTERPOLATION[name]).astype(np.uint8)


def _content_box(image: Gray) -> tuple[int, int, int, int]:
    """Box (x, y, width, height) inside of black borders; the whole image if all of it is dark.

    Markers and letters in the border are not content: only the largest bright region counts, and
    what is not much smaller.
    """
    bright = (cv2.blur(image, (3, 3)) > BORDER_LEVEL).astype(np.uint8)
    regions = cv2.connectedComponentsWithStats(bright)[2][1:]  # the first one is the border
    areas = regions[:, cv2.CC_STAT_AREA]
    x, y, width, height = regions[areas >= SPECK * areas.max(initial=1), :4].T
    if not len(x) or max(width) < 2 or max(height) < 2:
        return 0, 0, image.shape[1], image.shape[0]
    left, top = int(x.min()), int(y.min())
    return left, top, int((x + width).max()) - left, int((y + height).max()) - top
