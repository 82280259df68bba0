"""Summary: what was trained, on whom, how well it does, how certain that is, and the caveats."""

from thorax.artifacts.data import SubsetCounts
from thorax.artifacts.evaluation import SubsetMetrics
from thorax.config import METRICS, PUBLISHED_WEIGHTS
from thorax.report import wording
from thorax.report.caveats import caveats
from thorax.report.components import Section, bar, render
from thorax.report.inputs import Inputs, Run


def section(inputs: Inputs) -> Section:
    raised = [caveat.in_sentences() for caveat in caveats(inputs)]
    body = render(
        "summary.html",
        inputs=inputs,
        subset=inputs.subset_name(inputs.headline),
        lead=lead(inputs),
        metrics={key: wording.METRICS[key] for key in METRICS if key != "loss"},
        chance=without_looking(inputs.metrics, exclusive=inputs.dataset.task == "multi-class"),
        subset_name=wording.subset_name,
        interval=wording.interval,
        seeds=len(inputs.seeds.runs),
        bar=bar,
        stops=[caveat for caveat in raised if caveat.level == "stop"],
        caveats=[caveat for caveat in raised if caveat.level != "stop"],
        method=inputs.intervals,
        in_run=isinstance(inputs, Run),
    )
    return Section("summary", "Summary", body)


def lead(inputs: Inputs) -> list[str]:
    """What was run, on whom, and how it went, in two sentences."""
    model, outputs, folds = inputs.model.model, inputs.model.outputs, len(inputs.models)
    others = wording.listed(name for name in inputs.dataset.classes if name not in outputs)
    task = {
        "multi-label": f"to predict {wording.plural(len(outputs), 'class', 'classes')} that may"
        " occur together",
        "binary": f"to distinguish {outputs[0]} from {others}",
        "multi-class": f"to distinguish {len(outputs)} classes",
    }[inputs.dataset.task]
    published = dict.fromkeys(PUBLISHED_WEIGHTS, "from ImageNet weights")
    weights = ({"none": "from random weights"} | published).get(model.weights, "from given weights")
    networks = f"{folds} {model.name} networks were" if folds > 1 else f"A {model.name} network was"
    people = inputs.people(inputs.metrics)
    if isinstance(inputs, Run):
        trained = f"trained {weights}{training_set(inputs)}"
        evaluated = f"evaluated on {people} of {evaluation_set(inputs)}"
    else:
        trained = f"trained {weights} on other data (bundle {inputs.bundle})"
        evaluated = f"evaluated on {people} elsewhere, where nothing was chosen"
    return [f"{networks} {trained}, {task}, and {evaluated}.", verdict(inputs)]


def evaluation_set(inputs: Run) -> str:
    """What was evaluated on, and who has seen it."""
    if inputs.headline == "val":
        return "the validation set"
    if inputs.results.leaky:
        return "a leaky test set"
    if inputs.looks > 1:
        seen = wording.plural(inputs.looks, "run")
        return f"a test set that {seen} have seen, this one included"
    return "a test set that only this run has seen"


def training_set(inputs: Run) -> str:
    """How much was trained on, such as ` on 1,565 images of 420 patients`."""
    subsets = inputs.split.subsets
    if "train" in subsets:
        return f" on {inputs.people(subsets['train'])}"
    folds = [counts for name, counts in subsets.items() if name.startswith("fold_")]
    images, patients = sum(f.images for f in folds), sum(f.patients for f in folds)
    total = inputs.people(SubsetCounts(images=images, patients=patients, classes={}))
    return f", each on {len(folds) - 1} of {len(folds)} folds of {total}"


def verdict(inputs: Inputs) -> str:
    """The AUROC in a sentence."""
    auroc = inputs.metrics.metrics["auroc"]
    if auroc.value is None:
        return f"Its AUROC is undefined: {auroc.reason}."
    values = [record.metrics["auroc"].value for record in inputs.metrics.classes.values()]
    defined = sum(value is not None for value in values)
    some = f"{defined} of {len(values)}" if defined < len(values) else f"{defined}"
    mean = f", mean of {some} classes," if len(values) > 1 else ""
    bounds = wording.interval(auroc.low, auroc.high)
    spread = [f"95% interval {bounds}"] if bounds else []
    deviation = inputs.seeds.deviation(inputs.headline, "auroc")
    if deviation is not None:
        spread.append(f"SD between {len(inputs.seeds.runs)} training seeds {deviation:.4f}")
    certain = f" ({'; '.join(spread)})" if spread else ""
    return f"Its AUROC{mean} is {wording.decimal(auroc.value)}{certain}."


def without_looking(metrics: SubsetMetrics, *, exclusive: bool) -> dict[str, float]:
    """Metrics, percent, that need no look at any image; none where no class has both outcomes.

    AUROC and average precision of a random score, accuracy of always giving the more frequent
    answer (the most frequent class where they exclude each other), F1 of calling all positive.
    """
    counts = [(record.positives, record.negatives) for record in metrics.classes.values()]
    defined = [(present, absent) for present, absent in counts if present and absent]
    if not defined:
        return {}
    rates = [present / (present + absent) for present, absent in defined]
    if exclusive:
        accuracy = max(present for present, _ in counts) / metrics.images
    else:
        accuracy = sum(map(max, counts)) / sum(map(sum, counts))
    values = {
        "auroc": 0.5,
        "average_precision": sum(rates) / len(rates),
        "accuracy": accuracy,
        "f1": sum(2 * rate / (1 + rate) for rate in rates) / len(rates),
    }
    return {name: round(100 * value, 1) for name, value in values.items()}
