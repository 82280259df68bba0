"""Explanations: where the evidence for a class lies, and whether it is a shortcut."""

from thorax.artifacts import Estimate
from thorax.artifacts.evaluation import BaselineComparison
from thorax.artifacts.explanation import ClassLocalization, ClassOcclusion
from thorax.report import wording
from thorax.report.components import Cell, Row, Section, Table, class_table, render
from thorax.report.inputs import Run
from thorax.report.thumbnails import Picture, data_uri, overlay

OCCLUSIONS = {
    "corners": "corners occluded",
    "lungs": "lungs occluded",
    "all_but_lungs": "all but the lungs occluded",
}
LOCALIZATION = {"pointing": ("Pointing game", "Random point"), "iou": ("IoU", "Whole image")}


def section(inputs: Run) -> Section:
    tested = inputs.occlusion.images > 0
    body = render(
        "explanations.html",
        inputs=inputs,
        subset=wording.in_sentence(wording.subset_name(inputs.headline)),
        folds=len(inputs.models),
        pairs=pairs(inputs),
        localization=[localization_table(inputs, metric) for metric in LOCALIZATION]
        if inputs.localization.classes
        else [],
        cascade=cascade_table(inputs),
        occlusion=occlusion_table(inputs) if tested else None,
        swap=swap_table(inputs) if tested else None,
        occluded=[
            Picture(data_uri(image), f"A radiograph, {words}", words)
            for name, image in inputs.occluded.items()
            for words in [OCCLUSIONS.get(name, name)]
        ],
        baselines=baseline_table(inputs),
        columns=wording.listed(inputs.subgroups.metadata.columns),
        findings=findings(inputs),
        stress=stress_table(inputs),
        limit=f"{inputs.localization.settings.shortcut_drop:g}",
    )
    return Section("explanations", "Explanations", body)


def findings(inputs: Run) -> dict[str, str]:
    """What each test found, in a few words that stand even where it is folded."""
    found = {"shortcuts": wording.listed(inputs.occlusion.shortcuts) or "none seen"}
    means = {name.lower(): mean.baseline.value for name, (_, mean) in baselines_of(inputs).items()}
    aurocs = {"model": inputs.metrics.metrics["auroc"].value} | means
    known = {name: value for name, value in aurocs.items() if value is not None}
    texts = (f"{name} {wording.decimal(value)}" for name, value in known.items())
    found["baselines"] = f"AUROC of {wording.listed(texts)}" if known else "undefined"
    similar = [s for step in inputs.localization.cascade[-1:] for s in step.similarity.values()]
    defined = [value for value in similar if value is not None]
    found["cascade"] = "undefined"
    if defined:
        mean = wording.decimal(sum(defined) / len(defined))
        found["cascade"] = f"rank correlation {mean} once all layers are re-initialized"
    stressed = {test.change: test.metrics["auroc"].value for test in inputs.stress.tests}
    drops = {change: value for change, value in stressed.items() if value is not None}
    found["stress"] = "undefined"
    if drops:
        worst = min(drops, key=drops.__getitem__)
        found["stress"] = f"lowest AUROC {wording.decimal(drops[worst])}: {worst}"
    return found


def pairs(inputs: Run) -> list[tuple[str, str, list[Picture]]]:
    """Class, probability, and the image without and with its map."""
    table = inputs.predictions[inputs.headline].set_index("image_id")
    rows = {image_id: row for row, image_id in enumerate(inputs.table["image_id"])}
    cam, shown = inputs.gradcam, []
    for name in dict.fromkeys(cam.outputs.tolist()):
        first = int((cam.outputs == name).argmax())
        image_id, evidence = cam.image_ids[first], cam.maps[first]
        if table[f"y_{name}"].loc[image_id] != 1:
            continue
        image = inputs.images[rows[image_id]]
        marked = f"Radiograph {image_id} with the evidence for {name} in orange"
        caption = "evidence" if evidence.any() else "no evidence"
        pictures = [
            Picture(data_uri(image), f"Radiograph {image_id}", image_id),
            Picture(data_uri(overlay(image, evidence)), marked, caption),
        ]
        probability = float(table[f"p_{name}"].loc[image_id])
        shown.append((name, wording.threshold(probability), pictures))
    return shown


