"""What predict and evaluate found: metrics, calibration, subgroups."""

from thorax.artifacts import Artifact, Estimate, Record
from thorax.artifacts.data import Task
from thorax.artifacts.model import Scaling
from thorax.config import Evaluate


class PredictionsInfo(Artifact):
    """`predictions/predictions.json`: what the tables beside it are of.

    Attributes:
        task: key of `tasks.TASKS`.
        outputs: class of each model output, in the order of the columns.
        folds: models that predicted.
        out_of_fold: each image of validation was predicted by the one model that has not seen it,
            and not by the mean of all, as each image of test.
        leaky: the split keeps images apart that belong together.
        contaminated: a model was trained on patients or images of the test set.
        atypical: proportion of the test images (without any, of validation) that are flagged as
            unlike the training images.
    """

    task: Task
    outputs: list[str]
    folds: list[int]
    out_of_fold: bool
    leaky: bool
    contaminated: bool
    atypical: float


class ClassMetrics(Record):
    """All metrics of one class at its threshold.

    Attributes:
        threshold: probability from which it is predicted positive.
        positives, negatives, unknown: labels.
        positive_patients, negative_patients: patients with such an image.
        tp, fp, tn, fn: counts of images among the known labels.
        metrics: name → estimate, for every name in `metrics.classification.PER_CLASS`.
    """

    threshold: float
    positives: int
    negatives: int
    unknown: int
    positive_patients: int
    negative_patients: int
    tp: int
    fp: int
    tn: int
    fn: int
    metrics: dict[str, Estimate]


class SubsetMetrics(Record):
    """All metrics of validation (out of fold) or test (mean of the folds' probabilities).

    Attributes:
        images, patients: how many; 0 where the subset is empty.
        metrics: macro over classes, for every name in `config.METRICS`; accuracy of exclusive
            classes is by image, else over all labels.
        micro: accuracy, precision, sensitivity and F1 over all labels together.
        classes: by class.
    """

    images: int
    patients: int
    metrics: dict[str, Estimate]
    micro: dict[str, Estimate]
    classes: dict[str, ClassMetrics]


class FoldMetrics(Record):
    """Test metrics of each fold's own model, their mean and standard deviation."""

    by_fold: dict[int, dict[str, float | None]]
    mean: dict[str, float | None]
    std: dict[str, float | None]


class Results(Artifact):
    """`evaluation/results.json`: every metric; `metrics/metrics.json` is its headline.

    Attributes:
        settings: the section `evaluate` they were computed with.
        out_of_fold, leaky, contaminated: as in `PredictionsInfo`.
        patients_unknown: every image counted as a patient of its own.
        thresholds: class → probability from which it is predicted positive, with the 95% interval
            of its choice over patients; empty where the most likely class is predicted.
        val, test: metrics of each subset.
        folds: of each fold's own model.
    """

    settings: Evaluate
    out_of_fold: bool
    leaky: bool
    contaminated: bool
    patients_unknown: bool
    thresholds: dict[str, Estimate]
    val: SubsetMetrics
    test: SubsetMetrics
    folds: FoldMetrics

    def subset(self, name: str) -> SubsetMetrics:
        """`val` or `test`."""
        return self.val if name == "val" else self.test


class Scaled(Record):
    """A figure of raw and of calibrated probabilities."""

    raw: float | None
    scaled: float | None


class PredictiveValues(Record):
    """PPV and NPV that the same sensitivity and specificity give at another prevalence."""

    prevalence: float
    ppv: float | None
    npv: float | None


class Bin(Record):
    """One bin of a reliability diagram; low and high are Wilson's interval of `observed`."""

    predicted: float
    observed: float
    low: float
    high: float
    count: int


class NetBenefit(Record):
    """Decision curves: net benefit at each risk of `Calibration.risks`."""

    raw: list[float]
    scaled: list[float] | None
    treat_all: list[float]


class ClassCalibration(Record):
    """Whether the probabilities of one class mean what they say.

    Attributes:
        known, present: labels.
        predictive_values: at each of `evaluate.prevalences`.
        brier, ece: Brier score, expected calibration error.
        ece_if_calibrated: expected calibration error of so many images if the raw probabilities
            were right.
        intercept: calibration in the large: what the logits lack on average, 0 at best.
        slope: under 1 the probabilities are too extreme, over 1 not extreme enough.
        reliability, reliability_scaled: bins of equal counts; None without labels or scaling.
        net_benefit: None unless both outcomes occur.
        histogram_present, histogram_absent: images by probability, bins of equal width in 0–1.
        reasons: figure → why it is missing.
    """

    known: int
    present: int
    predictive_values: list[PredictiveValues]
    brier: Scaled
    ece: Scaled
    ece_if_calibrated: float | None
    intercept: Scaled
    slope: Scaled
    reliability: list[Bin] | None
    reliability_scaled: list[Bin] | None
    net_benefit: NetBenefit | None
    histogram_present: list[int]
    histogram_absent: list[int]
    reasons: dict[str, str]


class SubsetCalibration(Record):
    """Calibration of one subset."""

    log_loss: Scaled
    classes: dict[str, ClassCalibration]


class Calibration(Artifact):
    """`evaluation/calibration.json`: probabilities as they are and calibrated on validation.

    Attributes:
        scaling: class → how its logits are calibrated.
        risks: threshold probabilities of the decision curves.
        val, test: of each subset.
    """

    scaling: dict[str, Scaling]
    risks: list[float]
    val: SubsetCalibration
    test: SubsetCalibration

    def subset(self, name: str) -> SubsetCalibration:
        """`val` or `test`."""
        return self.val if name == "val" else self.test


class Group(Record):
    """One group of images; `reason` says why it has no metrics."""

    name: str
    images: int
    patients: int
    reason: str
    metrics: dict[str, Estimate]


class Gap(Record):
    """Best and worst group by AUROC, and how likely chance gives a gap as large.

    Attributes:
        p_value: None where an AUROC has no standard error.
    """

    worst: str
    best: str
    auroc: float
    p_value: float | None


class Attribute(Record):
    """All groups of one attribute, over the classes that every group can be evaluated on."""

    classes: list[str]
    groups: list[Group]
    gap: Gap | None


class BaselineComparison(Record):
    """AUROC of the metadata-only baseline, of the model, and model minus baseline."""

    baseline: Estimate
    model: Estimate
    difference: Estimate


class MetadataBaseline(Record):
    """A logistic regression on `columns`, without the image."""

    columns: list[str]
    classes: dict[str, BaselineComparison]
    mean: BaselineComparison


class Subgroups(Artifact):
    """`evaluation/subgroups.json`: whom the model fails.

    Attributes:
        attributes: single attributes.
        pairs: crossed ones, `sex × age`.
        metadata: the baseline that sees no image.
    """

    attributes: dict[str, Attribute]
    pairs: dict[str, Attribute]
    metadata: MetadataBaseline


class StressTest(Record):
    """Metrics at the frozen thresholds, macro over classes, after a change of every image.

    Attributes:
        change: what was done to the images; empty for nothing.
        metrics: `auroc`, `sensitivity`, `specificity`, `accuracy` → of the changed images.
        drops: the same → by how much it is lower than of the images as they are, paired.
    """

    change: str
    metrics: dict[str, Estimate]
    drops: dict[str, Estimate]


class Stress(Artifact):
    """`evaluation/stress.json`: the evaluated images acquired a little differently.

    Attributes:
        images, patients: tested.
        unchanged: the images as they are.
        tests: a change each, the worst first.
    """

    images: int
    patients: int
    unchanged: StressTest
    tests: list[StressTest]
