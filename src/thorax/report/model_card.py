"""The model card: what a reader of the weights must know, as Markdown beside the page.

Mitchell et al. 2019, Model Cards for Model Reporting (FAT*), all sections in their order.
"""

from collections.abc import Callable, Iterator

from thorax.artifacts import Estimate
from thorax.config import METRICS
from thorax.io import markdown_table
from thorax.report import wording
from thorax.report.caveats import caveats
from thorax.report.components import Caveat
from thorax.report.inputs import Run
from thorax.report.sections.data import facts
from thorax.report.sections.performance import decision_rule
from thorax.report.sections.split import method
from thorax.report.sections.subgroups import gap_text, largest_gaps, titled
from thorax.report.sections.summary import lead

ITEMS = 5  # of one caveat; the page has them all
OUT_OF_SCOPE = "Not a medical device. Not for diagnosis, triage or any decision about a patient."


def model_card(inputs: Run) -> str:
    """Markdown; the same inputs give the same bytes."""
    blocks = [
        f"# Model card: {inputs.model.model.name} on {inputs.dataset.title}",
        " ".join(lead(inputs)),
    ]
    for title, content in SECTIONS.items():
        blocks += [f"## {title}", *filter(None, content(inputs))]
    blocks.append("Calibration, leakage audit, explanations and examples are in the report.")
    return "\n\n".join(blocks) + "\n"


def model_details(inputs: Run) -> Iterator[str]:
    """What the model is and how it was trained."""
    model, scaling = inputs.model, inputs.points.scaling
    scaled = [name for name, s in scaling.items() if s.slope is not None]
    outputs = wording.listed(model.outputs, len(model.outputs))
    start, size = model.model.weights, model.preprocess.image_size
    phases = model.training.train.phase_list()
    several = f"{len(phases)} phases, the last with " if len(phases) > 1 else ""
    optimizer, epochs = phases[-1].optimizer, wording.plural(phases[-1].epochs, "epoch")
    yield _list(
        {
            "Architecture": f"{model.model.name}, {size} × {size} px, gray",
            "Task": f"{model.task}: {outputs}",
            "Initial weights": "random" if start == "none" else start,
            "Training": f"{several}{optimizer.name}, learning rate {optimizer.lr:g}, at most"
            f" {epochs}",
            "Models": str(len(inputs.models))
            + (" (mean of their probabilities)" if len(inputs.models) > 1 else ""),
            "Calibrated on validation": wording.listed(scaled) or "no class",
            "Fingerprint": ", ".join(m.fingerprint for m in inputs.models.values()),
        }
    )


def intended_use(inputs: Run) -> Iterator[str]:
    """What it may be used for."""
    yield (
        f"Research on {wording.listed(inputs.model.outputs)} in chest X-rays like those described"
        f" below, and comparison with other models. {OUT_OF_SCOPE}"
    )


def factors(inputs: Run) -> Iterator[str]:
    """By what groups the model was evaluated, and by which it could not be."""
    attributes = inputs.subgroups.attributes
    if not attributes:
        yield "No attribute of patients or images is known by which to evaluate groups."
        return
    lines = {}
    for name, attribute in attributes.items():
        groups = [
            f"{group.name} ({wording.plural(group.images, 'image')}"
            + (f", not evaluated: {group.reason})" if group.reason else ")")
            for group in attribute.groups
        ]
        lines[titled(name)] = wording.listed(groups, len(groups))
    yield _list(lines)


def metrics(inputs: Run) -> Iterator[str]:
    """What is measured, how predictions become decisions, and what stands behind intervals."""
    names = [wording.in_sentence(wording.metric_name(key)) for key in METRICS]
    averaged = ", macro averages over classes" if len(inputs.model.outputs) > 1 else ""
    yield (
        f"Evaluated by {wording.listed(names, len(names))}{averaged}. {decision_rule(inputs)}"
        f" {inputs.intervals}"
    )


def evaluation_data(inputs: Run) -> Iterator[str]:
    """Which images the metrics are of."""
    name = inputs.subset_name(inputs.headline)
    if inputs.results.leaky:
        leaky = "Leaky: metrics overstate."
    elif inputs.dataset.patients_unknown:
        leaky = "Patients are unknown and may be in two subsets."
    else:
        leaky = "No patient is in two subsets."
    yield (
        f"{name}: {inputs.people(inputs.metrics)}. {method(inputs)[1]}"
        f" {wording.plural(inputs.split.near_identical_pairs, 'near-identical pair')} of images."
        f" {leaky}"
    )


