"""What explain found: where the model looks, and what it leans on."""

from thorax.artifacts import Artifact, Estimate, Record
from thorax.config import Explain


class LocalizationScore(Record):
    """How well Grad-CAM points at outlines or boxes.

    Attributes:
        images, patients: scored.
        pointing: pointing game, the fraction of maps whose maximum lies inside.
        iou: mean intersection over union of the thresholded map.
        area: mean fraction of the image that the outline covers; what a random point would hit.
    """

    images: int
    patients: int
    pointing: Estimate
    iou: Estimate
    area: float


class ClassLocalization(Record):
    """Scores of the trained model and of the same network with random weights."""

    model: LocalizationScore
    random: LocalizationScore


class CascadeStep(Record):
    """Similarity to the model's own maps once these layers are re-initialized; None if flat."""

    layers: str
    similarity: float | None


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
    """AUROC before and after a change of the images, its drop, and the mean change of scores."""

    before: float
    after: float
    drop: Estimate
    score_change: float


class ClassOcclusion(Record):
    """Occlusion and corner swap of one class; `reason` says why there are none.

    Attributes:
        reason: empty where there are figures.
        occluded: `corners`, `lungs`, `all_but_lungs` → drop against the image as it is.
        swapped: drop from same-label donors' corners to those of different-label donors.
    """

    reason: str
    occluded: dict[str, AurocDrop]
    swapped: AurocDrop | None


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
