"""Classification metrics of weighted images: the one place where each is computed.

A point estimate is the metric with every weight 1; a bootstrap replicate weights each image by how
often its patient was drawn. `influence` has the derivatives. Shapes: N images, L classes, R sets of
weights. Labels y [N, L] are 1, 0 and NaN for unknown, decisions d [N, L] 1 or 0. Undefined metrics
are NaN.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from thorax.config import METRICS
from thorax.parallel import cores
from thorax.tasks import Array, Task, Values

PER_CLASS = (
    "auroc", "average_precision", "sensitivity", "specificity", "precision", "npv", "accuracy",
    "f1",
)  # fmt: skip


def ones(images: int) -> Array:
    """Weights [1, N] of the sample itself."""
    return np.ones((1, images))


def counts(y: Array, d: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """Weighted true positives, false positives, false negatives, true negatives, [R, L] each."""
    positive, negative = np.nan_to_num(y), np.nan_to_num(1 - y)
    return (
        w @ (positive * d),
        w @ (negative * d),
        w @ (positive * (1 - d)),
        w @ (negative * (1 - d)),
    )


def rates(tp: Array, fp: Array, fn: Array, tn: Array) -> Values:
    """Everything that follows from a confusion matrix, in the shape of the counts."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "sensitivity": tp / (tp + fn),
            "specificity": tn / (tn + fp),
            "precision": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "f1": 2 * tp / (2 * tp + fp + fn),
        }


def per_class(y: Array, score: Array, d: Array, w: Array) -> Values:
    """Every metric of `PER_CLASS` for each class and set of weights, [R, L].

    Args:
        y: labels [N, L].
        score: [N, L], anything that rises with the probability.
        d: decisions [N, L].
        w: image weights [R, N].
    """
    known = ~np.isnan(y)

    def ranking(i: int) -> tuple[Array, Array]:
        rows = known[:, i]
        return auroc_and_ap(y[rows, i], score[rows, i], w if rows.all() else w[:, rows])

    with ThreadPoolExecutor(cores()) as pool:
        areas = list(pool.map(ranking, range(y.shape[1])))
    auroc, average_precision = (np.stack([area[k] for area in areas], axis=1) for k in (0, 1))
    metrics = rates(*counts(y, d, w))
    return {"auroc": auroc, "average_precision": average_precision, **metrics}


def auroc_and_ap(y: Array, score: Array, w: Array) -> tuple[Array, Array]:
    """Weighted AUROC and average precision of one class, [R] each; NaN without both outcomes.

    Exact in ties: equal scores count half a win, and share one step of the precision-recall curve.

    Args:
        y: labels [N], 1 or 0.
        score: [N].
        w: image weights [R, N].
    """
    order = np.argsort(-score, kind="stable")
    # Only runs of equal scores that hold a positive add to either area; findings are rare, so they
    # are few.
    positives = np.flatnonzero(y[order])
    if len(positives) == 0:
        return np.full(len(w), np.nan), np.full(len(w), np.nan)
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    w = np.take(w, order, axis=1)
    total = w if len(starts) == len(score) else np.add.reduceat(w, starts, axis=1)
    above = np.cumsum(total, axis=1)  # weights down to the end of each run
    run = np.searchsorted(starts, positives, side="right") - 1
    first = np.flatnonzero(np.r_[True, np.diff(run) != 0])
    positive = np.add.reduceat(w[:, positives], first, axis=1)
    total, all_above = total[:, run[first]], above[:, run[first]]
    positives_above = np.cumsum(positive, axis=1)
    n_positive = positives_above[:, -1]
    n_negative = above[:, -1] - n_positive
    # Each positive beats all negatives below its run and half of those in it.
    below = n_negative[:, None] - (all_above - positives_above)
    wins = (positive * (below + (total - positive) / 2)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(all_above > 0, positives_above / all_above, 0)
        auroc = wins / (n_positive * n_negative)
        average_precision = (precision * positive).sum(axis=1) / n_positive
    undefined = (n_positive == 0) | (n_negative == 0)
    auroc[undefined], average_precision[undefined] = np.nan, np.nan
    return auroc, average_precision


def macro(metrics: Values, defined: Values) -> Values:
    """Mean over the classes in which a metric is defined in the sample itself, [R]; else NaN.

    Args:
        metrics: per class [R, L].
        defined: the same of the sample itself [1, L], which tells the classes.
    """
    means = {}
    for name, values in metrics.items():
        usable = values[:, np.isfinite(defined[name][0])]
        means[name] = usable.mean(axis=1) if usable.shape[1] else np.full(len(values), np.nan)
    return means


def loss_and_accuracy(task: Task, y: Array, z: Array, d: Array, w: Array) -> Values:
    """Cross-entropy and accuracy over all labels, [R]; by image where classes exclude each other.

    Args:
        task: of the labels.
        y: labels [N, L].
        z: logits [N, L].
        d: decisions [N, L].
        w: image weights [R, N].
    """
    losses = task.log_loss(z, y)
    if task.exclusive:
        right = (y * d).sum(axis=1, keepdims=True)
    else:
        right = np.where(np.isnan(y), np.nan, y == d)
    terms = w @ (~np.isnan(losses)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return {
            "loss": w @ np.nansum(losses, axis=1) / terms,
            "accuracy": w @ np.nansum(right, axis=1) / terms,
        }


def headline(task: Task, y: Array, z: Array, d: Array) -> dict[str, float | None]:
    """The metrics of `config.METRICS` of a sample: macro over classes, None where undefined."""
    w = ones(len(y))
    # By probability: where classes exclude each other, a logit alone does not order images.
    classes = per_class(y, task.activation(z), d, w)
    values = macro(classes, classes) | loss_and_accuracy(task, y, z, d, w)
    return {name: number(values[name][0]) for name in METRICS}


def number(value: float) -> float | None:
    """None in place of NaN."""
    return float(value) if np.isfinite(value) else None


def beats(name: str, value: float | None, other: float | None) -> bool:
    """Whether `value` of a metric beats `other`; an undefined value never does."""
    if value is None:
        return False
    if other is None:
        return True
    return value < other if name == "loss" else value > other
