"""One self-contained page that tells a clinician and an engineer what came out of a run.

`inputs` reads what the stages wrote, and each section module turns that into one `Section`. A new
section is a module, a template and a line in `SECTIONS`.
"""

import os
from pathlib import Path

import vl_convert

from thorax.artifacts.headline import SUMMARY_FOLLOWS, doubts, headline
from thorax.config import Paths, Report
from thorax.dataset import Dataset
from thorax.errors import marked
from thorax.io import main_root, write_text
from thorax.report import wording
from thorax.report.components import environment, source
from thorax.report.inputs import Inputs, Run, gather, gather_external
from thorax.report.model_card import model_card
from thorax.report.sections import (
    calibration,
    data,
    examples,
    explanations,
    gallery,
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
    performance.section,
    calibration.section,
    subgroups.section,
    explanations.section,
    examples.section,
    gallery.section,
    training.section,
    reproduction.section,
)
SCRIPTS = ("page.js", "zoom.js", "gallery.js")
VEGA = Path(".dvc/tmp/vega.js")  # `.dvc/plots/page.html` looks for it there
EXTERNAL = (
    summary.section,
    data.section,
    performance.section,
    calibration.section,
    subgroups.section,
    examples.section,
    gallery.section,
    training.section,
    reproduction.section,
)
WITHOUT_METRICS = ("data", "split", "reproduction")  # the others are marked if the split is leaky


def report(options: Report, paths: Paths) -> None:
    """Write the page and the model card, and once the script that draws `dvc plots` offline.

    Raises:
        DataError: one of their files is missing or broken.
        IntegrityError: they do not belong to the same run.
    """
    inputs = gather(options, paths)
    text = page(inputs)
    write_text(Path(paths.report), text)
    write_text(Path(paths.model_card), model_card(inputs))
    if not (main_root() / VEGA).exists():
        write_text(main_root() / VEGA, vl_convert.javascript_bundle())  # type: ignore[call-arg]
    if SUMMARY_FOLLOWS in os.environ:
        return
    shown = {inputs.subset_name(name): inputs.results.subset(name) for name in inputs.subsets}
    print(headline(shown), *map(marked, doubts(inputs.results)), sep="\n")
    size = f"{len(text.encode()) / 1e6:.1f} MB, opens in any browser, offline"
    print(f"Report: {Path(paths.report).absolute()} ({size})")


def external_report(options: Report, paths: Paths, dataset: Dataset) -> None:
    """Write the page of a bundle on other data: the sections that need nothing of its training."""
    write_text(Path(paths.report), page(gather_external(options, paths, dataset)))


def page(inputs: Inputs) -> str:
    """The page's HTML; the same inputs give the same bytes."""
    if isinstance(inputs, Run):
        sections = [make(inputs) for make in SECTIONS]
    else:
        sections = [make(inputs) for make in EXTERNAL]
    leaky = [s.anchor for s in sections if s.anchor not in WITHOUT_METRICS]
    dataset = inputs.dataset
    template = environment().get_template("page.html")
    return template.render(
        title=dataset.title,
        eyebrow="thorax external evaluation" if inputs.bundle else "thorax report",
        sections=sections,
        leaky_sections=leaky if inputs.results.leaky else [],
        meta=meta(inputs),
        footer=[f"{dataset.citation} License of the data: {dataset.license.rstrip('.')}."],
        style=source("page.css"),
        scripts=[source(name) for name in SCRIPTS],
    )


def meta(inputs: Inputs) -> list[tuple[str, str]]:
    """What stands under the title: (what, value)."""
    size, folds = inputs.model.preprocess.image_size, len(inputs.models)
    names = inputs.model.outputs if inputs.bundle else inputs.dataset.classes
    classes = wording.plural(len(names), "class", "classes")
    return [
        ("Task", f"{inputs.dataset.task}, {classes}"),
        ("Model", inputs.model.model.name + (f" × {folds} folds" if folds > 1 else "")),
        ("Weights", f"{next(iter(inputs.weights.values())):,}, {inputs.bytes / 1e6:.1f} MB"),
        ("Input", f"{size} × {size} px, gray"),
        ("Split", split.method(inputs)[0])
        if isinstance(inputs, Run)
        else ("Bundle", inputs.bundle),
        ("Evaluated on", wording.in_sentence(inputs.subset_name(inputs.headline))),
    ]