def localization_table(inputs: Run, metric: str) -> Table:
    """Grad-CAM by pointing game or IoU, beside the location prior, random weights and chance."""
    title, chance = LOCALIZATION[metric]

    def cells(record: ClassLocalization) -> list[Cell]:
        model, prior, difference, random = (
            getattr(score, metric)
            for score in (record.model, record.prior, record.difference, record.random)
        )
        return [
            wording.count(record.images),
            *(model, prior, difference),
            Estimate(value=random.value),
            wording.decimal(record.area),
        ]

    columns = ["Images", "Grad-CAM", "Location prior", "Difference", "Random weights",
               chance]  # fmt: skip
    classes = {name: cells(record) for name, record in inputs.localization.classes.items()}
    return class_table(title, columns, classes, inputs.localization.n_bootstrap)


def cascade_table(inputs: Run) -> Table:
    """Likeness of a map to the model's own as more layers are re-initialized."""

    def cells(similarity: dict[str, float | None], flat: float) -> list[Cell]:
        known = {name: value for name, value in similarity.items() if value is not None}
        if not known:
            return [Estimate(value=None, reason="the model's own maps are flat")] * 2 + ["–"]
        most = max(known, key=known.__getitem__)
        mean = sum(known.values()) / len(known)
        highest = f"{wording.decimal(known[most])} ({most})"
        return [wording.decimal(mean), highest, wording.percent(flat, 1)]

    rows = [Row(step.layers, cells(step.similarity, step.flat))
            for step in inputs.localization.cascade]  # fmt: skip
    columns = ["Re-initialized", "Rank correlation", "Highest of a class", "Flat maps"]
    return Table("Cascading randomization", columns, rows)


def baseline_table(inputs: Run) -> Table:
    """AUROC of each baseline beside the model's, by class and their mean."""
    baselines = baselines_of(inputs)
    columns = ["Model"]
    for name in baselines:
        columns += [name, f"Model minus {wording.in_sentence(name)}"]

    def cells(compared: list[BaselineComparison]) -> list[Cell]:
        pairs = [cell for each in compared for cell in (each.baseline, each.difference)]
        return [compared[-1].model, *pairs]

    classes = {
        name: cells([by_class[name] for by_class, _ in baselines.values()])
        for name in inputs.model.outputs
    }
    table = class_table("AUROC of baselines and of the model", columns, classes)
    if len(table.rows) > 1:
        table.rows.append(Row("Mean", cells([mean for _, mean in baselines.values()])))
    return table


def baselines_of(
    inputs: Run,
) -> dict[str, tuple[dict[str, BaselineComparison], BaselineComparison]]:
    """Baselines for a reader: by class, and their mean. Metadata only where any are known."""
    metadata = inputs.subgroups.metadata
    known = {"Metadata": (metadata.classes, metadata.mean)} if metadata.columns else {}
    return known | {
        name.capitalize(): (baseline.classes, baseline.mean)
        for name, baseline in inputs.baselines.baselines.items()
    }


def stress_table(inputs: Run) -> Table:
    """Metrics of the images as they are and under each change, the worst first."""
    rows = [
        Row(
            test.change.capitalize() or "As it is",
            [
                test.metrics["auroc"],
                *(test.metrics["sensitivity"], test.drops["sensitivity"]),
                *(test.metrics["specificity"], test.drops["specificity"]),
                test.metrics["accuracy"],
            ],
        )
        for test in [inputs.stress.unchanged, *inputs.stress.tests]
    ]
    columns = ["Images", "AUROC", "Sensitivity", "Drop of sensitivity", "Specificity",
               "Drop of specificity", "Accuracy"]  # fmt: skip
    caption = "Metrics at the frozen thresholds under stress"
    return Table(caption, columns, rows)


def occlusion_table(inputs: Run) -> Table:
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


def swap_table(inputs: Run) -> Table:
    """AUROC with corners of same-label and of different-label images, and the verdict."""

    def cells(name: str, record: ClassOcclusion) -> list[Cell]:
        drop = record.swapped
        if drop is None or record.pull is None:
            return [Estimate(value=None, reason=record.reason)] * 5
        verdict = "shortcut" if name in inputs.occlusion.shortcuts else "none seen"
        values = [wording.decimal(x) for x in (drop.before, drop.after)]
        return [*values, drop.drop, record.pull, verdict]

    columns = ["Same label", "Different label", "Drop", "Pull on the probability", "Verdict"]
    classes = {name: cells(name, record) for name, record in inputs.occlusion.classes.items()}
    caption = "AUROC with corners of other images"
    return class_table(caption, columns, classes, inputs.occlusion.n_bootstrap)
