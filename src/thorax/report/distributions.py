"""The charts of a data set: ages by sex, sizes of the originals."""

import altair as alt
import pandas as pd
from markupsafe import Markup

from thorax.report.charts import drawing, horizontal, rows, vertical

LEFT = 58  # pixels: labels run to thousands
SIZE = (250, 140)


def ages(counts: pd.DataFrame, label: str) -> Markup:
    """Images by decade of age and sex; `counts` has `decade`, `sex` (F, M or empty), `images`."""
    order = ["F", "M", ""]
    colours = ["var(--female)", "var(--male)", "var(--grid-strong)"]
    words = [f"{r.decade}–{r.decade + 9} years, {r.sex or 'sex unknown'}: {r.images:,} images"
             for r in counts.itertuples()]  # fmt: skip
    data = rows(
        decade=counts["decade"].tolist(),
        end=(counts["decade"] + 10).tolist(),
        sex=counts["sex"].tolist(),
        rank=[order.index(sex) for sex in counts["sex"]],
        images=counts["images"].tolist(),
        words=words,
    )
    last = int(counts["decade"].max()) + 10
    scale = alt.Scale(domain=[0, last], nice=False)
    left = 52
    bars = (
        alt.Chart(data)
        .mark_bar(aria=True, stroke="var(--paper)", strokeWidth=1)
        .encode(
            x=alt.X(
                "decade:Q", bin="binned", scale=scale, axis=horizontal("Age, years", grid=False)
            ),
            x2="end:Q",
            y=alt.Y("images:Q", stack=True, axis=vertical("Images", left, tickCount=4)),
            color=alt.Color("sex:N", scale=alt.Scale(domain=order, range=colours), legend=None),
            order="rank:Q",
            description="words:N",
        )
    )
    return drawing([bars], label, size=(250, 140), left=left)


def sizes(counts: pd.DataFrame, label: str) -> Markup:
    """Height against width of the originals; `counts` has `width`, `height`, `images`."""
    left = 58
    words = [f"{r.width} × {r.height}: {r.images:,} images" for r in counts.itertuples()]
    data = rows(
        width=counts["width"].tolist(),
        height=counts["height"].tolist(),
        images=counts["images"].tolist(),
        words=words,
    )
    free = alt.Scale(zero=False, nice=True, padding=8)
    dots = (
        alt.Chart(data)
        .mark_circle(aria=True, fill="var(--test)", fillOpacity=0.45)
        .encode(
            x=alt.X("width:Q", scale=free, axis=horizontal("Width, pixels", tickCount=4)),
            y=alt.Y("height:Q", scale=free, axis=vertical("Height, pixels", left, tickCount=4)),
            size=alt.Size("images:Q", scale=alt.Scale(range=[14, 300]), legend=None),
            description="words:N",
        )
    )
    return drawing([dots], label, size=(250, 140), left=left)
