"""Explanations: which part of an image spoke for a class."""

from thorax.report import wording
from thorax.report.inputs import Inputs
from thorax.report.markup import Section, render
from thorax.report.pictures import LARGEST, Picture, data_uri, overlay


def section(inputs: Inputs) -> Section:
    """Grad-CAM of the surest image that shows each class, beside the image itself."""
    body = render(
        "explanations.html",
        pairs=pairs(inputs),
        layer=inputs.gradcam.layer,
        part=wording.part_name(inputs.headline).lower(),
        folds=len(inputs.models),
    )
    return Section("explanations", "What it looks at", body)


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
