"""Explanations: which part of an image spoke for a class."""

from thorax.report import wording
from thorax.report.components import Row, Section, Table, render, value, with_interval
from thorax.report.inputs import Inputs
from thorax.report.sections import shortcuts
from thorax.report.thumbnails import LARGEST, Picture, data_uri, overlay


def section(inputs: Inputs) -> Section:
    """Grad-CAM of the surest image that shows each class, beside the image itself."""
    body = render(
        "explanations.html",
        pairs=pairs(inputs),
        layer=inputs.gradcam.layer,
        part=wording.part_name(inputs.headline).lower(),
        folds=len(inputs.models),
        scores=scores(inputs),
        cascade=cascade(inputs),
        shortcuts=shortcuts.block(inputs),
    )
    return Section("explanations", "What it looks at", body)


def scores(inputs: Inputs) -> Table | None:
    """Pointing game and IoU per class beside chance and random weights; None without boxes."""
    found = inputs.localisation["per_class"]
    if not found:
        return None
    rows = []
    for name, own in found.items():
        model, random = own["model"], own["random"]
        area = wording.decimal(model["area"])
        cells = [
            wording.count(model["images"]),
            with_interval(model, "pointing", ""),
            wording.decimal(random["pointing"]),
            area,
            with_interval(model, "iou", ""),
            wording.decimal(random["iou"]),
            area,
        ]
        rows.append(Row(name, cells, name))
    columns = ["Class", "Images", "Pointing game", "random weights", "random point", "IoU",
               "random weights", "whole image"]  # fmt: skip
    return Table("Grad-CAM against outlines and boxes", columns, rows)


def cascade(inputs: Inputs) -> Table:
    """How like its own map a map stays as weights are drawn anew."""
    rows = [
        Row(step["layers"], [value(step["likeness"], "all maps are flat")])
        for step in inputs.localisation["cascade"]
    ]
    return Table("Maps with random weights", ["Drawn anew", "Rank correlation"], rows)


def pairs(inputs: Inputs) -> list[tuple[str, str, list[Picture]]]:
    """Class, probability, and the image without and with its map."""
    table = inputs.predictions[inputs.headline].set_index("image_id")
    rows = {name: row for row, name in enumerate(inputs.cohort["image_id"])}
    found = []
    cam = inputs.gradcam
    for image_id, name, evidence in zip(cam.image_ids, cam.outputs, cam.maps, strict=True):
        image = inputs.images[rows[image_id]]
        pictures = [
            Picture(data_uri(image, LARGEST), f"Radiograph {image_id}", image_id),
            Picture(
                data_uri(overlay(image, evidence), LARGEST),
                f"Radiograph {image_id} with the evidence for {name} in orange",
                f"evidence for {name}",
            ),
        ]
        found.append((name, wording.decimal(float(table[f"p_{name}"].loc[image_id])), pictures))
    return found
