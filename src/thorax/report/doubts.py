"""What the numbers themselves give reason to doubt."""

from collections.abc import Iterator

from thorax.report import wording
from thorax.report.components import Caution
from thorax.report.inputs import Inputs
from thorax.report.sections.subgroups import worst_first
from thorax.report.sections.training import kept_epoch

FEW_PATIENTS = 100  # under this an interval of AUROC is seldom narrower than 0.1
VERY_FEW = 30  # under this a 95% interval holds less often than that (benchmarks/coverage.py)
KEPT = 0.75  # share of what the AUROC is above guessing that is much without the lungs
SEEN = 0.1  # above guessing that an AUROC must be for a share of it to mean something
BY_CHANCE = 0.05  # over all attributes together (Bonferroni)
FEW_IMAGES = 30  # with or without a finding, in the part that is judged


def doubts(inputs: Inputs) -> Iterator[Caution]:
    """Optimism, shortcuts, small numbers, undefined values, training that ended early."""
    for source in (
        _optimism,
        _shortcuts,
        _without_lungs,
        _metadata,
        _gaps,
        _few,
        _undefined,
        _training,
    ):
        yield from source(inputs)


def _optimism(inputs: Inputs) -> Iterator[Caution]:
    if inputs.parts != ["test", "val"]:
        return
    test, val = inputs.metrics["test"]["auroc"], inputs.metrics["val"]
    if test is not None and val["auroc_low"] is not None and test < val["auroc_low"]:
        bounds = wording.interval(val["auroc_low"], val["auroc_high"])
        yield Caution(
            "care",
            "Worse on test than on validation",
            f"Test AUROC {wording.decimal(test)} lies below the interval of validation ({bounds})."
            " The epoch and the thresholds were chosen on validation: believe the test part.",
        )


def _shortcuts(inputs: Inputs) -> Iterator[Caution]:
    found = inputs.probes["shortcuts"] if inputs.probes else []
    if found:
        yield Caution(
            "care",
            "It takes a shortcut",
            f"{wording.listed(found)}: with the corners of images that have the other label the"
            " AUROC falls by 0.2 or more. What lies in the corners is no disease.",
        )


def _without_lungs(inputs: Inputs) -> Iterator[Caution]:
    probed = inputs.probes["per_class"] if inputs.probes else {}
    found = {name: each["covered"]["lungs"] for name, each in probed.items() if each["covered"]}
    kept = [
        f"{name}: {wording.decimal(fell['after'])} of {wording.decimal(fell['before'])}"
        for name, fell in found.items()
        if fell["after"] - 0.5 >= KEPT * max(fell["before"] - 0.5, SEEN)
    ]
    if kept:
        yield Caution(
            "care",
            "Much is left without the lungs",
            "With the lungs covered most of the AUROC remains. The finding may lie elsewhere, the"
            " cover's outline or lung beside it may tell, or the model reads what is no disease.",
            kept,
        )


def _metadata(inputs: Inputs) -> Iterator[Caution]:
    found = inputs.subgroups["metadata"]
    if found["ahead_low"] is not None and found["ahead_low"] <= 0:
        yield Caution(
            "care",
            "Not shown to beat the metadata",
            f"A regression on {wording.listed(found['columns'])} reaches AUROC"
            f" {wording.decimal(found['auroc'])} without looking at an image; the model is ahead by"
            f" {wording.decimal(found['ahead'])}"
            f" ({wording.interval(found['ahead_low'], found['ahead_high'])}).",
        )


def _gaps(inputs: Inputs) -> Iterator[Caution]:
    gaps = list(worst_first(inputs.subgroups))
    sure = [
        (name, gap)
        for name, gap in gaps
        if gap["chance"] is not None and gap["chance"] * len(gaps) < BY_CHANCE
    ]
    if sure:
        yield Caution(
            "care",
            "Worse for some patients",
            "The AUROC is lower in some groups, by more than chance would give among so many.",
            [
                f"{name}: {wording.decimal(gap['auroc'])} less in {gap['worst']} than in"
                f" {gap['best']} (chance alone: {100 * gap['chance']:.1f}%)"
                for name, gap in sure
            ],
        )


def _few(inputs: Inputs) -> Iterator[Caution]:
    part = inputs.headline
    own = inputs.metrics[part]
    where = wording.part_name(part).lower()
    if own["patients"] < FEW_PATIENTS:
        narrow = own["patients"] < VERY_FEW
        yield Caution(
            "care",
            "Few patients",
            f"The {where} part has {wording.plural(own['patients'], 'patient')}. Differences inside"
            " the intervals may be chance."
            + narrow
            * " With so few, even the intervals are too narrow.",
        )
    rare = []
    for name, values in own["per_class"].items():
        present = values["positives"]
        absent = own["images"] - present - values["unknown"]
        if min(present, absent) < FEW_IMAGES:
            rare.append(f"{name}: {present:,} with, {absent:,} without")
    if rare:
        yield Caution(
            "care",
            "Few images of a class",
            f"Fewer than {FEW_IMAGES} images with or without the finding in the {where} part; one"
            " image more or less moves the number.",
            rare,
        )


def _undefined(inputs: Inputs) -> Iterator[Caution]:
    # An absent test part explains all of its own gaps.
    keys = [
        key for key in inputs.undefined if key.partition(".")[0] in ("threshold", *inputs.parts)
    ]
    if keys:
        folds = len(inputs.models)
        yield Caution(
            "care",
            "Undefined values",
            f"{wording.plural(len(keys), 'value')} cannot be computed, or not in every replicate.",
            [f"{wording.undefined_name(key, folds)}: {inputs.undefined[key]}" for key in keys],
        )


def _training(inputs: Inputs) -> Iterator[Caution]:
    late = [
        str(fold)
        for fold, model in inputs.models.items()
        if kept_epoch(model["training"]["history"]) == len(model["training"]["history"])
    ]
    if late:
        which = f" (fold {wording.listed(late)})" if len(inputs.models) > 1 else ""
        yield Caution(
            "note",
            "Training may have ended early",
            f"The last epoch allowed was the best one{which}: more train.epochs may do better.",
        )
