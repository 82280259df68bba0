"""Performance: headline and per-class tables, ROC, precision-recall, confusion."""

from typing import Any

from thorax.report import wording
from thorax.report.components import (
    Cell,
    Row,
    Section,
    Table,
    bounded,
    render,
    undefined,
    value,
    with_interval,
)
from thorax.report.inputs import Inputs
from thorax.report.sections.confusion import matrices
from thorax.report.sections.curves import precision_recall_panels, roc_panels

_PER_CLASS = ("auroc", "average_precision", "recall", "specificity", "precision", "f1")


def section(inputs: Inputs) -> Section:
    """How good the model is."""
    own = per_class_table(inputs, inputs.headline)
    others = [per_class_table(inputs, part) for part in inputs.parts[1:]]
    body = render(
        "performance.html",
        inputs=inputs,
        names={part: wording.part_name(part, len(inputs.models)) for part in inputs.parts},
        headline=headline_table(inputs),
        folds=fold_table(inputs),
        per_class=own,
        others=others,
        rule=decision_rule(inputs),
        roc=roc_panels(inputs),
        precision_recall=precision_recall_panels(inputs),
        matrices={
            part: matrices(inputs.confusion, inputs.outputs, part, exclusive=inputs.exclusive)
            for part in inputs.parts
        },
    )
    return Section("performance", "Performance", body)


def headline_table(inputs: Inputs) -> Table:
    """Every headline metric with its interval, for each part."""
    folds = len(inputs.models)
    rows = []
    for key in (*wording.HEADLINE, "loss"):
        cells = [
            with_interval(inputs.metrics[part], key, inputs.undefined.get(f"{part}.{key}", ""))
            for part in inputs.parts
        ]
        rows.append(Row(wording.metric_name(key), cells))
    macro = ", means over classes" if len(inputs.outputs) > 1 else ""
    columns = ["Metric", *(wording.part_name(part, folds) for part in inputs.parts)]
    caption = f"Headline metrics{macro}, with 95% intervals"
    return Table(caption, columns, rows, _reasons(inputs, [f"{part}." for part in inputs.parts], 1))


def fold_table(inputs: Inputs) -> Table | None:
    """Test metrics of each fold's own model, mean and deviation; None for a single model."""
    folds = inputs.metrics["folds"]
    if len(inputs.models) < 2 or "test" not in inputs.parts:
        return None
    rows = []
    for key in (*wording.HEADLINE, "loss"):
        values = [folds[str(fold)][key] for fold in inputs.models]
        why = "the test part has one outcome of it only"
        rows.append(Row(wording.metric_name(key), [*(value(v, why) for v in values),
                                                   _spread(folds, key)]))  # fmt: skip
    columns = ["Metric", *(f"Fold {fold}" for fold in inputs.models), "Mean ± SD"]
    return Table("Each fold's own model on the test part", columns, rows)


def _spread(folds: dict[str, Any], key: str) -> Cell:
    mean, deviation = folds["mean"][key], folds["deviation"][key]
    if mean is None or deviation is None:
        return undefined("fewer than two folds have a value")
    return f"{wording.decimal(mean)} ± {wording.decimal(deviation)}"


def per_class_table(inputs: Inputs, part: str) -> Table:
    """Every metric of every class in one part."""
    own = inputs.metrics[part]
    rows = []
    for name, values in own["per_class"].items():
        known = own["images"] - values["unknown"]
        cells: list[Cell] = [wording.share(values["positives"], known)]
        for key in _PER_CLASS:
            why = inputs.undefined.get(f"{part}.per_class.{name}.{key}", "")
            cells.append(bounded(values[key], inputs.bounds(part, name, key), why))
        if not inputs.exclusive:
            cells.append(wording.decimal(values["threshold"]))
        rows.append(Row(name, cells, name))
    columns = ["Class", "Present", *(wording.metric_name(key) for key in _PER_CLASS)]
    columns += [] if inputs.exclusive else ["Threshold"]
    caption = f"By class: {wording.part_name(part, len(inputs.models)).lower()}, 95% intervals"
    return Table(caption, columns, rows, _reasons(inputs, [f"{part}.per_class."], 2))


def _reasons(inputs: Inputs, prefixes: list[str], depth: int) -> list[str]:
    """Why values in a table are undefined: keys under the prefixes with so many dots at most."""
    found = []
    for key, reason in inputs.undefined.items():
        own = [prefix for prefix in prefixes if key.startswith(prefix)]
        if own and (depth > 1 or ".per_class." not in key):
            found.append(f"{wording.undefined_name(key, len(inputs.models))}: {reason}")
    return found


def decision_rule(inputs: Inputs) -> str:
    """How a probability becomes a decision."""
    if inputs.exclusive:
        return "The most likely class is decided for."
    rule = inputs.points["rule"]
    if isinstance(rule, dict):
        ((what, least),) = rule.items()
        extreme = "highest" if what == "sensitivity" else "lowest"
        where = f"at the {extreme} value with a {what} of at least {least:g}"
    else:
        where = {
            "youden": "at the largest sum of sensitivity and specificity (Youden)",
            "f1": "at the largest F1",
        }.get(str(rule), f"fixed at {rule}")
    chosen = "" if where.startswith("fixed") else ", chosen on validation alone"
    return f"A class is called present from its threshold up; thresholds lie {where}{chosen}."
