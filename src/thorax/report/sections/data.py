"""Data: what the images are, whom they show, and how each class looks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from thorax.io import LABEL
from thorax.report import charts, wording
from thorax.report.components import Panel, Row, Section, Table, render
from thorax.report.inputs import Inputs, Run, has_label
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
VENDORS = 6  # columns of a table
SIZES = 300  # distinct sizes in a chart; rarer ones are left out


@dataclass(frozen=True)
class Film:
    """All pictures of one class."""

    name: str
    count: str
    pictures: list[Picture]


def section(inputs: Inputs) -> Section:
    means = {
        name: class_means(inputs.images, inputs.table, name) for name in inputs.dataset.classes
    }
    maps = [m.difference for m in means.values() if m is not None and m.difference is not None]
    # One scale for all classes, so that a pale map means a small difference.
    largest = max((float(np.abs(difference).max()) for difference in maps), default=0.0)
    side = side_for(len(means) * (SAMPLES + 2), PIXELS)
    body = render(
        "data.html",
        inputs=inputs,
        facts=facts(inputs),
        classes=label_table(inputs),
        grays=gray_table(inputs.table),
        panels=[*age_chart(inputs.table), *size_chart(inputs.table)],
        films=[film(inputs, name, mean, largest, side) for name, mean in means.items()],
        largest=largest,
        pixels=f"{inputs.images.shape[2]} × {inputs.images.shape[1]}",
    )
    return Section("data", "Data", body)


def facts(inputs: Inputs) -> dict[str, str]:
    """Short facts about images and patients."""
    table = inputs.table
    per_patient = table["patient_id"].value_counts()
    images = f"{per_patient.median():g} ({per_patient.min()}–{per_patient.max()})"
    return {
        "Images": wording.count(len(table)),
        "Patients": inputs.patients(len(per_patient)),
        "Images per patient, median (range)": "unknown"
        if inputs.dataset.patients_unknown
        else images,
        "Original size": original_sizes(table),
        "Age, median (quartiles)": age_range(table["age"]),
        "Sex": proportions(table["sex"], {"F": "female", "M": "male"}),
        "View": proportions(table["view"], {"LATERAL": "lateral"}),
    }


def original_sizes(table: pd.DataFrame) -> str:
    """Width and height of the originals: the one, or the smallest and the largest."""
    widths, heights = table["width"], table["height"]
    distinct = len(table[["width", "height"]].drop_duplicates())
    if distinct == 1:
        return f"{widths.iloc[0]:.0f} × {heights.iloc[0]:.0f} px, all"
    return (
        f"{widths.min():.0f}–{widths.max():.0f} × {heights.min():.0f}–{heights.max():.0f} px,"
        f" {distinct:,} different"
    )


def age_range(values: "pd.Series[float]") -> str:
    """Median age, quartiles, and how many are unknown."""
    if values.notna().sum() == 0:
        return "not known"
    low, median, high = values.quantile([0.25, 0.5, 0.75]).tolist()
    missing = int(values.isna().sum())
    return f"{median:.0f} ({low:.0f}–{high:.0f})" + (f", {missing:,} unknown" if missing else "")


def proportions(values: "pd.Series[str]", words: dict[str, str]) -> str:
    """Proportions of a text column, the most frequent first; empty text counts as unknown."""
    counts = values[values != ""].value_counts()
    if counts.empty:
        return "not known"
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    known = [f"{words.get(str(k), str(k))} {wording.percent(n, len(values))}" for k, n in ordered]
    missing = len(values) - int(counts.sum())
    if missing:
        known.append(f"unknown {wording.percent(missing, len(values))}")
    return ", ".join(known)


def label_table(inputs: Inputs) -> Table:
    """Images and patients of each class."""
    rows = []
    for name in inputs.dataset.classes:
        labels, present = inputs.table[LABEL + name], has_label(inputs.table, name)
        cells = [
            wording.with_percent(present.sum(), len(labels)),
            inputs.patients(inputs.table.loc[present, "patient_id"].nunique()),
            wording.count((labels == 0).sum()),
            wording.count(labels.isna().sum()),
        ]
        rows.append(Row(name, [*cells], name if name in inputs.model.outputs else None))
    columns = ["Class", "Images with it", "Patients", "Images without", "Unknown"]
    where = ", all subsets" if isinstance(inputs, Run) else ""
    return Table(f"Images and patients of each class{where}", columns, rows)


def gray_table(table: pd.DataFrame) -> Table | None:
    """DICOM images by the rule of their gray values and by vendor, None where there are none."""
    films = table[table["gray_rule"] != ""]
    if films.empty:
        return None
    vendors = films["vendor"].replace("", "unknown")
    known = [*vendors.value_counts().index]
    shown = known if len(known) <= VENDORS else [*known[: VENDORS - 1], "others"]
    columns = vendors.where(vendors.isin(shown), "others")
    counts = pd.crosstab(films["gray_rule"], columns)[shown]
    ordered = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    rows = [
        Row(str(rule), [*map(wording.count, row), wording.with_percent(row.sum(), len(films))])
        for rule, row in ordered.iterrows()
    ]
    for what in ("header", "picture"):
        against = films["polarity"].str.contains(what)
        by_vendor = [wording.count((against & (columns == name)).sum()) for name in shown]
        cells = [*by_vendor, wording.with_percent(against.sum(), len(films))]
        rows.append(Row(f"polarity contradicted by the {what}", [*cells]))
    return Table(
        "DICOM images by what gave them their gray values, and by vendor",
        ["", *shown, "All"],
        rows,
        notes=["Where no window is stated, images of over 8 bits are scaled to their own values."],
    )


def age_chart(table: pd.DataFrame) -> list[Panel]:
    """Histogram of ages by sex, where ages are known."""
    aged = table[table["age"].notna()]
    if aged.empty:
        return []
    decades = (aged["age"] // 10 * 10).astype(int)
    counts = pd.crosstab(decades, aged["sex"])
    label = f"Images by age and sex. Median age (quartiles): {age_range(table['age'])}"
    swatch = Markup('<i class="{0}"></i>{0} ')
    shown = [swatch.format(word) for sex, (word, _) in charts.SEXES.items() if sex in counts]
    key = Markup('<span class="swatches">{}</span>').format(Markup("").join(shown))
    return [Panel("Age and sex", charts.ages(counts, label), key)]


def size_chart(table: pd.DataFrame) -> list[Panel]:
    """Height against width of the originals, where they differ."""
    counts = table.groupby(["width", "height"]).size().rename("images").reset_index().astype(int)
    if len(counts) == 1:
        return []
    frequent = counts.sort_values(["images", "width", "height"], ascending=[False, True, True])
    drawing = charts.sizes(frequent.head(SIZES), f"Original sizes. {original_sizes(table)}")
    return [Panel("Size of the originals", drawing, "a dot grows with the number of images")]


def film(inputs: Inputs, name: str, means: Means | None, largest: float, side: int) -> Film:
    """Mean image, difference to the others (full color at `largest`), and samples of a class."""
    count = wording.plural(int(has_label(inputs.table, name).sum()), "image")
    if means is None:
        return Film(name, count, [])
    alt = f"Mean of {means.images:,} images with {name}"
    mean = data_uri(means.present.round().astype(np.uint8), side)
    pictures = [Picture(mean, alt, f"mean of {means.images:,}")]
    if means.difference is not None:
        alt = f"Where images with {name} are brighter or darker than those without"
        colored = difference_map(means.difference, largest)
        pictures.append(Picture(data_uri(colored, side), alt, "difference to the others"))
    for row in sample_rows(inputs.table, name, SAMPLES):
        image_id = inputs.table["image_id"].iloc[row]
        uri = data_uri(inputs.images[row], side)
        pictures.append(Picture(uri, f"Radiograph {image_id}, {name}", image_id))
    return Film(name, count, pictures)
