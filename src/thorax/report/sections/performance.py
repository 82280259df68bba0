"""Performance: metrics of each subset, fold and class, curves, confusion matrices."""

from collections.abc import Callable, Iterable

import pandas as pd
from markupsafe import Markup

from thorax.artifacts import Estimate
from thorax.config import METRICS
from thorax.report import charts, wording
from thorax.report.components import Cell, Panel, Row, Section, Table, class_table, render
from thorax.report.inputs import Inputs

NOT_BY_CLASS = ("accuracy", "loss")  # they say little of one class
UNDEFINED = {  # why a fold's model may lack a metric: in every class of the test set
    "loss": "no label is known",
    "auroc": "a single outcome present",
    "average_precision": "a single outcome present",
    "sensitivity": "no image is positive",
    "precision": "no image is predicted positive",
    "f1": "no image is positive or predicted positive",
    "accuracy": "no label is known",
}


def section(inputs: Inputs) -> Section:
    names = {s: inputs.subset_name(s) for s in inputs.subsets}
    body = render(
        "performance.html",
        inputs=inputs,
        names=names,
        folds=fold_table(inputs),
        classes={s: metric_table(inputs, s) for s in inputs.subsets},
        rule=decision_rule(inputs),
        curves={"roc": roc_panels(inputs), "precision_recall": precision_recall_panels(inputs)},
        band=band(inputs),
        confusion={s: confusion_tables(inputs, s) for s in inputs.subsets},
    )
    return Section("performance", "Performance", body)


def band(inputs: Inputs) -> str:
    """What the area around a curve is."""
    subset = wording.in_sentence(wording.subset_name(inputs.headline))
    return (
        f"The area around the {subset} curve is its 95% interval at each point, over {inputs.unit},"
        " as that of the metrics."
    )


def fold_table(inputs: Inputs) -> Table | None:
    """Test metrics of each fold's own model, mean and standard deviation; None for one model."""
    if len(inputs.models) < 2 or "test" not in inputs.subsets:
        return None
    folds = inputs.results.folds
    rows = []
    for key in METRICS:
        values = [folds.by_fold[fold][key] for fold in inputs.models]
        mean, deviation = folds.mean[key], folds.std[key]
        cells: list[Cell] = [Estimate(value=value, reason=UNDEFINED[key]) for value in values]
        if mean is None or deviation is None:
            cells.append(Estimate(value=None, reason="fewer than two folds have a value"))
        else:
            cells.append(f"{wording.decimal(mean)} ± {wording.decimal(deviation)}")
        rows.append(Row(wording.metric_name(key), cells))
    columns = ["Metric", *(f"Fold {fold}" for fold in inputs.models), "Mean ± SD"]
    return Table("Each fold's own model on the test set", columns, rows)


def metric_table(inputs: Inputs, subset: str) -> Table:
    """Every metric of every class in one subset, their mean, and over all labels together."""
    metrics = inputs.results.subset(subset)
    classes = metrics.classes
    known = {key for record in classes.values() for key in record.metrics} - {*NOT_BY_CLASS}
    keys = [key for key in wording.METRICS if key in known]
    exclusive = inputs.dataset.exclusive
    rows: dict[str, list[Cell]] = {}
    columns = ["Present", *map(wording.metric_name, keys), *([] if exclusive else ["Threshold"])]
    for name, record in classes.items():
        present = wording.with_percent(record.positives, record.positives + record.negatives)
        threshold = [] if exclusive else [wording.threshold_range(inputs.results.thresholds[name])]
        rows[name] = [present, *(record.metrics[key] for key in keys), *threshold]
    where = wording.in_sentence(inputs.subset_name(subset))
    table = class_table(f"By class: {where}", columns, rows)
    if len(classes) > 1:
        blank = [] if exclusive else ["–"]
        averages = {"Mean of the classes": metrics.metrics, "All labels (micro)": metrics.micro}
        for head, values in averages.items():
            cells = (values.get(key, "–") for key in keys)
            table.rows.append(Row(head, ["–", *cells, *blank]))
    return table


def decision_rule(inputs: Inputs) -> str:
    """How a probability becomes a decision."""
    if inputs.dataset.exclusive:
        return "The class with the highest probability is predicted."
    rule = inputs.points.rule
    if isinstance(rule, float):
        return f"A class is predicted from its threshold upward; thresholds are fixed at {rule:g}."
    if isinstance(rule, dict):
        ((what, least),) = rule.items()
        extreme = "highest" if what == "sensitivity" else "lowest"
        where = f"the {extreme} value with a {what} of at least {least:g}"
    else:
        where = {"youden": "the largest sum of sensitivity and specificity (Youden)",
                 "f1": "the largest F1"}[rule]  # fmt: skip
    chosen = "chosen on validation alone, with 95% intervals of the choice"
    if inputs.bundle:
        chosen = "chosen with the bundle, on its own validation set"
    return (
        f"A class is predicted from its threshold upward; thresholds lie at {where}, {chosen}."
        f"{_of_single_models(inputs)}"
    )


