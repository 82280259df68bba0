"""What explain found: where the model looks, and what it leans on."""

from thorax.artifacts import Artifact, Estimate, Record
from thorax.artifacts.evaluation import BaselineComparison
from thorax.config import Explain


class LocalizationScore(Record):
    """How well maps point at outlines or boxes.

    Attributes:
        pointing: pointing game, the fraction of maps whose maximum lies inside.
        iou: mean intersection over union of the thresholded map.
    """

    pointing: Estimate
    iou: Estimate


class ClassLocalization(Record):
    """Grad-CAM of one class and its rivals on the same images.

    Attributes:
        images, patients: scored.
        area: mean fraction of the image that the outline covers; what a random point would hit.
        model, random: Grad-CAM of the trained model, and of the same network with random weights.
        prior: one map for all images, the mean outline.
        difference: model minus prior, paired.
    """

    images: int
    patients: int
    area: float
    model: LocalizationScore
    random: LocalizationScore
    prior: LocalizationScore
    difference: LocalizationScore


class CascadeStep(Record):
    """Likeness to the model's own maps once these layers are re-initialized.

    Attributes:
        layers: which.
        similarity: by class, mean rank correlation; None where the model's own maps are flat.
        flat: fraction of the re-initialized network's maps that are flat; they count as 0.
    """

    layers: str
    similarity: dict[str, float | None]
    flat: float


class Localization(Artifact):
    """`explanations/localization.json`: Grad-CAM against outlines, and cascading randomization.

    Attributes:
        settings: the section `explain` it was made with.
        n_bootstrap: replicates behind every interval.
        classes: those with outlines or boxes in the evaluated subset.
        cascade: the further down, the more layers are random.
    """

    settings: Explain
    n_bootstrap: int
    classes: dict[str, ClassLocalization]
    cascade: list[CascadeStep]


class AurocDrop(Record):
    """AUROC before and after a change of the images, and its drop."""

    before: float
    after: float
    drop: Estimate


class ClassOcclusion(Record):
    """Occlusion and corner swap of one class; `reason` says why there are none.

    Attributes:
        reason: empty where there are figures.
        occluded: `corners`, `lungs`, `all_but_lungs` → drop against the image as it is.
        swapped: drop from same-label donors' corners to those of different-label donors.
        pull: mean change of the probability toward the different-label donors' label.
    """

    reason: str
    occluded: dict[str, AurocDrop]
    swapped: AurocDrop | None
    pull: Estimate | None


class Occlusion(Artifact):
    """`explanations/occlusion.json`: shortcut tests of the first fold's model.

    Attributes:
        images, patients: tested; 0 where none were asked for.
        n_bootstrap: replicates behind every interval.
        classes: by class.
        shortcuts: classes whose AUROC drops by much, and by more than chance, in the corner swap.
    """

    images: int
    patients: int
    n_bootstrap: int
    classes: dict[str, ClassOcclusion]
    shortcuts: list[str]


class PixelBaseline(Record):
    """AUROC of a baseline that sees a part of the pixels, of the model, and the difference."""

    classes: dict[str, BaselineComparison]
    mean: BaselineComparison


class PixelBaselines(Artifact):
    """`explanations/baselines.json`: how far one gets without what lies in the lungs.

    Attributes:
        baselines: `gray statistics`, `border ring` → fitted on the first fold's training images.
    """

    baselines: dict[str, PixelBaseline]
