"""What a bundle's numbers mean, in the form in which it is exported."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from thorax.artifacts.model import Exported, ModelFile, OperatingPoints
from thorax.config import Preprocess
from thorax.errors import DISTRIBUTION, DataError, IntegrityError
from thorax.io import sha256_file

FORMAT = 1
POINTS, DESCRIPTION = "operating_points.json", "model.json"
ONNX, ABOUT = "model.onnx", "export.json"  # of an exported folder
INSIDE = ("area", "linear", "nearest")  # interpolations that the exported graph computes
GRAY = (
    "uint8, 0 black, 255 white. DICOM: modality LUT or rescale, then VOI LUT or window, inverted"
    " once for MONOCHROME1, upright, square pixels. Other images: luma; more than 8 bits scaled to"
    " the whiskers around the middle 90% of the pixels."
)
USE = "Not a medical device. Not for diagnosis, triage or any decision about a patient."


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are those that were frozen: its operating points and model folders."""

    folder: Path
    points: OperatingPoints
    models: list[Path]

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read the operating points and compare every file with its checksum there.

        Raises:
            DataError: no bundle, or files are missing.
            IntegrityError: one is another one.
        """
        points, models = OperatingPoints.read(folder / POINTS), set()
        for name, sha256 in points.files.items():
            path = folder / name
            if not path.exists():
                raise DataError(f"{path} is missing. Copy the whole bundle.")
            if sha256_file(path) != sha256:
                raise IntegrityError(
                    f"{path} is not the file that {folder / POINTS} was frozen with. Copy it again."
                )
            models.add(path.parent)
        return cls(folder, points, sorted(models))


def describe(bundle: Bundle) -> Exported:
    """What an export of it says."""
    points = bundle.points
    model = ModelFile.read(bundle.models[0] / DESCRIPTION)
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
        models=len(bundle.models),
        bundle=sha256_file(bundle.folder / POINTS),
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


def installed_version() -> str:
    """Of thorax; empty where it is not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return ""
