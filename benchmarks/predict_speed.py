"""How fast `thorax predict` is beside inference alone: what reading and checking cost.

A network of realistic cost (ResNet-50 at 224 pixels, random weights) in place of the shipped one,
on phantoms enlarged to 1,024 pixels, by onnxruntime. An image that looks atypical costs a second
inference, of its negative; these do not.

    python benchmarks/predict_speed.py        # writes benchmarks/predict_speed.json; needs bundle/
"""

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from thorax.artifacts.model import ModelFile, OperatingPoints
from thorax.bundle.about import ABOUT, ONNX, POINTS, Bundle, describe
from thorax.bundle.graph import Classifier
from thorax.evaluate import freeze
from thorax.export.onnx_file import write_onnx
from thorax.inference import classify
from thorax.inference.checks import Seen
from thorax.inference.engine import open_engine
from thorax.io import sha256_file, write_json
from thorax.models.build import build
from thorax.models.inference import save
from thorax.provenance import machine

ROOT = Path(__file__).resolve().parent.parent
FILMS, PIXELS, ROUNDS = 60, 1024, 5


def heavy_export(folder: Path) -> Path:
    """The shipped bundle with another network, exported."""
    bundle = shutil.copytree(ROOT / "bundle", folder / "bundle")
    model = ModelFile.read(bundle / "0" / "model.json")
    architecture = model.model.model_copy(update={"name": "resnet50"})
    preprocess = model.preprocess.model_copy(update={"image_size": 224})
    model = model.model_copy(update={"model": architecture, "preprocess": preprocess})
    save(model, build(architecture, len(model.outputs), 224).state_dict(), bundle / "0")
    freeze(bundle, OperatingPoints.read(bundle / POINTS))
    opened = Bundle.open(bundle)
    exported, about = folder / "exported", describe(opened)
    exported.mkdir()
    write_onnx(Classifier(opened).eval(), about, exported / ONNX)
    known = about.model_copy(update={"model_sha256": sha256_file(exported / ONNX)})
    known.write(exported / ABOUT)
    shutil.copy(bundle / "0" / "trained_on.json", exported)
    return exported


def films(folder: Path) -> Path:
    """Cached phantoms, enlarged, with a little noise: as costly to decode as a film."""
    folder.mkdir()
    images = np.load(ROOT / "data/cache/images.npy", mmap_mode="r")
    for i in range(FILMS):
        image = cv2.resize(images[i], (PIXELS, PIXELS), interpolation=cv2.INTER_CUBIC)
        noise = np.random.default_rng(i).normal(0, 3, image.shape)
        film = np.clip(image + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:03}.png"), film)
    return folder


def main() -> None:
    """Interleave both arms, print and write."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        exported, place = heavy_export(folder), films(folder / "films")
        engine, seen = open_engine(exported), Seen.of(exported)
        image = cv2.imread(str(place / "000.png"), cv2.IMREAD_GRAYSCALE)
        alone, whole = [], []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in range(FILMS):
                engine(image)
            middle = time.perf_counter()
            assert sum(1 for _ in classify(engine, seen, place)) == FILMS
            alone.append(FILMS / (middle - start))
            whole.append(FILMS / (time.perf_counter() - middle))
    ratios = [b / a for a, b in zip(alone, whole, strict=True)]
    result = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "films": FILMS,
        "pixels": PIXELS,
        "network": "resnet50 at 224",
        "inference_alone_per_second": round(float(np.median(alone)), 1),
        "predict_per_second": round(float(np.median(whole)), 1),
        "ratio": round(float(np.median(ratios)), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }
    write_json(Path(__file__).with_suffix(".json"), result)
    print(result)


if __name__ == "__main__":
    main()
