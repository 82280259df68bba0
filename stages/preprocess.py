"""Decode every image once into the uint8 cache, with fingerprints."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))  # this tree's own package

from thorax.config import load_params, load_paths
from thorax.errors import stage

with stage():
    params, paths = load_params(), load_paths()
    from thorax.preprocess import preprocess

    preprocess(params.preprocess, paths)
