"""The command `thorax export`: a bundle as files that others use without thorax."""

from pathlib import Path

import torch

from thorax.artifacts.model import ModelFile, TrainedOn
from thorax.bundle.about import ABOUT, DESCRIPTION, ONNX, Bundle, describe
from thorax.bundle.graph import Classifier
from thorax.config import Paths
from thorax.contamination import FILE as TRAINED_ON
from thorax.errors import IntegrityError
from thorax.export.hugging_face import write_hugging_face
from thorax.export.onnx_file import write_onnx
from thorax.export.parity import compare
from thorax.export.viewer import write_viewer
from thorax.io import sha256_file

PARITY = "parity.json"
MOST_APART = 1e-4  # of probabilities, between torch and ONNX


def export(bundle: Path, to: Path, paths: Paths) -> str:
    """Write `model.onnx`, `export.json`, `parity.json`, a Hugging Face layout and a page into `to`.

    Args:
        bundle: as the evaluate stage writes it.
        to: a folder; files of an earlier export are replaced.
        paths: of the project, whose test images show that the export decides as the bundle does.

    Raises:
        DataError: no bundle.
        IntegrityError: the exported graph gives other probabilities or decisions.
    """
    opened = Bundle.open(bundle)
    about, classifier = describe(opened), Classifier(opened).eval()
    to.mkdir(parents=True, exist_ok=True)
    model = to / ONNX
    with torch.inference_mode():
        write_onnx(classifier, about, model)
        parity = compare(classifier, model, about, paths)
    parity.write(to / PARITY)
    flipped = parity.flipped_decisions + parity.flipped_decisions_from_files
    if parity.max_abs_difference > MOST_APART or flipped:
        (to / ABOUT).unlink(missing_ok=True)
        raise IntegrityError(
            f"{model} does not decide as the bundle does: probabilities differ by up to"
            f" {parity.max_abs_difference:.2g} on {parity.images:,} images, {flipped} decisions do."
            f" See {to / PARITY}. Do not use it."
        )
    about.model_copy(update={"model_sha256": sha256_file(model)}).write(to / ABOUT)
    _all_seen(opened.models).write(to / TRAINED_ON)
    write_hugging_face(opened.models, about, Path(paths.model_card), to)
    page = write_viewer(to, model, about, *_named(opened.models, paths))
    return (
        f"{model}: {model.stat().st_size / 1e6:.1f} MB, {about.models} model(s). On"
        f" {parity.images:,} images probabilities are within {parity.max_abs_difference:.1g} of the"
        f" bundle's and every decision is the same; on {parity.files:,} original files within"
        f" {parity.max_abs_difference_from_files:.1g}.\nTry it: thorax predict {to} IMAGE\n{page}"
    )


def _named(models: list[Path], paths: Paths) -> tuple[str, str]:
    """Name of the network, and the model card."""
    card = Path(paths.model_card).read_text(encoding="utf-8")
    return ModelFile.read(models[0] / DESCRIPTION).model.name, card


def _all_seen(models: list[Path]) -> TrainedOn:
    """Images that any of the models has seen; of patients nothing leaves the bundle."""
    seen = [TrainedOn.read(folder / TRAINED_ON) for folder in models]
    images, pictures = (
        sorted({each for model in seen for each in getattr(model, name)})
        for name in ("images", "pictures")
    )
    return TrainedOn(patients=[], images=images, pictures=pictures)