def training_data(inputs: Run) -> Iterator[str]:
    """The data set, and images of each class by subset."""
    dataset, subsets = inputs.dataset, inputs.split.subsets
    about = {"Data set": dataset.title, "Citation": dataset.citation, "License": dataset.license}
    yield _list(about | facts(inputs))
    rows = [
        [
            wording.subset_name(k),
            wording.count(s.images),
            inputs.patients(s.patients),
            *map(wording.count, s.classes.values()),
        ]
        for k, s in subsets.items()
    ]
    yield markdown_table(["Subset", "Images", "Patients", *inputs.dataset.classes], rows)


def quantitative_analyses(inputs: Run) -> Iterator[str]:
    """Metrics overall and by class, then by group (unitary) and pair of groups (intersectional)."""
    results = inputs.metrics
    where = wording.in_sentence(inputs.subset_name(inputs.headline))
    overall = [[wording.metric_name(k), *_cells(results.metrics[k])] for k in METRICS]
    head = ["Metric", where, "95% interval"]
    if (seeds := len(inputs.seeds.runs)) > 1:
        head.append(f"SD, {seeds} training seeds")
        for key, cells in zip(METRICS, overall, strict=True):
            deviation = inputs.seeds.deviation(inputs.headline, key)
            cells.append("–" if deviation is None else f"{deviation:.4f}")
    yield markdown_table(head, overall)
    keys = ("auroc", "sensitivity", "specificity")
    columns = ["Class", *map(wording.metric_name, keys), "Threshold"]
    classes = [
        [name, *(_cells(r.metrics[key])[0] for key in keys), wording.threshold(r.threshold)]
        for name, r in results.classes.items()
    ]
    shown = slice(
        -1 if inputs.dataset.exclusive else None
    )  # where the most likely class wins there is none
    yield markdown_table(columns[shown], [row[shown] for row in classes])
    groups = [
        [titled(name), group.name, *_cells(group.metrics["auroc"])]
        for name, attribute in inputs.subgroups.attributes.items()
        for group in attribute.groups
        if group.metrics
    ]
    if groups:
        yield markdown_table(["Attribute", "Group", "AUROC", "95% interval"], groups)
    for attributes in (inputs.subgroups.attributes, inputs.subgroups.pairs):
        yield "\n".join(f"- {gap_text(*item)}" for item in largest_gaps(attributes))


def ethical_considerations(inputs: Run) -> Iterator[str]:
    """Whom the images show, and whose findings the model overlooks."""
    if inputs.dataset.source == "phantom":
        yield "The images are synthetic and show no person."
    else:
        patients = inputs.patients(inputs.table["patient_id"].nunique())
        yield (
            f"Patients that the images show: {patients}. License of the data:"
            f" {inputs.dataset.license}. Beside the weights are short hashes of the"
            " patients and images they were trained on."
        )
    rates = {
        titled(name): ", ".join(
            f"{group.name} {wording.with_interval(rate)}"
            for group in attribute.groups
            for rate in filter(None, [group.metrics.get("underdiagnosis")])
        )
        for name, attribute in inputs.subgroups.attributes.items()
    }
    if rates:
        yield f"{wording.metric_name('underdiagnosis')} by group:"
        yield _list({name: text or "no group is large enough" for name, text in rates.items()})


def caveats_and_recommendations(inputs: Run) -> Iterator[str]:
    """Every caveat of the report."""
    yield "\n".join(map(_bullet, caveats(inputs))) or "- None."


SECTIONS: dict[str, Callable[[Run], Iterator[str]]] = {
    "Model Details": model_details,
    "Intended Use": intended_use,
    "Factors": factors,
    "Metrics": metrics,
    "Evaluation Data": evaluation_data,
    "Training Data": training_data,
    "Quantitative Analyses": quantitative_analyses,
    "Ethical Considerations": ethical_considerations,
    "Caveats and Recommendations": caveats_and_recommendations,
}


def _bullet(caveat: Caveat) -> str:
    items = [f"{item.rstrip('.')}." for item in caveat.items[:ITEMS]]
    if len(caveat.items) > ITEMS:
        items.append(f"And {len(caveat.items) - ITEMS} more.")
    return " ".join([f"- {caveat.title}: {caveat.text}", *items])


def _cells(estimate: Estimate) -> list[str]:
    if estimate.value is None:
        return ["undefined", estimate.reason]
    return [wording.decimal(estimate.value), wording.interval(estimate.low, estimate.high) or "–"]


def _list(lines: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())
