"""The charts of a data set: ages by sex, sizes of the originals."""

import altair as alt
import pandas as pd
from markupsafe import Markup

from thorax.report.charts import drawing, horizontal, rows, vertical

LEFT = 56  # pixels: labels run to hundreds of thousands
SIZE = (250, 140)
# Sex as in the manifest → word, colour.
SEXES = {
    "F": ("female", "var(--female)"),
    "M": ("male", "var(--male)"),
    "": ("unknown", "var(--grid-strong)"),
}


def ages(counts: pd.DataFrame, label: str) -> Markup:
    """Images by decade of age and sex.

    Args:
        counts: `decade` (first year of age), `sex` (F, M or empty), `images`.
        label: what a screen reader says.
    """
    starts, sexes, images = (counts[column].tolist() for column in ("decade", "sex", "images"))
    data = rows(
        start=starts,
        end=[start + 10 for start in starts],
        sex=sexes,
        rank=[list(SEXES).index(sex) for sex in sexes],
        images=images,
        words=[
            f"{start}–{start + 9} years, sex {SEXES[sex][0]}: {number:,} images"
            for start, sex, number in zip(starts, sexes, images, strict=True)
        ],
    )
    years = alt.Scale(domain=[0, max(starts) + 10], nice=False)
    colours = alt.Scale(domain=list(SEXES), range=[colour for _, colour in SEXES.values()])
    bars = (
        alt.Chart(data)
        .mark_bar(aria=True, stroke="var(--paper)", strokeWidth=1)
        .encode(
            x=alt.X(
                "start:Q", bin="binned", scale=years, axis=horizontal("Age, years", grid=False)
            ),
            x2="end:Q",
            y=alt.Y("images:Q", stack=True, axis=vertical("Images", LEFT, tickCount=4)),
            color=alt.Color("sex:N", scale=colours, legend=None),
            order="rank:Q",
            description="words:N",
        )
    )
    return drawing([bars], label, size=SIZE, left=LEFT)


def sizes(counts: pd.DataFrame, label: str) -> Markup:
    """Height against width of the originals, a dot growing with the number of images.

    Args:
        counts: `width` and `height` in pixels, `images`.
        label: what a screen reader says.
    """
    columns = {name: counts[name].tolist() for name in ("width", "height", "images")}
    words = [f"{w} × {h}: {n:,} images" for w, h, n in zip(*columns.values(), strict=True)]
    free = alt.Scale(zero=False, nice=True, padding=8)
    dots = (
        alt.Chart(rows(**columns, words=words))
        .mark_circle(aria=True, fill="var(--test)", fillOpacity=0.45)
        .encode(
            x=alt.X("width:Q", scale=free, axis=horizontal("Width, pixels", tickCount=4)),
            y=alt.Y("height:Q", scale=free, axis=vertical("Height, pixels", LEFT, tickCount=4)),
            size=alt.Size("images:Q", scale=alt.Scale(range=[14, 300]), legend=None),
            description="words:N",
        )
    )
    return drawing([dots], label, size=SIZE, left=LEFT)
