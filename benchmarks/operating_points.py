"""Do frozen thresholds and calibration do on new images what they promise?

Scores with a known truth, 100 cohorts a row, each image a patient:

- thresholds: how far the choice moves from one validation set to the next, for the best threshold
  of the sample alone and for the bagged one, and how much of the gain both keep;
- ensembles: K models of one signal, each with noise of its own; sensitivity at a target of 0.9 and
  log loss on test, chosen out of fold or on images that no fold has seen;
- calibration: log loss and calibration error on test, raw and scaled.

    python benchmarks/operating_points.py     # about a minute; writes the .json beside it
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

from thorax.config import AtSensitivity
from thorax.io import write_json
from thorax.metrics.bootstrap import resample
from thorax.metrics.calibration import calibration_error, log_loss
from thorax.metrics.predictions import IDS, Predictions
from thorax.metrics.scaling import fit_scaling, scale
from thorax.metrics.thresholds import choose
from thorax.provenance import machine
from thorax.tasks import TASKS

COHORTS = 100
TEST = 20_000
SPREAD = 1.8  # of the true logits


def predictions(y, z) -> Predictions:
    """One class, each image a patient."""
    images = pd.DataFrame({name: map(str, range(len(y))) for name in IDS})
    return Predictions("multi-label", ["finding"], images, y[:, None], z[:, None])


def threshold_row(auroc, rule, n, rng) -> dict:
    """Scores of both kinds are normal, so the gain of a threshold is known exactly."""
    d, prevalence = norm.ppf(auroc) * np.sqrt(2), 0.3
    to_p = lambda x: expit(logit(prevalence) + d * x - d * d / 2)  # noqa: E731
    patients = pd.Series(range(n))
    alone, bagged, covered = [], [], []
    for _ in range(COHORTS):
        y = (rng.random(n) < prevalence).astype(float)
        p = to_p(rng.normal(d * y))
        alone.append(choose(rule, y, p, resample(patients, 0, 0)).value)
        bagged.append(choose(rule, y, p, resample(patients, 200, 0)))
    middle = np.median([chosen.value for chosen in bagged])
    covered = [chosen.low <= middle <= chosen.high for chosen in bagged]

    def gain(p):
        x = (logit(p) - logit(prevalence) + d * d / 2) / d
        tpr, fpr = norm.sf(x - d), norm.sf(x)
        if rule == "youden":
            return tpr - fpr
        return 2 * prevalence * tpr / (prevalence * tpr + (1 - prevalence) * fpr + prevalence)

    row = {"auroc": auroc, "rule": rule, "images": n, "covered": round(float(np.mean(covered)), 3)}
    for name, values in (("alone", alone), ("bagged", [chosen.value for chosen in bagged])):
        low, high = np.quantile(values, [0.025, 0.975])
        row[name] = {
            "range": [round(low, 3), round(high, 3)],
            "sd_logit": round(float(np.std(logit(values))), 3),
            "gain": round(float(np.mean([gain(p) for p in values])), 4),
        }
    return row


def ensemble_row(members, noise, n, rng) -> dict:
    """Member k's logit is the true one times its fit plus its own noise; targets are met or not."""
    rule, found = AtSensitivity(sensitivity=0.9), []
    for _ in range(COHORTS):
        truth = rng.normal(-2, SPREAD, n + 2 * TEST // 10)
        y = (rng.random(len(truth)) < expit(truth)).astype(float)
        z = truth + rng.normal(0, noise, (members, len(truth)))
        mean = TASKS["multi-label"].ensemble(z[:, :, None])[:, 0]
        val, test = slice(0, n), slice(n, None)
        own = z[rng.integers(0, members, n), np.arange(n)]  # out of fold: one model an image
        row = [log_loss(part := predictions(y[test], mean[test]), part.z)]
        for scores in (own, mean[val]):
            chosen = choose(rule, y[val], expit(scores), resample(pd.Series(range(n)), 0, 0)).value
            scaled = scale(part.z, fit_scaling(predictions(y[val], scores)))
            row += [(expit(mean[test])[y[test] == 1] >= chosen).mean(), log_loss(part, scaled)]
        found.append(row)
    names = ("loss_raw", "sensitivity_out_of_fold", "loss_scaled_out_of_fold",
             "sensitivity_held_out", "loss_scaled_held_out")  # fmt: skip
    means = np.mean(found, axis=0).round(4).tolist()
    return {"members": members, "noise": noise, "images": n, **dict(zip(names, means, strict=True))}


def calibration_row(prevalence, n, kind, rng) -> dict:
    """What a scaling fitted to n images makes of logits that were moved as `kind` says."""
    sample = rng.normal(0, SPREAD, 200_000)
    center = brentq(lambda c: expit(c + sample).mean() - prevalence, -12, 12)
    slope, shift = {"calibrated": (1, 0), "class weights": (1, -logit(prevalence)),
                    "too extreme": (2, 0), "not extreme enough": (0.6, 0)}[kind]  # fmt: skip

    def cohort(images):
        z = rng.normal(center, SPREAD, images)
        return predictions((rng.random(images) < expit(z)).astype(float), slope * z + shift)

    test, losses, errors = cohort(TEST), [], []
    for _ in range(COHORTS):
        scaled = scale(test.z, fit_scaling(cohort(n)))
        losses.append(log_loss(test, scaled))
        errors.append(calibration_error(test.y[:, 0], expit(scaled[:, 0])))
    raw = log_loss(test, test.z)
    return {
        "prevalence": prevalence, "images": n, "kind": kind,
        "loss_raw": round(raw, 4), "loss_scaled": round(float(np.mean(losses)), 4),
        "worse_by_0.005": round(float(np.mean(np.array(losses) > raw + 0.005)), 3),
        "ece_raw": round(calibration_error(test.y[:, 0], test.p[:, 0]), 4),
        "ece_scaled": round(float(np.mean(errors)), 4),
    }  # fmt: skip


def main() -> None:
    """Print and write the three tables."""
    rng = np.random.default_rng(0)
    kinds = ("calibrated", "class weights", "too extreme", "not extreme enough")
    tables = {
        "thresholds": [threshold_row(auroc, rule, 500, rng)
                       for auroc, rule in product((0.999, 0.97, 0.9, 0.8), ("youden", "f1"))],
        "ensembles": [ensemble_row(members, noise, 600, rng)
                      for members, noise in product((3, 5), (0.5, 1.0, 2.0))],
        "calibration": [calibration_row(prevalence, n, kind, rng)
                        for prevalence, n, kind in product((0.02, 0.133, 0.74), (100, 300, 1000),
                                                           kinds)],
    }  # fmt: skip
    for name, rows in tables.items():
        print(f"\n{name}\n{pd.json_normalize(rows).to_string(index=False)}")
    write_json(Path(__file__).with_suffix(".json"), {"machine": machine(), **tables})


if __name__ == "__main__":
    main()
