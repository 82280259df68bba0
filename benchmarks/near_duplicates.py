"""How many altered copies of real X-rays are found, and how many pairs of patients are confused.

python benchmarks/near_duplicates.py ORIGINALS [OTHERS …]   # writes benchmarks/near_duplicates.json

ORIGINALS is a folder or archive of X-rays, of which each is altered and looked for. Each of OTHERS
is searched for pairs; those of one file content or of one patient, by the names, are told apart.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.archives import IMAGE, walk
from thorax.config import load_params
from thorax.io import write_json
from thorax.near_duplicates import fingerprint, near_hashes, near_identical
from thorax.preprocess.decode import decode
from thorax.provenance import machine
from thorax.studies.audit import read

Gray = NDArray[np.uint8]


def curve(image: Gray, levels: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Gray:
    """Another gray level for each."""
    return cv2.LUT(image, np.clip(levels(np.arange(256.0)), 0, 255).round().astype(np.uint8))


def gamma(power: float) -> Callable[[Gray], Gray]:
    """Gray levels to a power."""
    return lambda image: curve(image, lambda x: 255 * (x / 255) ** power)


def contrast(factor: float) -> Callable[[Gray], Gray]:
    """Gray levels stretched about their mean."""
    return lambda image: curve(image, lambda x: (x - image.mean()) * factor + image.mean())


def jpeg(quality: int) -> Callable[[Gray], Gray]:
    """Compressed."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return lambda image: cv2.imdecode(cv2.imencode(".jpg", image, options)[1], 0)


def noise(sd: float) -> Callable[[Gray], Gray]:
    """Independent noise in every pixel."""

    def noisy(image: Gray) -> Gray:
        drawn = np.random.default_rng(0).normal(0, sd, image.shape)
        return np.clip(image + drawn, 0, 255).astype(np.uint8)

    return noisy


def moved(degrees: float = 0.0, shift: float = 0.0) -> Callable[[Gray], Gray]:
    """Turned about the center and shifted by a fraction of width and height; black moves in."""

    def warped(image: Gray) -> Gray:
        height, width = image.shape
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        matrix[:, 2] += shift * width, shift * height
        return cv2.warpAffine(image, matrix, (width, height))

    return warped


def cropped(fraction: float) -> Callable[[Gray], Gray]:
    """Without this fraction on each of the four sides."""

    def cut(image: Gray) -> Gray:
        y, x = (round(fraction * side) for side in image.shape)
        return image[y : image.shape[0] - y, x : image.shape[1] - x]

    return cut


def framed(fraction: float, level: int = 0) -> Callable[[Gray], Gray]:
    """With a frame, its width a fraction of the longer side."""

    def frame(image: Gray) -> Gray:
        wide = [round(fraction * max(image.shape))] * 4
        return cv2.copyMakeBorder(image, *wide, cv2.BORDER_CONSTANT, value=level)

    return frame


def letterboxed(image: Gray) -> Gray:
    """Padded to a square."""
    spare = [max(image.shape) - side for side in image.shape]
    top, left = (side // 2 for side in spare)
    wide = top, spare[0] - top, left, spare[1] - left
    return cv2.copyMakeBorder(image, *wide, cv2.BORDER_CONSTANT, value=0)


def lettered(image: Gray) -> Gray:
    """With letters burnt in, as a machine does."""
    height, width = image.shape
    place, size = (round(0.03 * width), round(0.08 * height)), width / 500
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2 * size))
    return cv2.putText(image.copy(), "L PORTABLE 12:45", place, font, size, 255, thick)


def resized(side: int) -> Callable[[Gray], Gray]:
    """Stretched to a square of so many pixels."""
    return lambda image: cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


