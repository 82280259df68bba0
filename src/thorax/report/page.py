"""The page: sections in their order inside one file that asks nobody for anything."""

from pathlib import Path

from thorax.config import Paths, Report
from thorax.io import write_text
from thorax.report import wording
from thorax.report.components import environment, source
from thorax.report.inputs import Inputs, gather
from thorax.report.model_card import model_card
from thorax.report.sections import (
    calibration,
    checklists,
    data,
    examples,
    explanations,
    explorer,
    leakage,
    performance,
    reproduction,
    split,
    subgroups,
    summary,
    training,
)

SECTIONS = (
    summary.section,
    data.section,
    split.section,
    leakage.section,
    performance.section,
    calibration.section,
    explorer.section,
    subgroups.section,
    explanations.section,
    examples.section,
    training.section,
    reproduction.section,
    checklists.section,
)
# Their numbers come from a leaky split where there is one, and are marked.
LEAKY_SECTIONS = (
    "summary", "performance", "calibration", "explorer", "subgroups", "explanations", "examples",
    "training",
)  # fmt: skip


def report(options: Report, paths: Paths) -> None:
    """Write the page and the model card from what the earlier stages wrote.

    Raises:
        DataError: one of their files is missing or broken.
        IntegrityError: they do not belong to the same run.
    """
    inputs = gather(options, paths)
    text = page(inputs)
    write_text(Path(paths.report), text)
    write_text(Path(paths.model_card), model_card(inputs))
    print(f"{paths.report}: {len(text.encode()) / 1e6:.1f} MB, opens in any browser, offline.")


def page(inputs: Inputs) -> str:
    """The page's HTML; the same inputs give the same bytes."""
    sections = [make(inputs) for make in SECTIONS]
    template = environment().get_template("page.html")
    return template.render(
        title=inputs.dataset["title"],
        eyebrow="thorax report",
        sections=sections,
        leaky_sections=LEAKY_SECTIONS if inputs.leaky else (),
        meta=meta(inputs),
        footer=[f"{inputs.dataset['citation']} Licence of the data: {inputs.dataset['licence']}."],
        style=source("page.css"),
        script=source("page.js"),
    )


def meta(inputs: Inputs) -> list[tuple[str, str]]:
    """What stands under the title: (what, value)."""
    model = inputs.first_model
    size = model["preprocess"]["image_size"]
    methods = {"patient": "by patient", "official": "official", "random": "by image, leaky"}
    folds = len(inputs.models)
    return [
        (
            "Task",
            f"{inputs.dataset['task']}, {wording.plural(len(inputs.classes), 'class', 'classes')}",
        ),
        ("Model", model["model"]["name"] + (f" × {folds} folds" if folds > 1 else "")),
        ("Input", f"{size} × {size} px, gray"),
        ("Split", methods[inputs.split["method"]]),
        ("Judged on", wording.part_name(inputs.headline, folds).lower()),
    ]
