"""What a reader should worry about before believing a number."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from thorax.report import wording
from thorax.report.inputs import Inputs

FEW_PATIENTS = 100  # under this an interval of AUROC is seldom narrower than 0.1
FEW_IMAGES = 30  # with or without a finding, in the part that is judged


@dataclass(frozen=True)
class Caution:
    """One worry.

    Attributes:
        level: `stop` (do not believe the numbers), `care` or `note`.
        title: it in a few words.
        text: it in a sentence or two.
        items: what it is about, one by one.
    """

    level: str
    title: str
    text: str
    items: list[str] = field(default_factory=list)


def cautions(inputs: Inputs) -> list[Caution]:
    """All worries, the gravest first."""
    sources = (_leaks, _synthetic, _test_part, _folds, _optimism, _few, _undefined, _training)
    found = [caution for source in (*sources, _bad_images, _data) for caution in source(inputs)]
    return sorted(found, key=lambda caution: ("stop", "care", "note").index(caution.level))


def _leaks(inputs: Inputs) -> Iterator[Caution]:
    split = inputs.split
    if not inputs.leaky:
        return
    how = "Images, not patients, were dealt out. " if split["method"] == "random" else ""
    sides = wording.plural(
        split["groups_on_two_sides"],
        "group of images that belong together stands",
        "groups of images that belong together stand",
    )
    yield Caution(
        "stop",
        "Leaky split: do not quote these numbers",
        f"{how}{sides} on two sides: the model was judged on patients that it was trained on, so"
        " every number here is too good. Set split.method to patient.",
    )


def _synthetic(inputs: Inputs) -> Iterator[Caution]:
    if inputs.dataset["source"] != "phantom":
        return
    marker = inputs.dataset["data"]["phantom_marker_correlation"]
    planted = (
        f" A marker in the corner was made to go with {inputs.dataset['data']['phantom_marker_label']}"
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
    settings = [_settings(model["training"]) for model in inputs.models.values()]
    if any(other != settings[0] for other in settings):
        yield Caution(
            "care",
            "Folds were trained with different settings",
            "Their mean and deviation mix different experiments. Run dvc repro.",
        )


def _settings(training: dict[str, object]) -> dict[str, object]:
    return {key: training[key] for key in ("model", "train", "augment")}


def _optimism(inputs: Inputs) -> Iterator[Caution]:
    if inputs.parts != ["test", "val"]:
        return
    test, val = inputs.metrics["test"]["auroc"], inputs.metrics["val"]
    if test is not None and val["auroc_low"] is not None and test < val["auroc_low"]:
        bounds = wording.interval(val["auroc_low"], val["auroc_high"])
        yield Caution(
            "care",
            "Worse on test than on validation",
            f"Test AUROC {wording.decimal(test)} lies below the interval of validation ({bounds})."
            " The epoch and the thresholds were chosen on validation: believe the test part.",
        )


def _few(inputs: Inputs) -> Iterator[Caution]:
    part = inputs.headline
    own = inputs.metrics[part]
    where = wording.part_name(part).lower()
    if own["patients"] < FEW_PATIENTS:
        yield Caution(
            "care",
            "Few patients",
            f"The {where} part has {wording.plural(own['patients'], 'patient')}. Differences inside"
            " the intervals are chance.",
        )
    rare = []
    for name, values in own["per_class"].items():
        present = values["positives"]
        absent = own["images"] - present - values["unknown"]
        if min(present, absent) < FEW_IMAGES:
            rare.append(f"{name}: {present:,} with, {absent:,} without")
    if rare:
        yield Caution(
            "care",
            "Few images of a class",
            f"Fewer than {FEW_IMAGES} images with or without the finding in the {where} part; one"
            " image more or less moves the number.",
            rare,
        )


def _undefined(inputs: Inputs) -> Iterator[Caution]:
    # An absent test part explains all of its own gaps.
    keys = [
        key for key in inputs.undefined if key.partition(".")[0] in ("threshold", *inputs.parts)
    ]
    if keys:
        folds = len(inputs.models)
        yield Caution(
            "care",
            "Undefined values",
            f"{wording.plural(len(keys), 'value')} cannot be computed and stay out of the means.",
            [f"{wording.undefined_name(key, folds)}: {inputs.undefined[key]}" for key in keys],
        )


def _training(inputs: Inputs) -> Iterator[Caution]:
    late = [str(fold) for fold, model in inputs.models.items() if _ended_at_best(model["training"])]
    if late:
        which = f" (fold {wording.listed(late)})" if len(inputs.models) > 1 else ""
        yield Caution(
            "note",
            "Training may have ended early",
            f"The last epoch allowed was the best one{which}: more train.epochs may do better.",
        )


def _ended_at_best(training: dict[str, object]) -> bool:
    history = training["history"]
    assert isinstance(history, list)
    return bool(history) and bool(history[-1]["best"])


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