ALTERATIONS: dict[str, Callable[[Gray], Gray]] = {
    "JPEG, quality 30": jpeg(30),
    "JPEG, quality 10": jpeg(10),
    "noise, SD 10": noise(10),
    "resized to 224 x 224": resized(224),
    "resized to 96 x 96": resized(96),
    "blur, 0.3% of the width": lambda i: cv2.GaussianBlur(i, (0, 0), 0.003 * i.shape[1]),
    "brightness x1.3": lambda i: curve(i, lambda x: 1.3 * x),
    "contrast x0.6": contrast(0.6),
    "contrast x1.4": contrast(1.4),
    "gamma 0.6": gamma(0.6),
    "gamma 1.5": gamma(1.5),
    "equalized": cv2.equalizeHist,
    "CLAHE, 2.0, 8 x 8": cv2.createCLAHE(2.0, (8, 8)).apply,
    "letters": lettered,
    "black frame of 2%": framed(0.02),
    "black frame of 10%": framed(0.1),
    "white frame of 2%": framed(0.02, 255),
    "letterbox": letterboxed,
    "cropped by 2%": cropped(0.02),
    "cropped by 5%": cropped(0.05),
    "shifted by 2%": moved(shift=0.02),
    "turned by 1 degree": moved(1),
    "turned by 2 degrees": moved(2),
    "turned by 5 degrees": moved(5),
    "mirrored": lambda i: cv2.flip(i, 1),
    "inverted": lambda i: 255 - i,
    "inverted and mirrored": lambda i: 255 - cv2.flip(i, 1),
    "inverted, letterbox": lambda i: 255 - letterboxed(i),
    "96 x 96, JPEG, gamma 0.6": lambda i: gamma(0.6)(jpeg(30)(resized(96)(i))),
}


def found(originals: list[Gray]) -> dict[str, int]:
    """Originals that each alteration leaves recognizable, by the shipped limits."""
    limits = load_params().split
    plain = prints_of(originals)
    result = {}
    for name, altered in ALTERATIONS.items():
        pairs = near_identical(
            plain, prints_of([altered(image) for image in originals]),
            distance=limits.hash_distance, correlation=limits.thumbnail_correlation,
        )  # fmt: skip
        result[name] = sum(i == j for i, j in pairs)
        print(f"{name:<28}{result[name]:>4} of {len(originals)}")
    return result


def prints_of(images: list[Gray]) -> tuple[Gray, Gray]:
    """Fingerprints of a list of images."""
    hashes, thumbnails = zip(*map(fingerprint, images), strict=True)
    return np.stack(hashes), np.stack(thumbnails)


def bits_between(a: Gray, b: Gray) -> int:
    """Distance of two hashes in the nearest orientation."""
    differ = (int(np.bitwise_count(half).sum()) for half in np.split(a ^ b, 2))
    return sum(min(bits, 128 - bits) for bits in differ)


def confused(path: Path) -> dict[str, object]:
    """Pairs within one set: what they share, and how long finding them takes."""
    limits = load_params().split
    images, (hashes, thumbnails) = read(path)
    start = time.process_time()
    candidates = list(near_hashes(hashes, distance=limits.hash_distance))
    middle = time.process_time()
    pairs = near_identical(
        (hashes, thumbnails),
        distance=limits.hash_distance, correlation=limits.thumbnail_correlation,
    )  # fmt: skip
    end = time.process_time()
    rules = list(images.patients.values())

    def kind(i: int, j: int) -> str:
        if images.sha256[i] == images.sha256[j]:
            return "same bytes"
        same = any(known[i] and known[i] == known[j] for known in rules)
        return "same patient" if same else "different patients"

    strangers = [pair for pair in candidates if kind(*pair) == "different patients"]
    result = {
        "images": len(images.ids),
        "candidates": len(candidates),
        "cpu_seconds_for_candidates": round(middle - start, 1),
        "cpu_seconds": round(end - middle, 1),
        "pairs": dict(Counter(kind(*pair) for pair in pairs)),
        "nearest_patients_bits": min(bits_between(hashes[i], hashes[j]) for i, j in strangers),
    }
    print(path.name, result)
    return result


def main() -> None:
    """Alter and search, print and write."""
    files = walk(Path(sys.argv[1]), lambda name: name.lower().endswith(IMAGE))
    originals = [decode(content) for _, content in files]
    limits = load_params().split
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "hash_distance": limits.hash_distance,
        "thumbnail_correlation": limits.thumbnail_correlation,
        "originals": len(originals),
        "found": found(originals),
        "pairs": {Path(path).name: confused(Path(path)) for path in sys.argv[2:]},
    }
    write_json(Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
