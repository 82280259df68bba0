"""Explanations: where the evidence for a class lies, and whether it is a shortcut."""

from thorax.artifacts import Estimate
from thorax.artifacts.explanation import ClassLocalization, ClassOcclusion
from thorax.report import wording
from thorax.report.components import Cell, Row, Section, Table, class_table, render
from thorax.report.inputs import Inputs
from thorax.report.thumbnails import Picture, data_uri, overlay

OCCLUSIONS = {
    "corners": "corners occluded",
    "lungs": "lungs occluded",
    "all_but_lungs": "all but the lungs occluded",
}


def section(inputs: Inputs) -> Section:
    tested = inputs.occlusion.images > 0
    body = render(
        "explanations.html",
        inputs=inputs,
        subset=wording.in_sentence(wording.subset_name(inputs.headline)),
        folds=len(inputs.models),
        pairs=pairs(inputs),
        localization=localization_table(inputs) if inputs.localization.classes else None,
        cascade=cascade_table(inputs),
        occlusion=occlusion_table(inputs) if tested else None,
        swap=swap_table(inputs) if tested else None,
        occluded=[
            Picture(data_uri(image), f"A radiograph, {words}", words)
            for name, image in inputs.occluded.items()
            for words in [OCCLUSIONS.get(name, name)]
        ],
        limit=f"{inputs.localization.settings.shortcut_drop:g}",
    )
    return Section("explanations", "Explanations", body)


def pairs(inputs: Inputs) -> list[tuple[str, str, list[Picture]]]:
    """Class, probability, and the image without and with its map."""
    table = inputs.predictions[inputs.headline].set_index("image_id")
    rows = {image_id: row for row, image_id in enumerate(inputs.table["image_id"])}
    cam, shown = inputs.gradcam, []
    for image_id, name, evidence in zip(cam.image_ids, cam.outputs, cam.maps, strict=True):
        image = inputs.images[rows[image_id]]
        marked = f"Radiograph {image_id} with the evidence for {name} in orange"
        caption = "evidence" if evidence.any() else "no evidence"
        pictures = [
            Picture(data_uri(image), f"Radiograph {image_id}", image_id),
            Picture(data_uri(overlay(image, evidence)), marked, caption),
        ]
        probability = float(table[f"p_{name}"].loc[image_id])
        shown.append((str(name), wording.threshold(probability), pictures))
    return shown


def localization_table(inputs: Inputs) -> Table:
    """Pointing game and IoU per class beside random weights and chance level."""

    def cells(record: ClassLocalization) -> list[Cell]:
        model, random = record.model, record.random
        area = wording.decimal(model.area)
        return [
            wording.count(model.images),
            *(model.pointing, Estimate(value=random.pointing.value), area),
            *(model.iou, Estimate(value=random.iou.value), area),
        ]

    columns = ["Images", "Pointing game", "Random weights", "Random point", "IoU", "Random weights",
               "Whole image"]  # fmt: skip
    classes = {name: cells(record) for name, record in inputs.localization.classes.items()}
    caption = "Grad-CAM against outlines and boxes"
    return class_table(caption, columns, classes, inputs.localization.n_bootstrap)


def cascade_table(inputs: Inputs) -> Table:
    """Similarity of a map to the model's own as more layers are re-initialized."""
    rows = [
        Row(step.layers, [Estimate(value=step.similarity, reason="all maps are flat")])
        for step in inputs.localization.cascade
    ]
    return Table("Cascading randomization", ["Re-initialized", "Rank correlation"], rows)


def occlusion_table(inputs: Inputs) -> Table:
    """AUROC as it is, and with each part occluded with its drop."""

    def cells(record: ClassOcclusion) -> list[Cell]:
        if not record.occluded:
            return [Estimate(value=None, reason=record.reason)] * (1 + 2 * len(OCCLUSIONS))
        drops = [record.occluded[part] for part in OCCLUSIONS]
        pairs = [cell for drop in drops for cell in (wording.decimal(drop.after), drop.drop)]
        return [wording.decimal(drops[0].before), *pairs]

    columns = ["As it is"]
    for words in OCCLUSIONS.values():
        columns += [words.capitalize(), f"Drop, {words.removesuffix(' occluded')}"]
    classes = {name: cells(record) for name, record in inputs.occlusion.classes.items()}
    caption = "AUROC with a part of the image occluded"
    return class_table(caption, columns, classes, inputs.occlusion.n_bootstrap)


def swap_table(inputs: Inputs) -> Table:
    """AUROC with corners of same-label and of different-label images, and the verdict."""

    def cells(name: str, record: ClassOcclusion) -> list[Cell]:
        drop = record.swapped
        if drop is None:
            return [Estimate(value=None, reason=record.reason)] * 5
        verdict = "shortcut" if name in inputs.occlusion.shortcuts else "none seen"
        values = [wording.decimal(x) for x in (drop.before, drop.after)]
        return [*values, drop.drop, wording.decimal(drop.score_change), verdict]

    columns = ["Same label", "Different label", "Drop", "Mean change of score", "Verdict"]
    classes = {name: cells(name, record) for name, record in inputs.occlusion.classes.items()}
    caption = "AUROC with corners of other images"
    return class_table(caption, columns, classes, inputs.occlusion.n_bootstrap)
