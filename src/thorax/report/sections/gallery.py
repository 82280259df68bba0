"""Images: every evaluated image to filter, sort and enlarge, as data that a script shows."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thorax.metrics.groups import attributes
from thorax.report import wording
from thorax.report.components import Section, embedded, render
from thorax.report.inputs import Inputs
from thorax.report.sections.examples import predicted, truths
from thorax.report.sections.subgroups import titled
from thorax.report.thumbnails import data_uri, evenly, layer, side_for

MOST = 1000  # images; of more than these a sample is shown
PIXELS = 8_000_000  # of all of them together: about 2 MB


def section(inputs: Inputs) -> Section:
    total = len(inputs.predictions[inputs.headline])
    rows = evenly(np.arange(total), MOST)
    groups = attributes(inputs.table)
    side = side_for(len(rows), PIXELS, max(inputs.images.shape[1:]))
    body = render(
        "gallery.html",
        which=which(inputs, len(rows), total, side),
        classes=inputs.model.outputs,
        shown_first=inputs.shown_first,
        groups={titled(str(name)): sorted(set(groups[name]) - {""}) for name in groups},
        heat_maps=len(inputs.gradcam.image_ids) > 0,
        data=embedded(images(inputs, rows, groups, side)),
    )
    return Section("images", "Images", body)


def which(inputs: Inputs, shown: int, total: int, side: int) -> str:
    """Whether these are all images, and how large, as a sentence."""
    subset = wording.in_sentence(wording.subset_name(inputs.headline))
    what = f"All {total:,}" if shown == total else f"{shown:,} evenly spaced of {total:,}"
    full = side >= max(inputs.images.shape[1:])
    size = "at the resolution that the network sees" if full else f"reduced to {side} pixels"
    return f"{what} images of the {subset} set, {size}."


def images(
    inputs: Inputs, rows: NDArray[np.int64], groups: pd.DataFrame, side: int
) -> dict[str, Any]:
    """Of each image its picture, truth and groups; of each class labels, scores and decisions.

    Args:
        inputs: of the run.
        rows: of the evaluated images.
        groups: group of each cached image, a column an attribute.
        side: of the pictures, pixels.
    """
    table = inputs.predictions[inputs.headline].iloc[rows]
    ids = table["image_id"].tolist()
    places = inputs.table.reset_index().set_index("image_id").loc[ids, "index"].to_numpy()
    of_class = []
    for name in inputs.model.outputs:
        y, called = table[f"y_{name}"].to_numpy(float), predicted(table, name)
        wrong = np.flatnonzero(~np.isnan(y) & (y != called))
        cams = {int(i): inputs.gradcam.map_of(ids[i], name) for i in wrong}
        of_class.append(
            {
                "y": [None if np.isnan(label) else int(label) for label in y],
                "p": table[f"p_{name}"].round(4).tolist(),
                "called": called.astype(int).tolist(),
                "maps": {i: data_uri(layer(cam)) for i, cam in cams.items() if cam is not None},
            }
        )
    return {
        "ids": ids,
        "pictures": [data_uri(inputs.images[place], side) for place in places],
        "truth": truths(inputs, inputs.table.loc[places]),
        "groups": [groups[name].loc[places].tolist() for name in groups],
        "classes": of_class,
    }