def _of_single_models(inputs: Inputs) -> str:
    if inputs.points.for_ensemble:
        return ""
    return (
        " They were chosen on single models out of fold, while the mean of all models is less"
        " extreme: set split.val_fraction above 0 to choose them on the ensemble."
    )


def roc_panels(inputs: Inputs) -> list[Panel]:
    """One ROC chart per output."""

    def draw(name: str, curves: charts.Curves, label: str) -> Markup:
        points = _at_threshold(inputs, name, curves, "specificity", "sensitivity")
        at = {subset: (round(1 - x, 4), y) for subset, (x, y) in points.items()}
        return charts.roc(curves, at, label)

    return _panels(inputs, inputs.roc, "auroc", draw)


def precision_recall_panels(inputs: Inputs) -> list[Panel]:
    """One precision–recall chart per output."""

    def draw(name: str, curves: charts.Curves, label: str) -> Markup:
        record = inputs.metrics.classes[name]
        prevalence = record.positives / max(record.positives + record.negatives, 1)
        at = _at_threshold(inputs, name, curves, "sensitivity", "precision")
        return charts.precision_recall(curves, at, prevalence, label)

    return _panels(inputs, inputs.precision_recall, "average_precision", draw)


def _panels(
    inputs: Inputs,
    table: pd.DataFrame,
    metric: str,
    draw: Callable[[str, charts.Curves, str], Markup],
) -> list[Panel]:
    panels = []
    for name in inputs.model.outputs:
        rows = table[table["class"] == name]
        # Validation first, so that test lies over it.
        curves = {s: rows[rows["subset"] == s] for s in reversed(inputs.subsets)}
        curves = {subset: curve for subset, curve in curves.items() if len(curve)}
        values = {s: inputs.results.subset(s).classes[name].metrics[metric] for s in inputs.subsets}
        if curves:
            note = _values(values)
            label = f"{name}, {wording.in_sentence(wording.metric_name(metric))}: {note}"
            panels.append(Panel(name, draw(name, curves, label), note.capitalize(), name))
        else:
            reason = values[inputs.headline].reason
            panels.append(Panel(name, Markup(), f"No curve: {reason}", name))
    return panels


def _values(values: dict[str, Estimate]) -> str:
    """A metric in every subset, such as `test 0.940, validation 0.938`."""
    texts = []
    for subset, estimate in values.items():
        shown = "undefined" if estimate.value is None else wording.decimal(estimate.value)
        texts.append(f"{wording.in_sentence(wording.subset_name(subset))} {shown}")
    return ", ".join(texts)


def _at_threshold(
    inputs: Inputs, name: str, subsets: Iterable[str], x: str, y: str
) -> dict[str, tuple[float, float]]:
    """Two metrics of a class at its threshold in each subset; the argmax has no such point."""
    points = {}
    for subset in subsets:
        metrics = inputs.results.subset(subset).classes[name].metrics
        across, up = metrics[x].value, metrics[y].value
        if across is not None and up is not None and not inputs.dataset.exclusive:
            points[subset] = across, up
    return points


def confusion_tables(inputs: Inputs, subset: str) -> list[Table]:
    """One matrix for classes that exclude each other, else one per output."""
    table = inputs.confusion[inputs.confusion["subset"] == subset]
    if inputs.dataset.exclusive:
        return [_matrix("All classes", table[table["class"] == "all"], inputs.model.outputs, None)]
    return [
        _matrix(name, table[table["class"] == name], ["present", "absent"], name)
        for name in inputs.model.outputs
    ]


def _matrix(title: str, table: pd.DataFrame, names: list[str], of_class: str | None) -> Table:
    """Actual classes down, predicted across, shaded by the proportion of each row."""
    pairs = zip(table["actual"], table["predicted"], strict=True)
    counts = dict(zip(pairs, table["count"].tolist(), strict=True))
    cell = Markup('<span class="{}" style="--strength:{}"><b>{}</b> {}</span>')
    rows = []
    for actual in names:
        images = [counts.get((actual, predicted), 0) for predicted in names]
        total = sum(images)
        cells: list[Cell] = [
            cell.format(
                "right" if actual == predicted else "wrong",
                round(number / total, 3) if total else 0,
                wording.count(number),
                wording.percent(number, total),
            )
            for number, predicted in zip(images, names, strict=True)
        ]
        rows.append(Row(actual, cells))
    return Table(title, ["", *(f"predicted {name}" for name in names)], rows, of_class=of_class)
