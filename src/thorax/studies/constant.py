"""What a predictor that says the same of every image gives: the least that a claim has to beat."""

import numpy as np
from scipy.special import entr

from thorax.studies.claims import Claim


def constant(claim: Claim) -> dict[str, float]:
    """The claimed figures of a predictor that says the same of every image; empty where unknown.

    It predicts the most frequent class alone, with the prevalences as probabilities. Over the
    labels of each image, that class is taken to stand alone wherever it stands, as `No Finding`.
    """
    if claim.labels is not None:
        p = np.array(list(claim.labels.present.values())) / claim.labels.images
    elif claim.positives is not None and claim.images:
        p = np.array([claim.positives, claim.images - claim.positives]) / claim.images
    else:
        return {}
    top = float(p.max())
    if claim.average == "images":
        accuracy = 1 - (float(p.sum()) + 1 - 2 * top) / len(p)
        loss = float(np.mean(entr(p) + entr(1 - p)))
        named = dict.fromkeys(("precision", "sensitivity", "f1"), top)
    else:
        accuracy, loss = top, float(entr(p).sum())
        if claim.average == "weighted":
            named = {"precision": top**2, "sensitivity": top, "f1": 2 * top**2 / (1 + top)}
        else:
            always = float(p[0] == top)  # the positive class, or never
            named = {"precision": always * top, "sensitivity": always,
                     "f1": always * 2 * top / (1 + top), "specificity": 1 - always}  # fmt: skip
    figures = {"accuracy": accuracy, "loss": loss, **named}
    return {name: figures[name] for name in claim.figures if name in figures}
