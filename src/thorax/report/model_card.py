"""The model card: what a reader of the weights must know, as Markdown beside the page.

After Mitchell et al. 2019, Model Cards for Model Reporting (FAT*), sections in their order.
"""

from thorax.report import wording
from thorax.report.caveats import cautions
from thorax.report.inputs import Inputs
from thorax.report.sections.summary import lead

MOST = 5  # items of one worry
FORBIDDEN = "Not a medical device. Not for diagnosis, triage or any decision about a patient."


def model_card(inputs: Inputs) -> str:
    """Markdown; the same inputs give the same bytes."""
    model, dataset = inputs.first_model, inputs.dataset
    size = model["preprocess"]["image_size"]
    training = model["training"]["train"]
    optimizer = training["optimizer"]
    start = model["model"]["weights"]
    blocks = [
        f"# Model card: {model['model']['name']} on {dataset['title']}",
        " ".join(lead(inputs)),
        "## Model",
        _list(
            {
                "Architecture": f"{model['model']['name']}, {size} × {size} px",
                "Task": f"{dataset['task']}: {wording.listed(inputs.outputs)}",
                "Starting weights": "random" if start == "none" else start,
                "Optimizer": f"{optimizer['name']}, learning rate {optimizer['lr']:g}",
                "Folds": str(len(inputs.models)),
                "Fingerprint": model["fingerprint"],
            }
        ),
        "## Intended use",
        f"Research on chest X-ray classification, and comparison with other models. {FORBIDDEN}",
        "## Data",
        _list(
            {
                "Source": dataset["title"],
                "Citation": dataset["citation"],
                "Licence": dataset["licence"],
                "Split": f"{inputs.split['method']}"
                + (" (leaky: numbers overstate)" if inputs.leaky else ", no patient on two sides"),
            }
        ),
        counts(inputs),
        "## Metrics",
        metrics(inputs),
        "Intervals are 95%, by bootstrap over patients. Thresholds were chosen on validation.",
        "## What to worry about",
        "\n".join(
            " ".join([f"- {worry.title}: {worry.text}", *_first(worry.items)])
            for worry in cautions(inputs)
        )
        or "- Nothing.",
        "Performance by subgroup, calibration, leakage audit and explanations stand in the report.",
    ]
    return "\n\n".join(blocks) + "\n"


def _first(items: list[str]) -> list[str]:
    """The first items as sentences; the page has them all."""
    shown = [f"{item.rstrip('.')}." for item in items[:MOST]]
    return [*shown, f"And {len(items) - MOST} more."] if len(items) > MOST else shown


def counts(inputs: Inputs) -> str:
    """Images, patients and each class by part of the split, as a table."""
    parts = inputs.split["parts"]
    columns = list(next(iter(parts.values())))
    rows = [[name, *(wording.count(part[key]) for key in columns)] for name, part in parts.items()]
    return _table(["part", *columns], rows)


def metrics(inputs: Inputs) -> str:
    """Headline metrics of the part judged, then AUROC and operating point of each class."""
    own = inputs.metrics[inputs.headline]
    rows = []
    for key in wording.HEADLINE:
        bounds = wording.interval(own[f"{key}_low"], own[f"{key}_high"])
        rows.append([wording.metric_name(key), _number(own[key]), bounds or "–"])
    head = ["metric", wording.part_name(inputs.headline, len(inputs.models)).lower(), "interval"]
    classes = [
        [name, *(_number(each[key]) for key in ("auroc", "recall", "specificity", "threshold"))]
        for name, each in own["per_class"].items()
    ]
    columns = ["class", "AUROC", "sensitivity", "specificity", "threshold"]
    return _table(head, rows) + "\n\n" + _table(columns, classes)


def _number(value: float | None) -> str:
    return "undefined" if value is None else wording.decimal(value)


def _list(facts: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _table(head: list[str], rows: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return "\n".join([lines[0], "|" + " --- |" * len(head), *lines[1:]])
