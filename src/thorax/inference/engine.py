"""From one gray image to what was decided of it: by ONNX, or by torch from the weights.

Both compute the same graph (`bundle.graph`), and `thorax export` refuses a file that decides
otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thorax.artifacts.model import Exported
from thorax.bundle.about import ABOUT, FORMAT, ONNX, POINTS, Bundle, describe
from thorax.errors import DISTRIBUTION, DataError, IntegrityError, ResourceError
from thorax.io import read_json, sha256_file
from thorax.preprocess.decode import Gray, resize


class Decision(NamedTuple):
    """What a model says of one image: calibrated probabilities, decisions, spread [O].

    `atypicality` above 1 means unlike the training images.
    """

    probability: NDArray[np.float32]
    predicted: NDArray[np.uint8]
    spread: NDArray[np.float32]
    atypicality: float


@dataclass(frozen=True)
class Engine:
    """A model ready to run, what its numbers mean, and the bundle if it runs from one."""

    about: Exported
    run: Callable[[Gray], Any]
    bundle: Bundle | None = None

    def __call__(self, image: Gray) -> Decision:
        """Decide a gray image [H, W] as it was decoded."""
        if self.about.prepared:
            image = resize(image, self.about.preprocess)[0]
        probability, predicted, spread, atypicality = self.run(np.ascontiguousarray(image))
        return Decision(
            np.asarray(probability), np.asarray(predicted), np.asarray(spread), float(atypicality)
        )


def open_engine(model: Path) -> Engine:
    """An exported folder by onnxruntime, a bundle by torch.

    Raises:
        DataError: neither of them.
        IntegrityError: a newer version wrote it, or its files do not belong together.
        ResourceError: a bundle, but torch is not installed.
    """
    if (model / ABOUT).exists():
        return _onnx(model)
    if (model / POINTS).exists():
        return _torch(Bundle.open(model))
    raise DataError(
        f"{model} is neither a bundle, as the evaluate stage writes it, nor what `thorax export`"
        " made of one."
    )


def _onnx(folder: Path) -> Engine:
    import onnxruntime

    if read_json(folder / ABOUT).get("format", 0) > FORMAT:
        raise IntegrityError(f"{folder} was exported by a newer thorax. Update this one.")
    about = Exported.read(folder / ABOUT)
    path = folder / ONNX
    if not path.exists():
        raise DataError(f"{path} does not exist. Copy the whole export.")
    if sha256_file(path) != about.model_sha256:
        raise IntegrityError(f"{path} is not the file that {folder / ABOUT} describes.")
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoding needs cores
    providers = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(path, options, providers)
    return Engine(about, lambda image: session.run(None, {"image": image}))


def _torch(bundle: Bundle) -> Engine:
    try:
        import torch

        from thorax.bundle.graph import Classifier
    except ModuleNotFoundError:
        raise ResourceError(
            f"{bundle.folder} holds weights, which need torch. Install {DISTRIBUTION}[train], or"
            " run `thorax export` where it is and use the folder that it writes."
        ) from None
    classifier = Classifier(bundle).eval()

    def run(image: Gray) -> Any:
        with torch.inference_mode():
            return classifier(torch.from_numpy(image))

    return Engine(describe(bundle), run, bundle)
