"""What the first fold's model looks at: Grad-CAM, how well it points, and shortcut tests.

Only images of the evaluated subset that this model has not seen in training are explained.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thorax.artifacts.explanation import (
    ClassOcclusion,
    Localization,
    Occlusion,
    PixelBaselines,
)
from thorax.config import Evaluate, Explain, Paths
from thorax.explain.baselines import pixel_baselines
from thorax.explain.cascade import cascading_randomization
from thorax.explain.explainer import Explainer, open_explainer
from thorax.explain.gradcam import Maps
from thorax.explain.localization import localize
from thorax.explain.occlusion import is_shortcut, occlude, occlusion_tests
from thorax.io import replacing
from thorax.metrics.bootstrap import resample
from thorax.progress import parts
from thorax.tasks import Array

MISTAKES = 40  # of each kind and class that get a map
SIDE = 32  # pixels of a map that is kept: layers that are explained are no finer


def explain(params: Explain, evaluation: Evaluate, paths: Paths) -> None:
    """Write the files of `explanations/`.

    Args:
        params: how many images.
        evaluation: bootstrap replicates and their seed.
        paths: of models, predictions, cache and annotations.
    """
    explainer = open_explainer(paths)
    folder = Path(paths.explanations)
    with parts("explain", 4) as begin:
        begin("Grad-CAM")
        write_gradcam(explainer, folder / "gradcam.npz")
        classes = localize(explainer, params, evaluation, paths)
        begin("randomization")
        Localization(
            settings=params,
            n_bootstrap=evaluation.n_bootstrap,
            classes=classes,
            cascade=cascading_randomization(explainer),
        ).write(folder / "localization.json")
        begin("baselines")
        measure_baselines(explainer).write(folder / "baselines.json")
        begin("occlusion")
        write_occlusion(explainer.few(params.occlusion_images), params, evaluation, folder)


def write_gradcam(explainer: Explainer, path: Path) -> None:
    """Grad-CAM of each class where the model is surest: one right image, and many wrong ones.

    These are the most probable image that shows the class, then the least probable ones that do and
    the most probable ones that do not: at any threshold its mistakes are among the first of them.

    Writes `image_ids` and `outputs` as text [K], `maps` uint8 [K, h, w], and `layer`.
    """
    ids: list[str] = []
    outputs: list[str] = []
    maps, layer = [], ""
    for output, name in enumerate(explainer.predictions.outputs):
        rows = surest(explainer.predictions.y[:, output], explainer.predictions.p[:, output])
        chosen = explainer.predictions.images["image_id"].iloc[rows].tolist()
        found, layer = explainer.maps(explainer.network, chosen, np.full(len(rows), output))
        maps += [_small(each) for each in found]
        ids, outputs = ids + chosen, outputs + [name] * len(rows)
    _write_arrays(
        path,
        image_ids=np.array(ids, str),
        outputs=np.array(outputs, str),
        maps=np.array(maps, np.uint8),
        layer=np.array(layer),
    )


def surest(y: Array, p: Array) -> NDArray[np.int64]:
    """Rows of one class: its most probable image, then `MISTAKES` surest misses and alarms each."""
    order = np.argsort(p, kind="stable")
    shown, absent = order[y[order] == 1], order[y[order] == 0][::-1]
    rows = [*shown[-1:], *shown[:MISTAKES], *absent[:MISTAKES]]
    return np.array(list(dict.fromkeys(rows)), np.int64)


def _small(evidence: Maps) -> NDArray[np.uint8]:
    """A map [H, W] between 0 and 1 as bytes, no larger than `SIDE`."""
    factor = min(1.0, SIDE / max(evidence.shape))
    size = [max(1, round(factor * edge)) for edge in evidence.shape[::-1]]
    return np.round(255 * cv2.resize(evidence, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)


def write_occlusion(
    explainer: Explainer, params: Explain, evaluation: Evaluate, folder: Path
) -> None:
    """The shortcut tests.

    Writes `occlusion.json` and `occlusion.npz`: the first image as it is and under each
    occlusion, uint8 [H, W].
    """
    shown: dict[str, NDArray[np.uint8]] = {}
    classes: dict[str, ClassOcclusion] = {}
    images, y = explainer.predictions.images, explainer.predictions.y
    if len(y):
        shown = occlude(explainer.pixels())
        replicates = resample(images["patient_id"], evaluation.n_bootstrap, evaluation.seed)
        tests = occlusion_tests(y, shown, explainer.score, replicates, evaluation.seed)
        classes = dict(zip(explainer.predictions.outputs, tests, strict=True))
    least = params.shortcut_drop
    Occlusion(
        images=len(y),
        patients=images["patient_id"].nunique(),
        n_bootstrap=evaluation.n_bootstrap,
        classes=classes,
        shortcuts=[name for name, test in classes.items() if is_shortcut(test.swapped, least)],
    ).write(folder / "occlusion.json")
    _write_arrays(folder / "occlusion.npz", **{name: version[0] for name, version in shown.items()})


def measure_baselines(explainer: Explainer) -> PixelBaselines:
    """How far gray statistics and the border ring get, fitted on what the model was trained on."""
    dataset = explainer.dataset
    trained = dataset.rows("train", explainer.model.training.fold)
    found = pixel_baselines(
        dataset.images,
        trained,
        dataset.targets[trained],
        explainer.rows,
        explainer.predictions,
    )
    return PixelBaselines(baselines=found)


def _write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
