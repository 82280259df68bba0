"""What a reader should worry about before believing a number: split, data, and what follows."""

from collections.abc import Iterator

from thorax.report import wording
from thorax.report.components import Caution
from thorax.report.doubts import doubts
from thorax.report.inputs import Inputs


def cautions(inputs: Inputs) -> list[Caution]:
    """All worries, the gravest first."""
    sources = (_leaks, _synthetic, _test_part, _folds, doubts, _bad_images, _data)
    found = [caution for source in sources for caution in source(inputs)]
    return sorted(found, key=lambda caution: ("stop", "care", "note").index(caution.level))


def _leaks(inputs: Inputs) -> Iterator[Caution]:
    split = inputs.split
    if not inputs.leaky:
        return
    how = "Images, not patients, were dealt out. " if split["method"] == "random" else ""
    sides = wording.plural(
        split["groups_on_two_sides"],
        "group of images that belong together stands on two sides",
        "groups of images that belong together stand on two sides",
    )
    yield Caution(
        "stop",
        "Leaky split: do not quote these numbers",
        f"{how}{sides}. A model that is judged on patients it was trained on looks better than it"
        " is. Set split.method to patient.",
    )


def _synthetic(inputs: Inputs) -> Iterator[Caution]:
    if inputs.dataset["source"] != "phantom":
        return
    data = inputs.dataset["data"]
    marker = data["phantom_marker_correlation"]
    planted = (
        f" A marker in the corner was made to go with {data['phantom_marker_label']}"
        f" (correlation {marker:g}): a shortcut, on purpose."
        if marker
        else ""
    )
    yield Caution(
        "care",
        "Synthetic images",
        "These radiographs were drawn by a program. The numbers test the pipeline and say nothing"
        f" about patients.{planted}",
    )


def _test_part(inputs: Inputs) -> Iterator[Caution]:
    counts = inputs.dataset["counts"]
    if "test" not in inputs.parts:
        yield Caution(
            "care",
            "No test part",
            "All numbers come from validation images, on which the epoch and the thresholds were"
            " chosen. Expect less on new patients.",
        )
    elif inputs.split["method"] != "official" and counts["official_test"]:
        yield Caution(
            "note",
            "Not the publisher's test list",
            f"The data set brings an official test list of {counts['official_test']:,} images; this"
            " run drew its own. The numbers cannot be compared with studies on that list.",
        )
    elif not counts["official_test"]:
        yield Caution(
            "note",
            "No official test list",
            "The data set brings none; the test part was drawn by this run. Compare only with runs"
            " on the same split.",
        )


def _folds(inputs: Inputs) -> Iterator[Caution]:
    all_folds = [part for part in inputs.split["parts"] if part.startswith("fold_")]
    if len(all_folds) > len(inputs.models):
        yield Caution(
            "care",
            "Not every fold was trained",
            f"{len(inputs.models)} of {len(all_folds)} folds have a model; images of the others are"
            " in no validation number.",
        )
    settings = [
        {key: model["training"][key] for key in ("model", "train", "augment")}
        for model in inputs.models.values()
    ]
    if any(other != settings[0] for other in settings):
        yield Caution(
            "care",
            "Folds were trained with different settings",
            "Their mean and deviation mix different experiments. Run dvc repro.",
        )


def _bad_images(inputs: Inputs) -> Iterator[Caution]:
    bad = inputs.quarantine
    if len(bad):
        yield Caution(
            "care",
            "Images set aside",
            f"{wording.plural(len(bad), 'image')} could not be read and are in no number.",
            [f"{row.image_id}: {row.reason}" for row in bad.itertuples()],
        )


def _data(inputs: Inputs) -> Iterator[Caution]:
    pairs, twins = inputs.split["near_identical_pairs"], inputs.split["identical_images"]
    if pairs and not inputs.leaky:
        yield Caution(
            "note",
            "Near-identical images",
            f"{wording.plural(pairs, 'pair')} of images look alike to the fingerprint"
            f" ({twins:,} images are byte-identical). Their patients were kept on one side.",
        )
    notes = list(inputs.dataset["notes"])
    if notes:
        yield Caution("note", "About the data", "What reading the data set noted:", notes)
