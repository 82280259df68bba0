"""What a bundle's numbers mean, in the form in which it is exported."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from thorax.artifacts.model import Exported, ModelFile, OperatingPoints
from thorax.config import Preprocess
from thorax.errors import DataError, IntegrityError
from thorax.io import sha256_file

FORMAT = 1
POINTS, DESCRIPTION = "operating_points.json", "model.json"
ONNX, ABOUT = "model.onnx", "export.json"  # of an exported folder
DISTRIBUTION = "thorax-cxr"
INSIDE = ("area", "linear", "nearest")  # interpolations that the exported graph computes
GRAY = (
    "uint8, 0 black, 255 white. DICOM: modality LUT or rescale, then VOI LUT or window, inverted"
    " once for MONOCHROME1, upright, square pixels. Other images: luma; more than 8 bits scaled to"
    " the whiskers around the middle 90% of the pixels."
)
USE = "Not a medical device. Not for diagnosis, triage or any decision about a patient."


def models_of(bundle: Path) -> list[Path]:
    """The folders of its models, all of whose files are those that were frozen.

    Raises:
        DataError: files are missing.
        IntegrityError: one is another one.
    """
    models = set()
    for name, sha256 in OperatingPoints.read(bundle / POINTS).files.items():
        path = bundle / name
        if not path.exists():
            raise DataError(f"{path} is missing. Copy the whole bundle.")
        if sha256_file(path) != sha256:
            raise IntegrityError(
                f"{path} is not the file that {bundle / POINTS} was frozen with. Copy it again."
            )
        models.add(path.parent)
    return sorted(models)


def describe(bundle: Path) -> Exported:
    """Read it from the bundle alone.

    Raises:
        DataError: no bundle.
    """
    points = OperatingPoints.read(bundle / POINTS)
    models = models_of(bundle)
    model = ModelFile.read(models[0] / DESCRIPTION)
    return Exported(
        format=FORMAT,
        title=points.title,
        task=model.task,
        outputs=model.outputs,
        thresholds=points.calibrated_thresholds(),
        performance=points.performance,
        test_set=points.test_set,
        atypical=points.atypical,
        gray=GRAY,
        preprocess=model.preprocess,
        prepared=outside(model.preprocess),
        models=len(models),
        bundle=digest(bundle),
        model_sha256="",
        version=installed_version(),
        use=USE,
    )


def outside(params: Preprocess) -> list[str]:
    """Settings that the exported graph cannot compute: with any it takes a prepared image."""
    reasons = []
    if params.crop_borders:
        reasons.append("crop_borders")
    if params.clahe_clip is not None:
        reasons.append("clahe_clip")
    if params.interpolation not in INSIDE:
        reasons.append(f"interpolation {params.interpolation}")
    return reasons


def digest(bundle: Path) -> str:
    """SHA-256 over names and bytes of all files of a bundle."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(bundle).as_posix()} {sha256_file(path)}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def installed_version() -> str:
    """Of thorax; empty where it is not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return ""
