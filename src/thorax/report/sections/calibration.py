"""Operating points and calibration: what thresholds are worth and what probabilities mean."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import ClassCalibration
from thorax.report import charts, wording
from thorax.report.components import (
    Cell,
    Panel,
    Row,
    Section,
    Table,
    class_table,
    embedded,
    render,
    show,
)
from thorax.report.inputs import Inputs
from thorax.report.sections.performance import decision_rule

STOPS = 101  # thresholds of the slider at most: the percentiles of the scores
SHOWN = 7  # of them in the tables that need no script
COUNTS = {"tp": "True positives", "fn": "False negatives", "fp": "False positives",
          "tn": "True negatives"}  # fmt: skip
CALIBRATION = {"brier": "Brier score", "ece": "ECE", "intercept": "Intercept", "slope": "Slope"}
RATES = {"sensitivity": ("tp", "fn"), "specificity": ("tn", "fp"), "precision": ("tp", "fp"),
         "npv": ("tn", "fn")}  # fmt: skip


def section(inputs: Inputs) -> Section:
    names = [] if inputs.dataset.exclusive else inputs.model.outputs
    stops = {name: threshold_stops(inputs, name) for name in names}
    classes = inputs.calibration.subset(inputs.headline).classes.items()
    body = render(
        "calibration.html",
        inputs=inputs,
        names={s: inputs.subset_name(s) for s in inputs.subsets},
        rule=decision_rule(inputs),
        stops=[stop_table(name, table) for name, table in stops.items()],
        rates={key: wording.METRICS[key] for key in RATES},
        data=embedded(by_class(stops)),
        scaling=scaling_table(inputs),
        scaled=is_scaled(inputs),
        facts={name: show(cell) for name, cell in facts(inputs).items()},
        prevalences=[table for s in inputs.subsets for table in prevalence_tables(inputs, s)],
        tables=[calibration_table(inputs, s) for s in inputs.subsets],
        panels={
            "reliability": [reliability(name, record) for name, record in classes],
            "decision": [decision(inputs, name, record) for name, record in classes],
            "scores": [scores(inputs, name, record) for name, record in classes],
        },
    )
    return Section("calibration", "Calibration", body)


def threshold_stops(inputs: Inputs, name: str) -> pd.DataFrame:
    """Counts at thresholds all over the scores of a class, the frozen one exactly among them.

    Returns:
        `threshold`, `tp`, `fn`, `fp`, `tn` and `frozen` by rising threshold; a class is predicted
        where p >= threshold, and unknown labels are left out.
    """
    table, record = inputs.predictions[inputs.headline], inputs.metrics.classes[name]
    y, p = table[f"y_{name}"].to_numpy(float), table[f"p_{name}"].to_numpy(float)
    scores = np.unique(np.quantile(p, np.linspace(0, 1, STOPS), method="higher"))
    scores = scores[scores != record.threshold]
    present, absent = np.sort(p[y == 1]), np.sort(p[y == 0])
    fn, tn = np.searchsorted(present, scores), np.searchsorted(absent, scores)
    counts = {"tp": len(present) - fn, "fn": fn, "fp": len(absent) - tn, "tn": tn}
    stops = pd.DataFrame({"threshold": scores, **counts, "frozen": False})
    frozen = {"threshold": record.threshold, **record.model_dump(include={*COUNTS}), "frozen": True}
    stops.loc[len(stops)] = frozen
    return stops.sort_values("threshold").reset_index(drop=True)


def stop_table(name: str, stops: pd.DataFrame) -> Table:
    """The same at a few thresholds and the frozen one."""
    chosen = {round(i) for i in np.linspace(0, len(stops) - 1, SHOWN)}
    rows = []
    for stop in stops[stops.index.isin(chosen) | stops["frozen"]].to_dict("records"):
        ratios = [(stop[hit], stop[hit] + stop[miss]) for hit, miss in RATES.values()]
        cells: list[Cell] = [
            Estimate(value=hits / total if total else None, reason="no image to count")
            for hits, total in ratios
        ]
        cells += [wording.count(stop[key]) for key in COUNTS]
        mark = " (frozen)" if stop["frozen"] else ""
        rows.append(Row(wording.threshold(stop["threshold"]) + mark, cells))
    columns = ["Threshold", *map(wording.metric_name, RATES), *COUNTS.values()]
    return Table(name, columns, rows, of_class=name)


def by_class(stops: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The same for the script."""
    return {
        name: {
            "frozen": int(table["frozen"].argmax()),
            "threshold": table["threshold"].map(wording.threshold).tolist(),
            **table[[*COUNTS]].to_dict("list"),
        }
        for name, table in stops.items()
    }


def facts(inputs: Inputs) -> dict[str, Cell]:
    """What the scaling does to the log loss."""
    shown: dict[str, Cell] = {}
    for subset in inputs.subsets:
        loss = inputs.calibration.subset(subset).log_loss
        values = [wording.decimal(x) for x in (loss.raw, loss.scaled) if x is not None]
        name = f"Log loss, {wording.in_sentence(wording.subset_name(subset))}"
        shown[name] = " → ".join(values) or "undefined"
    return shown


