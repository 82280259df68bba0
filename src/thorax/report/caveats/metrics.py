"""What a reader must know of the metrics: gaps, few patients, undefined values."""

from collections.abc import Iterator

from thorax.report import wording
from thorax.report.components import Caveat, limits
from thorax.report.inputs import Inputs
from thorax.report.sections.subgroups import largest_gaps, titled

FEW_PATIENTS = 100  # under this an interval of the AUROC is seldom narrower than 0.1
SIGNIFICANT = 0.05  # over all attributes together (Bonferroni)


def gaps(inputs: Inputs) -> Iterator[Caveat]:
    """Worse in some groups."""
    largest = list(largest_gaps(inputs.subgroups.attributes))
    items = [
        f"{titled(name)}: {wording.decimal(gap.auroc)} lower in {gap.worst} than in {gap.best}"
        f" ({wording.p_value(gap.p_value)})"
        for name, gap in largest
        if gap.p_value is not None and gap.p_value * len(largest) < SIGNIFICANT
    ]
    if items:
        yield Caveat(
            "care",
            "Worse in some groups",
            "The AUROC is lower in some groups, significantly after Bonferroni correction for the"
            " number of attributes.",
            items,
        )


def underdiagnosis(inputs: Inputs) -> Iterator[Caveat]:
    """More is missed in some groups."""
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
            "Underdiagnosis in some groups",
            "The underdiagnosis rate (images with a finding for which none is predicted) is higher"
            " in some groups; the 95% intervals of the highest and the lowest do not overlap.",
            items,
        )


def few(inputs: Inputs) -> Iterator[Caveat]:
    """Too few patients."""
    metrics = inputs.metrics
    where = wording.in_sentence(wording.subset_name(inputs.headline))
    if metrics.patients < FEW_PATIENTS:
        yield Caveat(
            "care",
            f"Few {inputs.unit}",
            f"The {where} set has {inputs.people(metrics)}. Differences within"
            " the intervals may be chance.",
        )


def rare(inputs: Inputs) -> Iterator[Caveat]:
    """Too few for the interval of a class."""
    where = wording.in_sentence(wording.subset_name(inputs.headline))
    classes = [
        f"{name}: {record.metrics['auroc'].caution}"
        for name, record in inputs.metrics.classes.items()
        if record.metrics["auroc"].caution
    ]
    if classes:
        yield Caveat(
            "care",
            "Intervals that cannot be trusted",
            f"A few {inputs.unit} of the {where} set decide the AUROC of these classes: its 95%"
            " interval may miss the truth more often than it says."
            f"{'' if inputs.dataset.patients_unknown else ' Images of one patient count once.'}",
            classes,
        )


def undefined(inputs: Inputs) -> Iterator[Caveat]:
    """What cannot be computed."""
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
