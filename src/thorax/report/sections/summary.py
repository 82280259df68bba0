"""Summary: what was trained, on whom, how good it is and how sure that is, what to worry about."""

from dataclasses import dataclass
from typing import Any

from thorax.report import wording
from thorax.report.caveats import cautions
from thorax.report.components import Section, render
from thorax.report.inputs import Inputs


@dataclass(frozen=True)
class Bar:
    """A value on the scale from 0 to 1 with its interval, all in per cent of the scale."""

    part: str
    name: str
    text: str
    bounds: str
    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Card:
    """One headline metric: its bars, or the reason why there is none, and what guessing gets."""

    name: str
    meaning: str
    bars: list[Bar]
    reason: str
    guessing: float | None


def section(inputs: Inputs) -> Section:
    """The summary."""
    worries = cautions(inputs)
    body = render(
        "summary.html",
        inputs=inputs,
        own=inputs.metrics[inputs.headline],
        part=wording.part_name(inputs.headline, len(inputs.models)),
        lead=lead(inputs),
        cards=[card(inputs, key) for key in wording.HEADLINE],
        stops=[worry for worry in worries if worry.level == "stop"],
        worries=[worry for worry in worries if worry.level != "stop"],
        sureness=sureness(inputs),
    )
    return Section("summary", "Summary", body)


def lead(inputs: Inputs) -> list[str]:
    """What was run, on whom, and how it went, in two sentences."""
    model, folds = inputs.first_model, len(inputs.models)
    trained = training_part(inputs)
    task = {
        "multi-label": f"to find {wording.plural(len(inputs.outputs), 'class', 'classes')} that may"
        " occur together",
        "binary": f"to tell {inputs.outputs[0]} from"
        f" {wording.listed([c for c in inputs.classes if c not in inputs.outputs])}",
        "multi-class": f"to tell {len(inputs.outputs)} classes apart",
    }[inputs.dataset["task"]]
    start = {"none": "from random weights", "imagenet": "from ImageNet weights"}
    weights = start.get(model["model"]["weights"], "from given weights")
    networks = f"{folds} {model['model']['name']} networks were" if folds > 1 else (
        f"A {model['model']['name']} network was"
    )  # fmt: skip
    own = inputs.metrics[inputs.headline]
    unseen = "a leaky test part" if inputs.leaky else "a test part that no choice has seen"
    where = unseen if inputs.headline == "test" else "the validation part"
    judged = f"judged on {people(own)} of {where}"
    return [f"{networks} trained {weights}{trained}, {task}, and {judged}.", verdict(inputs)]


def training_part(inputs: Inputs) -> str:
    """How much was trained on, such as ` on 1,565 images of 420 patients`."""
    parts = inputs.split["parts"]
    if "train" in parts:
        return f" on {people(parts['train'])}"
    folds = [counts for name, counts in parts.items() if name.startswith("fold_")]
    total = {key: sum(counts[key] for counts in folds) for key in ("images", "patients")}
    return f", each on {len(folds) - 1} of {len(folds)} folds of {people(total)}"


def people(counts: dict[str, Any]) -> str:
    """Images and patients, such as `328 images of 90 patients`."""
    images = wording.plural(counts["images"], "image")
    return f"{images} of {wording.plural(counts['patients'], 'patient')}"


def verdict(inputs: Inputs) -> str:
    """The main number in a sentence."""
    own = inputs.metrics[inputs.headline]
    if own["auroc"] is None:
        return f"Its AUROC is undefined: {reason(inputs, 'auroc')}."
    mean = f", mean of {_defined(own, 'auroc')}," if len(inputs.outputs) > 1 else ""
    bounds = wording.interval(own["auroc_low"], own["auroc_high"])
    sure = f" (95% interval {bounds})" if bounds else ""
    return f"Its AUROC{mean} is {wording.decimal(own['auroc'])}{sure}."


def _defined(metrics: dict[str, Any], key: str) -> str:
    """How many classes a mean is over, such as `12 of 15 classes`."""
    values = [own[key] for own in metrics["per_class"].values()]
    defined = sum(value is not None for value in values)
    return f"{defined} classes" if defined == len(values) else f"{defined} of {len(values)} classes"


def card(inputs: Inputs, key: str) -> Card:
    """A headline metric in every part."""
    name, meaning = wording.METRICS[key]
    bars = []
    for part in inputs.parts:
        own = inputs.metrics[part]
        if own[key] is not None:
            low, high = own[f"{key}_low"], own[f"{key}_high"]
            edges = (own[key] if low is None else low, own[key] if high is None else high)
            at, start, end = (round(100 * x, 1) for x in (own[key], *edges))
            bounds = wording.interval(low, high)
            label = wording.part_name(part)
            bars.append(Bar(part, label, wording.decimal(own[key]), bounds, at, start, end))
    return Card(name, meaning, bars, reason(inputs, key), guessing(inputs, key))


def guessing(inputs: Inputs, key: str) -> float | None:
    """What a model that guesses would get, on the scale from 0 to 100; None where it depends."""
    own = inputs.metrics[inputs.headline]
    if key == "auroc":
        return 50.0
    if key != "average_precision":
        return None
    known = [(v["positives"], own["images"] - v["unknown"]) for v in own["per_class"].values()]
    shares = [present / images for present, images in known if images]
    return round(100 * sum(shares) / len(shares), 1) if shares else None


def reason(inputs: Inputs, key: str) -> str:
    """Why a headline metric of the main part is undefined."""
    return inputs.undefined.get(f"{inputs.headline}.{key}", "no reason was recorded")


def sureness(inputs: Inputs) -> str:
    """What the intervals cover."""
    replicates = inputs.metrics["protocol"]["replicates"]
    if not replicates:
        return "There are no intervals: evaluate.bootstrap is 0."
    return (
        f"Intervals are 95%, from {replicates:,} bootstrap replicates that draw whole patients."
        " They tell how much the numbers would move with other patients of the same kind, for these"
        " very weights; not with another hospital, scanner or training run."
    )
