"""The command `thorax export`: a bundle as files that others use without thorax."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from scipy.special import expit, logit

from thorax.artifacts.data import DatasetInfo
from thorax.artifacts.evaluation import Results
from thorax.artifacts.model import (
    AtThreshold,
    Exported,
    ModelFile,
    OperatingPoints,
    TrainedOn,
)
from thorax.config import Paths
from thorax.contamination import FILE as TRAINED_ON
from thorax.errors import DataError, IntegrityError
from thorax.export.graph import Classifier, outside
from thorax.export.hugging_face import write_hugging_face
from thorax.export.onnx_file import write_onnx
from thorax.export.parity import compare
from thorax.export.viewer import write_viewer
from thorax.io import sha256_file
from thorax.models.inference import DESCRIPTION

FORMAT = 1
MODEL, ABOUT, PARITY = "model.onnx", "export.json", "parity.json"
POINTS = "operating_points.json"
MOST_APART = 1e-4  # of probabilities, between torch and ONNX
USE = "Not a medical device. Not for diagnosis, triage or any decision about a patient."


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
    points = OperatingPoints.read(bundle / POINTS)
    models = sorted(path.parent for path in bundle.glob(f"*/{DESCRIPTION}"))
    if not models:
        raise DataError(f"{bundle} has operating points, but no model. Copy the whole bundle.")
    to.mkdir(parents=True, exist_ok=True)
    classifier = Classifier(models, points).eval()
    about = describe(bundle, models, points, paths)
    with torch.inference_mode():
        write_onnx(classifier, about, to / MODEL)
        parity = compare(classifier, to / MODEL, about, paths)
    parity.write(to / PARITY)
    flipped = parity.flipped_decisions + parity.flipped_decisions_from_files
    if parity.max_abs_difference > MOST_APART or flipped:
        raise IntegrityError(
            f"{to / MODEL} does not decide as the bundle does: probabilities differ by up to"
            f" {parity.max_abs_difference:.2g} on {parity.images:,} images, {flipped} decisions do."
            f" See {to / PARITY}. Do not use it."
        )
    about.write(to / ABOUT)
    _all_seen(models).write(to / TRAINED_ON)
    write_hugging_face(models, about, Path(paths.model_card), to)
    page = write_viewer(to, to / MODEL, about, *_named(models, paths))
    return (
        f"{to / MODEL}: {(to / MODEL).stat().st_size / 1e6:.1f} MB, {about.models} model(s). On"
        f" {parity.images:,} images probabilities are within {parity.max_abs_difference:.1g} of the"
        f" bundle's and every decision is the same; on {parity.files:,} original files within"
        f" {parity.max_abs_difference_from_files:.1g}.\nTry it: thorax predict {to} IMAGE\n{page}"
    )


def _named(models: list[Path], paths: Paths) -> tuple[str, str]:
    """Name of the network, and the model card."""
    card = Path(paths.model_card).read_text(encoding="utf-8")
    return ModelFile.read(models[0] / DESCRIPTION).model.name, card


def describe(bundle: Path, models: list[Path], points: OperatingPoints, paths: Paths) -> Exported:
    """What the exported numbers mean."""
    model = ModelFile.read(models[0] / DESCRIPTION)
    test = Results.read(Path(paths.evaluation) / "results.json").test
    thresholds = {}
    for name, threshold in points.thresholds.items():
        slope, intercept = points.scaling[name].line
        thresholds[name] = float(expit(slope * logit(threshold) + intercept))
    performance = {
        name: AtThreshold(
            sensitivity=figures.metrics["sensitivity"], specificity=figures.metrics["specificity"]
        )
        for name, figures in test.classes.items()
    }
    return Exported(
        format=FORMAT,
        title=DatasetInfo.read(Path(paths.dataset)).title,
        task=model.task,
        outputs=model.outputs,
        thresholds=thresholds,
        performance=performance,
        test_set=f"{test.images:,} images of {test.patients:,} patients",
        atypical=points.atypical,
        preprocess=model.preprocess,
        prepared=outside(model.preprocess),
        models=len(models),
        bundle=digest(bundle),
        version=_version(),
        use=USE,
    )


def digest(bundle: Path) -> str:
    """SHA-256 over names and bytes of all files of a bundle."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(bundle).as_posix()} {sha256_file(path)}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _all_seen(models: list[Path]) -> TrainedOn:
    """Images that any of the models has seen; of patients nothing leaves the bundle."""
    seen = [TrainedOn.read(folder / TRAINED_ON) for folder in models]
    images, pictures = (
        sorted({each for model in seen for each in getattr(model, name)})
        for name in ("images", "pictures")
    )
    return TrainedOn(patients=[], images=images, pictures=pictures)


def _version() -> str:
    try:
        return version("thorax-cxr")
    except PackageNotFoundError:
        return "unknown"
