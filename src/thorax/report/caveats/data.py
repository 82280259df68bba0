"""What a reader must know of the data, the split and the test set."""

from collections.abc import Iterator

from thorax.report import wording
from thorax.report.components import Caveat
from thorax.report.inputs import Inputs, Run


def leaks(inputs: Run) -> Iterator[Caveat]:
    """Patients or images in two subsets."""
    if inputs.results.leaky:
        groups = wording.plural(inputs.split.split_groups, "group")
        by_image = inputs.split.settings.method in ("random", "official-random")
        how = "Images, not patients, were assigned to subsets. " if by_image else ""
        yield Caveat(
            "stop",
            "Leaky split: do not quote these numbers",
            f"{how}{groups} of images that belong together appear in two subsets. A model that is"
            " evaluated on patients it was trained on looks better than it is. Set split.method to"
            " patient.",
        )


def contaminated(inputs: Inputs) -> Iterator[Caveat]:
    """A model trained on its test set."""
    if inputs.results.contaminated:
        yield Caveat(
            "stop",
            "Trained on the test set: do not quote these numbers",
            "A model was trained on patients or images that are in the test set.",
        )


def patients(inputs: Inputs) -> Iterator[Caveat]:
    """Nobody knows who the patients are."""
    if not inputs.dataset.patients_unknown:
        return
    run = isinstance(inputs, Run)
    refused = {
        f"{wording.plural(count, 'image')} of {pair.b} by the rule {rule}, shared with {pair.a}"
        for pair in (inputs.leakage.overlaps if isinstance(inputs, Run) else [])
        for rule, count in pair.shared_patients.by_rule.items()
        if count
    }
    names = (
        " The file names tell patients, but data.patient_id: none refuses to read them."
        if refused
        else " Use a table that names them, or file names that do."
    )
    yield Caveat(
        "stop" if refused else "care",
        "Patients unknown",
        "Every image counts as a patient of its own: where a patient has several, intervals are"
        f" too narrow{', and metrics too high if they are in training and test' if run else ''}."
        f"{names}",
        sorted(refused),
    )


def synthetic(inputs: Inputs) -> Iterator[Caveat]:
    """Phantoms."""
    if inputs.dataset.source != "phantom":
        return
    phantom = inputs.dataset.data.phantom
    planted = (
        f" A corner marker was correlated with {phantom.marker_label}"
        f" ({phantom.marker_correlation:g}) on purpose: a shortcut."
        if phantom.marker_correlation
        else ""
    )
    yield Caveat(
        "care",
        "Synthetic images",
        "These radiographs were rendered by a program. The numbers test the pipeline and say"
        f" nothing about patients.{planted}",
    )


def test_set(inputs: Run) -> Iterator[Caveat]:
    """There is none, or not the official one."""
    official = inputs.dataset.counts.official_test
    if "test" not in inputs.subsets:
        yield Caveat(
            "care",
            "No test set",
            "All metrics are of validation images, on which the epoch and the thresholds were"
            " chosen. Expect less on new patients.",
        )
    elif not official:
        yield Caveat(
            "note",
            "No official test set",
            "The data set has none; this run drew its own. Compare only with runs on the same"
            " split.",
        )
    elif not inputs.split.settings.method.startswith("official"):
        yield Caveat(
            "note",
            "Not the official test set",
            f"The data set has an official test set of {official:,} images; this run drew its own."
            " The metrics cannot be compared with studies on the official one.",
        )


def looks(inputs: Run) -> Iterator[Caveat]:
    """Other runs have seen it."""
    if "test" in inputs.subsets and inputs.looks > 1:
        yield Caveat(
            "note",
            f"{inputs.looks:,} runs have seen the test set",
            "If this model was chosen among them by its test metrics, these are too high; if by"
            " validation (thorax compare), they are not.",
        )


def quarantine(inputs: Inputs) -> Iterator[Caveat]:
    """Images that nobody could read."""
    unreadable = inputs.quarantine
    if len(unreadable):
        yield Caveat(
            "care",
            "Unreadable images",
            f"{wording.plural(len(unreadable), 'image')} could not be read and are in no subset.",
            [f"{row.image_id}: {row.reason}" for row in unreadable.itertuples()],
        )


def polarity(inputs: Inputs) -> Iterator[Caveat]:
    """DICOM images that may be negatives."""
    against = inputs.table["polarity"]
    counts = {what: int(against.str.contains(what).sum()) for what in ("header", "picture")}
    said = {
        "header": "state two polarities in their header",
        "picture": "look like negatives: the mediastinum is darker than the lungs",
    }
    items = [f"{wording.plural(n, 'image')} {said[what]}." for what, n in counts.items() if n]
    if items:
        yield Caveat("care", "Polarity in doubt", "Look at some of these DICOM images.", items)


def near_identical(inputs: Run) -> Iterator[Caveat]:
    """Near-identical images."""
    split, whose = inputs.split, " of different patients"
    together = "Their patients were kept in one subset."
    if inputs.dataset.patients_unknown:
        whose, together = "", "They were kept in one subset."
    if split.near_identical_pairs and not inputs.results.leaky:
        yield Caveat(
            "note",
            "Near-identical images",
            f"{wording.plural(split.near_identical_pairs, 'pair')} of images{whose} look the same"
            f" ({split.identical_images:,} images are byte-identical). {together}",
        )


def noted(inputs: Inputs) -> Iterator[Caveat]:
    """What reading the data noted."""
    if inputs.dataset.notes:
        noted = list(inputs.dataset.notes)
        yield Caveat("note", "About the data", "Noted while the data set was read:", noted)
