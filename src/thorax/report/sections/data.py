"""Data: what the images are, whom they show, and how each class looks."""

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from thorax.io import LABEL
from thorax.report import distributions, wording
from thorax.report.components import Row, Section, Table, render
from thorax.report.inputs import Inputs
from thorax.report.rows import has_label
from thorax.report.thumbnails import (
    Means,
    Picture,
    class_means,
    data_uri,
    difference_map,
    sample_rows,
    side_for,
)

SAMPLES = 4
PIXELS = 4_000_000  # of all samples together: keeps the page light with many classes
SIZES = 300  # distinct sizes in a chart; rarer ones are not drawn


@dataclass(frozen=True)
class Plate:
    """All pictures of one class."""

    name: str
    count: str
    pictures: list[Picture]


def section(inputs: Inputs) -> Section:
    """The data."""
    cohort = inputs.cohort
    means = {name: class_means(inputs.images, cohort, name) for name in inputs.classes}
    maps = [m.difference for m in means.values() if m is not None and m.difference is not None]
    # One scale for all classes, so that a pale map means a small difference.
    largest = max((float(abs(difference).max()) for difference in maps), default=0.0)
    body = render(
        "cohort.html",
        inputs=inputs,
        facts=facts(inputs),
        classes=class_table(inputs),
        ages=age_chart(cohort),
        sexes=[word for sex, (word, _) in distributions.SEXES.items() if sex in set(cohort["sex"])],
        sizes=size_chart(cohort),
        plates=plates(inputs, means, largest),
        largest=largest,
        pixels=f"{inputs.images.shape[2]} × {inputs.images.shape[1]}",
    )
    return Section("data", "Data", body)


def facts(inputs: Inputs) -> list[tuple[str, str]]:
    """Short facts about the images and the people on them: (what, how much)."""
    cohort = inputs.cohort
    per_patient = cohort["patient_id"].value_counts()
    spread = f"{per_patient.median():g} ({per_patient.min()}–{per_patient.max()})"
    return [
        ("Images", wording.count(len(cohort))),
        ("Patients", wording.count(len(per_patient))),
        ("Images per patient", spread),
        ("Original size", original_sizes(cohort)),
        ("Age, median (quartiles)", ages(cohort["age"])),
        ("Sex", known(cohort["sex"], {"F": "female", "M": "male"})),
        ("View", known(cohort["view"], {"LATERAL": "lateral"})),
    ]


def original_sizes(cohort: pd.DataFrame) -> str:
    """Width and height of the originals: the one, or the smallest and the largest."""
    widths, heights = cohort["width"], cohort["height"]
    distinct = len(cohort[["width", "height"]].drop_duplicates())
    if distinct == 1:
        return f"{widths.iloc[0]:.0f} × {heights.iloc[0]:.0f} px, all"
    return (
        f"{widths.min():.0f}–{widths.max():.0f} × {heights.min():.0f}–{heights.max():.0f} px,"
        f" {distinct:,} different"
    )


def ages(values: "pd.Series[float]") -> str:
    """Median age, quartiles, and how many are unknown."""
    if values.notna().sum() == 0:
        return "not known"
    low, median, high = values.quantile([0.25, 0.5, 0.75]).tolist()
    text = f"{median:.0f} ({low:.0f}–{high:.0f})"
    missing = int(values.isna().sum())
    return text + (f", {missing:,} unknown" if missing else "")


def known(values: "pd.Series[str]", words: dict[str, str]) -> str:
    """Shares of a text column, the most frequent first; empty text counts as unknown."""
    counts = values[values != ""].value_counts()
    if counts.empty:
        return "not known"
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    shares = [f"{words.get(str(k), str(k))} {wording.percent(n, len(values))}" for k, n in ordered]
    missing = len(values) - int(counts.sum())
    return ", ".join(
        shares + ([f"unknown {wording.percent(missing, len(values))}"] * bool(missing))
    )


def class_table(inputs: Inputs) -> Table:
    """Images and patients of each class."""
    rows = []
    for name in inputs.classes:
        labels = inputs.cohort[LABEL + name]
        present = has_label(inputs.cohort, name)
        patients = inputs.cohort.loc[present, "patient_id"].nunique()
        width = round(100 * present.sum() / len(labels), 1)
        bar = Markup('<span class="share" style="--share:{}%"></span>').format(width)
        cells = [
            bar + wording.share(present.sum(), len(labels)),
            wording.count(patients),
            wording.count((labels == 0).sum()),
            wording.count(labels.isna().sum()),
        ]
        rows.append(Row(name, cells, name if name in inputs.outputs else None))
    columns = ["Class", "Images with it", "Patients", "Images without", "Unknown"]
    return Table("Images and patients of each class in the whole data set", columns, rows)


def age_chart(cohort: pd.DataFrame) -> Markup | None:
    """Histogram of ages by sex, None where no age is known."""
    aged = cohort[cohort["age"].notna()]
    if aged.empty:
        return None
    decades = aged.assign(decade=(aged["age"] // 10 * 10).astype(int))
    counts = decades.groupby(["decade", "sex"]).size().rename("images").reset_index()
    return distributions.ages(
        counts, f"Images by age and sex. Median age (quartiles): {ages(cohort['age'])}"
    )


def size_chart(cohort: pd.DataFrame) -> Markup | None:
    """Height against width of the originals, None where all are alike."""
    counts = cohort.groupby(["width", "height"]).size().rename("images").reset_index().astype(int)
    if len(counts) == 1:
        return None
    frequent = counts.sort_values(["images", "width", "height"], ascending=[False, True, True])
    return distributions.sizes(frequent.head(SIZES), f"Original sizes. {original_sizes(cohort)}")


def plates(inputs: Inputs, means: dict[str, Means | None], largest: float) -> list[Plate]:
    """Mean image, difference to the others and samples of every class.

    Args:
        inputs: the run.
        means: mean images of each class.
        largest: difference that gets the full colour, gray levels.
    """
    side = side_for(len(inputs.classes) * (SAMPLES + 2), PIXELS)
    return [_plate(inputs, name, means[name], largest, side) for name in inputs.classes]


def _plate(inputs: Inputs, name: str, means: Means | None, largest: float, side: int) -> Plate:
    count = wording.plural(int(has_label(inputs.cohort, name).sum()), "image")
    if means is None:
        return Plate(name, count, [])
    mean = means.present.round().astype("uint8")
    alt = f"Mean of {means.images:,} images with {name}"
    found = [Picture(data_uri(mean, side), alt, f"Mean of {means.images:,}")]
    if means.difference is not None:
        alt = f"Where images with {name} are brighter or darker than those without"
        coloured = difference_map(means.difference, largest)
        found.append(Picture(data_uri(coloured, side), alt, "Against the others"))
    for row in sample_rows(inputs.cohort, name, SAMPLES):
        image_id = inputs.cohort["image_id"].iloc[row]
        uri = data_uri(inputs.images[row], side)
        found.append(Picture(uri, f"Radiograph {image_id}, {name}", image_id))
    return Plate(name, count, found)
