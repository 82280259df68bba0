"""The charts of the page: curves and distributions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from thorax.artifacts.evaluation import Bin, NetBenefit
from thorax.report.plot import STYLES, Axis, Plot

SQUARE, WIDE, HISTOGRAM = (164, 164), (232, 150), (250, 140)
FIFTHS = {"values": [0, 0.2, 0.4, 0.6, 0.8, 1]}
ENDS = (0.1, 0.2, 0.3, 0.5, 1.0)  # where an axis may end: rare findings fill a corner only
# Sex as in the manifest → word, color.
SEXES = {
    "F": ("female", "var(--female)"),
    "M": ("male", "var(--male)"),
    "": ("unknown", "var(--grid-strong)"),
}

Curves = Mapping[str, pd.DataFrame]
Points = Mapping[str, tuple[float, float]]


def roc(curves: Curves, points: Points, label: str) -> Markup:
    """Sensitivity against 1 − specificity; `points` are those at the threshold."""
    x, y = Axis("1 − specificity", options=FIFTHS), Axis("Sensitivity", options=FIFTHS)
    plot = Plot(x, y, SQUARE)
    plot.reference([0, 1], [0, 1])
    _bands(plot, {subset: curve.set_index("fpr") for subset, curve in curves.items()})
    for subset, curve in curves.items():
        plot.line(subset, list(curve["fpr"]), list(curve["tpr"]))
    for subset, at in points.items():
        plot.dot(subset, *at)
    return plot.svg(label, readout=("1 − specificity", "sensitivity"))


def precision_recall(curves: Curves, points: Points, prevalence: float, label: str) -> Markup:
    """Precision against sensitivity; a dotted line marks chance level, which is the prevalence."""
    plot = Plot(Axis("Sensitivity", options=FIFTHS), Axis("Precision", options=FIFTHS), SQUARE)
    plot.reference([0, 1], [prevalence, prevalence])
    # Between two thresholds no precision in between is reached: steps, as average precision adds.
    stepped = {subset: steps(curve) for subset, curve in curves.items()}
    _bands(plot, stepped, interpolate="step-before")
    for subset, curve in stepped.items():
        plot.line(subset, curve.index.tolist(), list(curve["precision"]), interpolate="step-before")
    for subset, at in points.items():
        plot.dot(subset, *at)
    return plot.svg(label, readout=("sensitivity", "precision"))


def steps(curve: pd.DataFrame) -> pd.DataFrame:
    """By recall, the precision first reached with it and its band: the steps that AP adds up."""
    ordered = curve[curve["recall"] > 0].sort_values(["recall", "precision"])
    first = ordered.drop_duplicates("recall", keep="last").set_index("recall")
    return pd.concat([first.head(1).rename({first.index[0]: 0.0}), first])


def _bands(plot: Plot, curves: Curves, **mark: Any) -> None:
    """The band of the last of the curves, which lies on top: two would hide each other."""
    *_, (subset, curve) = curves.items()
    plot.band(subset, curve.index.tolist(), curve[["low", "high"]].to_numpy().tolist(), **mark)


def history(
    curves: Mapping[str, Sequence[float | None]], best: int, title: str, label: str
) -> Markup:
    """A metric over the epochs from 1, None where undefined; `best` is the epoch that was kept."""
    epochs = max(map(len, curves.values()))
    known = [v for values in curves.values() for v in values if v is not None] or [0.0, 1.0]
    step = max(1, -(-epochs // 6))
    ticks = {"values": list(range(step, epochs + 1, step)), "grid": False, "format": "d"}
    x = Axis("Epoch", 1, max(epochs, 2), ticks)
    y = Axis("", *_padded(min(known), max(known)), {"tickCount": 4, "format": "~g"})
    plot = Plot(x, y, WIDE, left=52, top=8)
    plot.upright(best)
    for series, values in curves.items():
        plot.line(series, range(1, len(values) + 1), values)
        value = values[best - 1] if best <= len(values) else None
        if value is not None:
            plot.dot(series, best, value)
    return plot.svg(label, readout=("epoch", title))


def reliability(raw: Sequence[Bin], scaled: Sequence[Bin], label: str) -> Markup:
    """Observed proportion against mean predicted probability, with intervals of the raw bins."""
    end = _end(max(max(b.predicted, b.observed) for b in (*raw, *scaled)))
    ticks = {"tickCount": 5, "format": "~g"}
    x, y = Axis("Predicted", 0, end, ticks), Axis("Observed proportion", 0, end, ticks)
    plot = Plot(x, y, SQUARE, left=48)
    plot.reference([0, end], [0, end])
    intervals = [(b.predicted, y) for b in raw for y in (b.low, min(b.high, end), None)]
    plot.line("test", *zip(*intervals, strict=True), strokeWidth=1.5, opacity=0.5)
    hollow = {"shape": "diamond", "filled": False, "stroke": STYLES["scaled"][0]}
    full = {"filled": True, "fill": STYLES["test"][0], "stroke": "var(--paper)", "opacity": 1}
    for bins, mark in ((scaled, hollow), (raw, full)):
        words = [
            f"predicted {b.predicted:.3f}, observed {b.observed:.3f} of {b.count:,} images"
            for b in bins
        ]
        at = [b.predicted for b in bins], [b.observed for b in bins]
        plot.points(*at, words, [55] * len(bins), **mark)
    return plot.svg(label)


def decision_curve(risks: Sequence[float], curves: NetBenefit, label: str) -> Markup:
    """Net benefit against the threshold probability; predicting none positive is worth 0."""
    series = {"all": curves.treat_all, "scaled": curves.scaled or [], "test": curves.raw}
    known = {name: list(zip(risks, values, strict=False)) for name, values in series.items()}
    top = max(0.001, *(value for points in known.values() for _, value in points))
    bottom = -0.25 * top
    useful = [r for points in known.values() for r, value in points if value > 0.02 * top]
    end = _end(max(useful, default=1.0))
    x = Axis("Threshold probability", 0, end, {"tickCount": 5})
    y = Axis("Net benefit", bottom, 1.06 * top, {"tickCount": 4, "format": "~g"})
    plot = Plot(x, y, WIDE, left=48)
    plot.reference([0, end], [0, 0])
    for name, points in known.items():
        inside = [(r, v) for r, v in points if r <= end]
        # Treating all falls without end: it is cut where it leaves the frame.
        shown = [(r, max(v, bottom)) for r, v in inside if name != "all" or v >= bottom]
        plot.line(name, [r for r, _ in shown], [v for _, v in shown])
    return plot.svg(label)


def scores(
    present: Sequence[int], absent: Sequence[int], threshold: float | None, label: str
) -> Markup:
    """Images with the finding upward and without it downward, in equal bins from 0 to 1."""
    width = 1 / len(present)
    tallest = max(max(counts) / max(sum(counts), 1) for counts in (present, absent))
    heights = {"tickCount": 5, "labelExpr": "format(abs(datum.value), '.0%')"}
    x = Axis("Probability", options={"grid": False, **FIFTHS})
    plot = Plot(x, Axis("Images", -tallest, tallest, heights), WIDE, left=48)
    kinds = (("with", present, 1, STYLES["test"][0]), ("without", absent, -1, STYLES["all"][0]))
    for kind, counts, sign, fill in kinds:
        boxes = []
        for i, number in enumerate(counts):
            low, high = round(i * width, 3), round((i + 1) * width, 3)
            words = f"{low:.2f}–{high:.2f}: {number:,} images {kind} the finding"
            if number:
                boxes.append((low, high, sign * number / sum(counts), 0.0, words))
        plot.boxes(boxes, fill)
    if threshold is not None and threshold <= 1:
        plot.upright(threshold)
    return plot.svg(label)


def ages(counts: pd.DataFrame, label: str) -> Markup:
    """Images by decade of age (rows) and sex (columns F, M or empty)."""
    years = Axis("Age, years", 0, float(counts.index.max()) + 10, {"grid": False, "tickCount": 5})
    tall = float(counts.sum(axis=1).max())
    plot = Plot(years, Axis("Images", 0, 1.05 * tall, {"tickCount": 4}), HISTOGRAM, left=56)
    stacked = counts[[sex for sex in SEXES if sex in counts]]
    tops = stacked.cumsum(axis=1)
    for sex, column in stacked.items():
        word, color = SEXES[str(sex)]
        boxes = []
        for start, images, top in zip(counts.index, column, tops[sex], strict=True):
            words = f"{start}–{start + 9} years, sex {word}: {images:,} images"
            boxes.append((start, start + 10, top, top - images, words))
        plot.boxes(boxes, color)
    return plot.svg(label)


def sizes(counts: pd.DataFrame, label: str) -> Markup:
    """Height against width of the originals, a dot growing with the number of images."""
    width, height, images = (counts[name].tolist() for name in ("width", "height", "images"))
    x = Axis("Width, pixels", *_padded(min(width), max(width)), {"tickCount": 4})
    y = Axis("Height, pixels", *_padded(min(height), max(height)), {"tickCount": 4})
    plot = Plot(x, y, HISTOGRAM, left=56)
    words = [f"{w} × {h}: {n:,} images" for w, h, n in zip(width, height, images, strict=True)]
    area = [14 + 286 * n / max(images) for n in images]
    plot.points(width, height, words, area, filled=True, fill="var(--test)", opacity=0.45)
    return plot.svg(label)


def _end(largest: float) -> float:
    return next(end for end in ENDS if end >= min(largest, 1.0))


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range with a little room, so that no curve touches the frame and none is flat."""
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return max(low - room, 0.0) if low >= 0 else low - room, high + room
