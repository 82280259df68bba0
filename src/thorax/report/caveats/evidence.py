"""What a reader must know of where the model looks, and what does without it."""

from collections.abc import Iterator

from thorax.artifacts.evaluation import BaselineComparison
from thorax.report import wording
from thorax.report.components import Caveat
from thorax.report.inputs import Run
from thorax.report.sections.explanations import baselines_of

ABOVE_CHANCE = 0.1  # what an AUROC must be above 0.5 before a part of it means something
REMAINING = 0.75  # part of that which is much without the lungs, or without a network
BREAKS = 0.1  # drop of sensitivity or specificity under stress from which decisions break


def shortcuts(inputs: Run) -> Iterator[Caveat]:
    """Corners decide."""
    if inputs.occlusion.shortcuts:
        drop = inputs.localization.settings.shortcut_drop
        yield Caveat(
            "care",
            "Shortcut learning",
            f"{wording.listed(inputs.occlusion.shortcuts)}: with corners of images that have the"
            f" other label the AUROC drops by {drop:g} or more. What lies in the corners is no"
            " disease.",
        )


def without_lungs(inputs: Run) -> Iterator[Caveat]:
    """Much is left without the lungs."""
    drops = {
        name: record.occluded["lungs"]
        for name, record in inputs.occlusion.classes.items()
        if record.occluded and _shown_above_chance(inputs, name)
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


def _shown_above_chance(inputs: Run, name: str) -> bool:
    low = inputs.metrics.classes[name].metrics["auroc"].low
    return low is not None and low > 0.5


def baselines(inputs: Run) -> Iterator[Caveat]:
    """Something simple does nearly as well."""
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


def stress(inputs: Run) -> Iterator[Caveat]:
    """Another acquisition changes decisions."""
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


def fixed_place(inputs: Run) -> Iterator[Caveat]:
    """A fixed place is hit as often as the maps hit."""
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
