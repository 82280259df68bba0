"""Operating points and calibration of validation and test, as they stand in `calibration.json`.

Thresholds and temperature come from validation; test is only described.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thorax.io import rounded
from thorax.metrics.calibration import (
    brier,
    calibration_error,
    net_benefit,
    predictive_values,
    ratio,
    reliability,
    scaled,
)
from thorax.metrics.classification import confusion, log_loss
from thorax.metrics.summary import Predictions
from thorax.tasks import TASKS

Array = NDArray[np.float64]

HISTOGRAM = 20  # bins of equal width
# Threshold probabilities of the decision curve; beyond them nobody would decide by a score.
RISKS = np.round(np.arange(1, 100) / 100, 2)


def summarise(
    val: Predictions,
    test: Predictions,
    thresholds: Array,
    temperature: float | None,
    prevalences: Sequence[float],
) -> dict[str, Any]:
    """Calibration and operating points of each part and class, ready for JSON.

    Args:
        val: validation, out of fold if there are several.
        test: the held-out part; it is described and chooses nothing.
        thresholds: on raw probabilities, chosen on validation [O].
        temperature: fitted on validation; None leaves what depends on it undefined.
        prevalences: for which PPV and NPV are also stated.
    """
    undefined: dict[str, str] = {}
    result: dict[str, Any] = {"temperature": temperature, "risks": RISKS.tolist()}
    for name, part in (("val", val), ("test", test)):
        p = part.p
        after = scaled(p, temperature, part.exclusive) if temperature and len(p) else None
        d = TASKS[part.task].decide(p, thresholds)
        losses = [
            None if q is None else log_loss(part.y, q, exclusive=part.exclusive) for q in (p, after)
        ]
        own: dict[str, Any] = {"log_loss": _pair(*losses), "per_class": {}}
        for i, output in enumerate(part.outputs):
            known = ~np.isnan(part.y[:, i])
            y, raw, called = part.y[known, i], p[known, i], d[known, i]
            cool = None if after is None else after[known, i]
            own["per_class"][output] = {
                "threshold": rounded(float(thresholds[i]), 6),
                **operating_point(y, called, prevalences),
                **probabilities(y, raw, cool),
            }
            for key, why in reasons(y, called, temperature).items():
                undefined[f"{name}.per_class.{output}.{key}"] = why
        result[name] = own
    return {**result, "undefined": undefined}


def operating_point(y: Array, d: Array, prevalences: Sequence[float]) -> dict[str, Any]:
    """Counts and rates of one class's decisions [N] on known labels [N].

    Their intervals, over patients, are those of `intervals.json`.
    """
    tp, fp, tn, fn = confusion(y, d).values()
    shares = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    rates: dict[str, Any] = {}
    for key, (part, whole) in shares.items():
        rates[key] = ratio(part, whole)
    exact = (tp / (tp + fn) if tp + fn else None, tn / (tn + fp) if tn + fp else None)
    stated = []
    for prevalence in prevalences:
        ppv, npv = predictive_values(*exact, prevalence)
        stated.append({"prevalence": prevalence, "ppv": ppv, "npv": npv})
    return {"known": len(y), "present": tp + fn, "called": tp + fp, **rates, "stated": stated}


def probabilities(y: Array, p: Array, after: Array | None) -> dict[str, Any]:
    """Brier score, calibration error, reliability, net benefit and histograms of one class.

    Args:
        y: known labels [N].
        p: raw probabilities [N].
        after: probabilities at the fitted temperature [N], None without one.
    """
    both = 0 < y.sum() < len(y)
    cool = after if len(y) else None
    curves = {
        "raw": _curve(net_benefit(y, p, RISKS)),
        "scaled": None if cool is None else _curve(net_benefit(y, cool, RISKS)),
        "all": _curve(net_benefit(y, np.ones_like(y), RISKS)),
    } if both else None  # fmt: skip
    edges = np.linspace(0, 1, HISTOGRAM + 1)
    return {
        "brier": _pair(brier(y, p), None if cool is None else brier(y, cool)),
        "ece": _pair(calibration_error(y, p), None if cool is None else calibration_error(y, cool)),
        "reliability": {
            "raw": reliability(y, p) if len(y) else None,
            "scaled": None if cool is None else reliability(y, cool),
        },
        "net_benefit": curves,
        "histogram": {
            "present": np.histogram(p[y == 1], edges)[0].tolist(),
            "absent": np.histogram(p[y == 0], edges)[0].tolist(),
        },
    }


def reasons(y: Array, d: Array, temperature: float | None) -> dict[str, str]:
    """Why values of one class are undefined: name → reason."""
    present, absent, called = int(y.sum()), int((1 - y).sum()), int(d.sum())
    found = {}
    if not present:
        found["sensitivity"] = "no image is known to show it"
    if not absent:
        found["specificity"] = "no image is known to be without it"
    if not called:
        found["ppv"] = "it is never called present"
    if called == len(y):
        found["npv"] = "it is never called absent"
    if not (present and absent):
        found["net_benefit"] = f"{present} present and {absent} absent labels"
    if not len(y):
        found |= dict.fromkeys(("brier", "ece", "reliability"), "no known label")
    elif temperature is None:
        found |= dict.fromkeys(("brier.scaled", "ece.scaled"), "no temperature was fitted")
    return found


def _pair(raw: float | None, after: float | None) -> dict[str, float | None]:
    return {"raw": rounded(raw), "scaled": rounded(after)}


def _curve(values: Array) -> list[float | None]:
    return [rounded(float(value)) for value in values]
