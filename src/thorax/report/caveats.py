"""What a reader must know before believing a number: about the split, the data and the metrics."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from thorax.artifacts.evaluation import BaselineComparison
from thorax.report import wording
from thorax.report.components import limits
from thorax.report.inputs import Inputs
from thorax.report.sections.explanations import baselines_of
from thorax.report.sections.subgroups import largest_gaps, titled

FEW_PATIENTS = 100  # under this an interval of the AUROC is seldom narrower than 0.1
ABOVE_CHANCE = 0.1  # what an AUROC must be above 0.5 before a part of it means something
REMAINING = 0.75  # part of that which is much without the lungs
BREAKS = 0.1  # drop of sensitivity or specificity under stress from which decisions break
SIGNIFICANT = 0.05  # over all attributes together (Bonferroni)
LEVELS = ("stop", "care", "note")


@dataclass(frozen=True)
class Caveat:
    """One limitation; its level is `stop` (do not believe the numbers), `care` or `note`."""

    level: str
    title: str
    text: str
    items: list[str] = field(default_factory=list)


def caveats(inputs: Inputs) -> list[Caveat]:
    """All caveats, the most severe first."""
    raised = [caveat for check in CHECKS for caveat in check(inputs)]
    return sorted(raised, key=lambda caveat: LEVELS.index(caveat.level))


def _leaks(inputs: Inputs) -> Iterator[Caveat]:
    if inputs.results.leaky:
        groups = wording.plural(inputs.split.split_groups, "group")
        by_image = inputs.split.settings.method in ("random", "official-random")
        how = "Images, not patients, were assigned to subsets. " if by_image else ""
        yield Caveat(
            "stop",
            "Leaky split: do not quote these numbers",
            f"{how}{groups} of images that belong together appear in two subsets. A model that is"
            " evaluated on patients it was trained on looks better than it is. Set split.method to"
            " patient.",
        )
    if inputs.results.contaminated:
        yield Caveat(
            "stop",
            "Trained on the test set: do not quote these numbers",
            "A model was trained on patients or images that are in the test set.",
        )


def _patients(inputs: Inputs) -> Iterator[Caveat]:
    if not inputs.dataset.patients_unknown:
        return
    refused = {
        f"{wording.plural(count, 'image')} of {pair.b} by the rule {rule}, shared with {pair.a}"
        for pair in inputs.leakage.overlaps
        for rule, count in pair.shared_patients.by_rule.items()
        if count
    }
    names = (
        " The file names tell patients, but data.patient_id: none refuses to read them."
        if refused
        else " Use a table that names them, or file names that do."
    )
    yield Caveat(
        "stop" if refused else "care",
        "Patients unknown",
        "Every image counts as a patient of its own. Images of one patient may be in training and"
        f" in test, which makes metrics too high, and intervals are too narrow.{names}",
        sorted(refused),
    )


def _synthetic(inputs: Inputs) -> Iterator[Caveat]:
    if inputs.dataset.source != "phantom":
        return
    phantom = inputs.dataset.data.phantom
    planted = (
        f" A corner marker was correlated with {phantom.marker_label}"
        f" ({phantom.marker_correlation:g}) on purpose: a shortcut."
        if phantom.marker_correlation
        else ""
    )
    yield Caveat(
        "care",
        "Synthetic images",
        "These radiographs were rendered by a program. The numbers test the pipeline and say"
        f" nothing about patients.{planted}",
    )


def _test_set(inputs: Inputs) -> Iterator[Caveat]:
    official = inputs.dataset.counts.official_test
    if "test" not in inputs.subsets:
        yield Caveat(
            "care",
            "No test set",
            "All metrics are of validation images, on which the epoch and the thresholds were"
            " chosen. Expect less on new patients.",
        )
    elif not official:
        yield Caveat(
            "note",
            "No official test set",
            "The data set has none; this run drew its own. Compare only with runs on the same"
            " split.",
        )
    elif not inputs.split.settings.method.startswith("official"):
        yield Caveat(
            "note",
            "Not the official test set",
            f"The data set has an official test set of {official:,} images; this run drew its own."
            " The metrics cannot be compared with studies on the official one.",
        )


def _looks(inputs: Inputs) -> Iterator[Caveat]:
    if "test" in inputs.subsets and inputs.looks > 1:
        yield Caveat(
            "note",
            f"{inputs.looks:,} runs have seen the test set",
            "If this model was chosen among them by its test metrics, these are too high; if by"
            " validation (thorax compare), they are not.",
        )


def _folds(inputs: Inputs) -> Iterator[Caveat]:
    folds = [name for name in inputs.split.subsets if name.startswith("fold_")]
    if len(folds) > len(inputs.models):
        yield Caveat(
            "care",
            "Not every fold was trained",
            f"{len(inputs.models)} of {len(folds)} folds have a model; images of the others are in"
            " no validation metric.",
        )
    if not inputs.points.for_ensemble and "test" in inputs.subsets:
        yield Caveat(
            "care",
            "Thresholds of single models",
            "They were chosen out of fold, where one model predicts each image; test is predicted"
            " by the mean of all, which is less extreme, so a target is missed. Set"
            " split.val_fraction above 0.",
        )
    settings = [model.training.model_dump(exclude={"fold", "history"})
                for model in inputs.models.values()]  # fmt: skip
    if any(other != settings[0] for other in settings):
        yield Caveat(
            "care",
            "Folds were trained with different settings",
            "Their mean and standard deviation mix different experiments. Run dvc repro.",
        )


def _optimism(inputs: Inputs) -> Iterator[Caveat]:
    test, val = (inputs.results.subset(name).metrics["auroc"] for name in ("test", "val"))
    if test.value is not None and val.low is not None and test.value < val.low:
        yield Caveat(
            "care",
            "Worse on test than on validation",
            f"Test AUROC {wording.decimal(test.value)} lies below the interval of validation"
            f" ({wording.interval(val.low, val.high)}). The epoch and the thresholds were chosen on"
            " validation: believe the test set.",
        )


def _shortcuts(inputs: Inputs) -> Iterator[Caveat]:
    if inputs.occlusion.shortcuts:
        drop = inputs.localization.settings.shortcut_drop
        yield Caveat(
            "care",
            "Shortcut learning",
            f"{wording.listed(inputs.occlusion.shortcuts)}: with corners of images that have the"
            f" other label the AUROC drops by {drop:g} or more. What lies in the corners is no"
            " disease.",
        )


def _without_lungs(inputs: Inputs) -> Iterator[Caveat]:
    drops = {
        name: record.occluded["lungs"]
        for name, record in inputs.occlusion.classes.items()
        if record.occluded
    }
    items = [
        f"{name}: {wording.decimal(drop.after)} of {wording.decimal(drop.before)}"
        for name, drop in drops.items()
        if drop.before - 0.5 >= ABOVE_CHANCE and drop.after - 0.5 >= REMAINING * (drop.before - 0.5)
    ]
    if items:
        yield Caveat(
            "care",
            "AUROC remains with the lungs occluded",
            "Most of the AUROC is left without the lungs. The finding may lie elsewhere, the"
            " outline of the occlusion or lung beside it may give it away, or the model uses what"
            " is no disease.",
            items,
        )


def _baselines(inputs: Inputs) -> Iterator[Caveat]:
    beaten, near = [], []
    for name, (_, mean) in baselines_of(inputs).items():
        item = f"{name}: {wording.with_interval(mean.baseline)}; {_more(mean)}"
        if mean.difference.low is not None and mean.difference.low <= 0:
            beaten.append(item)
        elif _nearly(mean):
            near.append(item)
    if beaten:
        yield Caveat(
            "care",
            "Not shown to beat a simple baseline",
            "The AUROC of the model is not significantly higher than what these reach.",
            beaten,
        )
    if near:
        yield Caveat(
            "care",
            "Simple baselines nearly suffice",
            f"Blind to what lies where in the lungs, a baseline reaches {100 * REMAINING:.0f}% or"
            " more of what the model's AUROC has above 0.5. Images with and without the finding may"
            " differ in scanner, exposure or crop; part of it may be the disease and the patient's"
            " pose. The AUROC does not show that the model reads the lungs.",
            near,
        )


def _more(mean: BaselineComparison) -> str:
    return f"the model has {wording.with_interval(mean.difference)} more"


def _nearly(mean: BaselineComparison) -> bool:
    if mean.baseline.value is None or mean.model.value is None:
        return False
    model = mean.model.value - 0.5
    return model >= ABOVE_CHANCE and mean.baseline.value - 0.5 >= REMAINING * model


def _stress(inputs: Inputs) -> Iterator[Caveat]:
    items = [
        f"{test.change.capitalize()}: {name} {wording.decimal(drop.value)} lower"
        f" ({wording.interval(drop.low, drop.high)})"
        for test in inputs.stress.tests
        for name in ("sensitivity", "specificity")
        for drop in [test.drops[name]]
        if drop.value is not None and drop.low is not None
        if drop.value >= BREAKS and drop.low > 0
    ]
    if items:
        yield Caveat(
            "care",
            "Decisions do not survive another acquisition",
            "With the frozen thresholds, these changes of the images alone make decisions worse."
            " Expect that at another hospital.",
            items,
        )


def _fixed_place(inputs: Inputs) -> Iterator[Caveat]:
    items = [
        f"{name}: hit by {wording.decimal(model.value)} of the maps, by the location prior in"
        f" {wording.decimal(prior.value)}"
        for name, record in inputs.localization.classes.items()
        for model, prior in [(record.model.pointing, record.prior.pointing)]
        for low in [record.difference.pointing.low]
        if model.value is not None and prior.value is not None and low is not None and low <= 0
    ]
    if items:
        yield Caveat(
            "note",
            "Maps not shown to point better than a fixed place",
            "The mean outline, the same for every image, hits these at least about as often as"
            " Grad-CAM. There a map is no evidence that the model found the finding.",
            items,
        )


def _gaps(inputs: Inputs) -> Iterator[Caveat]:
    gaps = list(largest_gaps(inputs.subgroups.attributes))
    items = [
        f"{titled(name)}: {wording.decimal(gap.auroc)} lower in {gap.worst} than in {gap.best}"
        f" ({wording.p_value(gap.p_value)})"
        for name, gap in gaps
        if gap.p_value is not None and gap.p_value * len(gaps) < SIGNIFICANT
    ]
    if items:
        yield Caveat(
            "care",
            "Worse for some patients",
            "The AUROC is lower in some groups, significantly after Bonferroni correction for the"
            " number of attributes.",
            items,
        )


def _underdiagnosis(inputs: Inputs) -> Iterator[Caveat]:
    items = []
    for name, attribute in inputs.subgroups.attributes.items():
        rates = [
            (rate.value, rate.low, rate.high, f"{wording.with_interval(rate)} in {group.name}")
            for group in attribute.groups
            for rate in filter(None, [group.metrics.get("underdiagnosis")])
            if rate.value is not None and rate.low is not None and rate.high is not None
        ]
        if rates and max(rates)[1] > min(rates)[2]:
            items.append(f"{titled(name)}: {max(rates)[3]}, {min(rates)[3]}")
    if items:
        yield Caveat(
            "care",
            "Underdiagnosis of some patients",
            "The underdiagnosis rate (images with a finding for which none is predicted) is higher"
            " in some groups; the 95% intervals of the highest and the lowest do not overlap.",
            items,
        )


def _few(inputs: Inputs) -> Iterator[Caveat]:
    metrics = inputs.metrics
    where = wording.in_sentence(wording.subset_name(inputs.headline))
    if metrics.patients < FEW_PATIENTS:
        yield Caveat(
            "care",
            "Few patients",
            f"The {where} set has {wording.plural(metrics.patients, 'patient')}. Differences within"
            " the intervals may be chance.",
        )
    rare = [
        f"{name}: {record.metrics['auroc'].caution}"
        for name, record in metrics.classes.items()
        if record.metrics["auroc"].caution
    ]
    if rare:
        yield Caveat(
            "care",
            "Intervals that cannot be trusted",
            f"A few patients of the {where} set decide the AUROC of these classes: its 95% interval"
            " may miss the truth more often than it says. Images of one patient count once.",
            rare,
        )


def _undefined(inputs: Inputs) -> Iterator[Caveat]:
    items = []
    for subset in inputs.subsets:
        metrics, where = inputs.results.subset(subset), wording.subset_name(subset)
        named = {where: metrics.metrics} | {
            f"{where}, {name}": record.metrics for name, record in metrics.classes.items()
        }
        for name, estimates in named.items():
            lacking = (
                (wording.metric_name(key), estimate)
                for key, estimate in estimates.items()
                if estimate.value is None
            )
            items += [f"{name}: {text}" for text in limits(lacking)]
    if items:
        yield Caveat(
            "care",
            "Undefined values",
            "Some metrics cannot be computed.",
            items,
        )


def _training(inputs: Inputs) -> Iterator[Caveat]:
    late = [str(fold) for fold, model in inputs.models.items() if model.training.history[-1].best]
    if late:
        which = f" (fold {wording.listed(late)})" if len(inputs.models) > 1 else ""
        phase = " in the last phase" if inputs.model.training.train.phases else ""
        yield Caveat(
            "note",
            "Training may have ended early",
            f"The last epoch allowed was the best one{which}: more train.epochs{phase} may do"
            " better.",
        )


def _quarantine(inputs: Inputs) -> Iterator[Caveat]:
    unreadable = inputs.quarantine
    if len(unreadable):
        yield Caveat(
            "care",
            "Unreadable images",
            f"{wording.plural(len(unreadable), 'image')} could not be read and are in no subset.",
            [f"{row.image_id}: {row.reason}" for row in unreadable.itertuples()],
        )


def _data(inputs: Inputs) -> Iterator[Caveat]:
    split = inputs.split
    if split.near_identical_pairs and not inputs.results.leaky:
        yield Caveat(
            "note",
            "Near-identical images",
            f"{wording.plural(split.near_identical_pairs, 'pair')} of images of different patients"
            " look the same"
            f" ({split.identical_images:,} images are byte-identical). Their patients were kept in"
            " one subset.",
        )
    if inputs.dataset.notes:
        noted = list(inputs.dataset.notes)
        yield Caveat("note", "About the data", "Noted while the data set was read:", noted)


CHECKS: tuple[Callable[[Inputs], Iterator[Caveat]], ...] = (
    _leaks, _patients, _synthetic, _test_set, _looks, _folds, _optimism, _shortcuts,
    _without_lungs, _baselines, _stress, _fixed_place, _gaps, _underdiagnosis, _few, _undefined,
    _training, _quarantine, _data,
)  # fmt: skip