def prevalence_tables(inputs: Inputs, subset: str) -> list[Table]:
    """PPV and NPV of each class at the prevalences asked for; no table where there are none."""
    prevalences = inputs.results.settings.prevalences

    def cells(name: str, record: ClassCalibration) -> list[Cell]:
        here = wording.percent(record.present, record.known)
        metrics = inputs.results.subset(subset).classes[name].metrics
        reason = metrics["sensitivity"].reason or metrics["specificity"].reason
        values = [x for at in record.predictive_values for x in (at.ppv, at.npv)]
        return [here, *(Estimate(value=x, reason=reason or "0 / 0") for x in values)]

    if not prevalences:
        return []
    columns = [f"{key} at {100 * at:g}%" for at in prevalences for key in ("PPV", "NPV")]
    where = wording.in_sentence(inputs.subset_name(subset))
    caption = f"Predictive values at other prevalences: {where}"
    classes = inputs.calibration.subset(subset).classes.items()
    rows = {name: cells(name, record) for name, record in classes}
    return [class_table(caption, ["Prevalence here", *columns], rows)]


def is_scaled(inputs: Inputs) -> bool:
    """Whether the logits of any class are calibrated."""
    return any(scaling.slope is not None for scaling in inputs.calibration.scaling.values())


def scaling_table(inputs: Inputs) -> Table:
    """How the logits are calibrated, or why they are not; classes that share it in one row."""
    shared: dict[tuple[float | None, float | None, str], list[str]] = {}
    for name, scaling in inputs.calibration.scaling.items():
        key = (scaling.slope, scaling.intercept, scaling.reason)
        shared.setdefault(key, []).append(name)

    def row(names: list[str], slope: float | None, intercept: float | None, reason: str) -> Row:
        figures = (Estimate(value=value, reason=reason) for value in (slope, intercept))
        every = 1 < len(names) == len(inputs.calibration.scaling)
        head = "All classes" if every else wording.listed(names, len(names))
        return Row(head, [*figures], names[0] if len(names) == 1 else None)

    rows = [row(names, *key) for key, names in shared.items()]
    return Table("Scaling of the logits", ["Class", "Slope", "Intercept"], rows)


def calibration_table(inputs: Inputs, subset: str) -> Table:
    """Brier score, calibration error, intercept and slope of each class, raw and scaled."""
    # Column heading behind the name of the figure, by probability.
    kinds = {"raw": ", raw", "scaled": ", scaled"} if is_scaled(inputs) else {"raw": ""}

    def cells(name: str, record: ClassCalibration) -> list[Cell]:
        why = inputs.calibration.scaling[name].reason
        figures: list[Cell] = [
            Estimate(
                value=getattr(getattr(record, key), kind), reason=record.reasons.get(key) or why
            )
            for key in CALIBRATION
            for kind in kinds
        ]
        return [Estimate(value=record.ece_if_calibrated, reason="no known label"), *figures]

    columns = ["ECE if calibrated"]
    columns += [f"{name}{kind}" for name in CALIBRATION.values() for kind in kinds.values()]
    where = wording.in_sentence(inputs.subset_name(subset))
    classes = inputs.calibration.subset(subset).classes.items()
    rows = {name: cells(name, record) for name, record in classes}
    return class_table(f"Calibration: {where}", columns, rows)


def reliability(name: str, record: ClassCalibration) -> Panel:
    """Reliability diagram of a class."""
    if record.reliability is None:
        return _empty(name, record, "reliability")
    errors = {"ECE": record.ece.raw, "scaled": record.ece.scaled}
    note = ", ".join(f"{k} {wording.decimal(x)}" for k, x in errors.items() if x is not None)
    scaled, label = record.reliability_scaled or [], f"Reliability of {name}. {note}"
    return Panel(name, charts.reliability(record.reliability, scaled, label), note, name)


def decision(inputs: Inputs, name: str, record: ClassCalibration) -> Panel:
    """Decision curve of a class."""
    if record.net_benefit is None:
        return _empty(name, record, "net_benefit")
    note = f"prevalence {wording.percent(record.present, record.known)}"
    risks, label = inputs.calibration.risks, f"Decision curve of {name}, {note}"
    return Panel(name, charts.decision_curve(risks, record.net_benefit, label), note, name)


def scores(inputs: Inputs, name: str, record: ClassCalibration) -> Panel:
    """Histogram of the raw probabilities of a class."""
    if not record.known:
        return _empty(name, record, "reliability")
    note = f"{record.present:,} with the finding, {record.known - record.present:,} without"
    threshold = None if inputs.dataset.exclusive else inputs.metrics.classes[name].threshold
    present, absent = record.histogram_present, record.histogram_absent
    drawing = charts.scores(present, absent, threshold, f"Scores of {name}: {note}")
    return Panel(name, drawing, note, name)


def _empty(name: str, record: ClassCalibration, figure: str) -> Panel:
    return Panel(name, Markup(), f"None: {record.reasons.get(figure, '')}", name)
