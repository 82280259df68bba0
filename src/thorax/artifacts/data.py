"""What download and split say about the data beside their tables."""

from typing import Literal

from thorax.artifacts import Artifact, Record
from thorax.config import Data, Split

Task = Literal["multi-label", "binary", "multi-class"]


class LabelCounts(Record):
    """Images of one class by what is known of its label."""

    present: int
    absent: int
    unknown: int


class DatasetCounts(Record):
    """Images and patients of the manifest, and how many stand in the publisher's own split."""

    images: int
    patients: int
    official_trainval: int
    official_test: int
    classes: dict[str, LabelCounts]


class DatasetInfo(Artifact):
    """`data/dataset.json`: what the manifest is of.

    Attributes:
        source: as `data.source`.
        title, citation, license: of the data set.
        patient_namespace: within which a patient's identifier means one person.
        patient_rule: who says who a patient is: `listed` (the data set), `headers` (of its DICOM
            files, as keyed pseudonyms), a rule on file names (key of `patient_ids.RULES`, or
            `pattern`), or `none` (every image counts as a patient of its own).
        task: key of `tasks.TASKS`.
        positive: the class that a binary task's single output stands for.
        classes: in the order of the manifest's columns.
        root: `path` (images lie at `data.path`) or `raw` (in the raw store).
        store: name within the raw store, where the images lie there.
        data: the settings it was made with.
        counts: of the manifest.
        notes: what reading the data set noted.
    """

    source: str
    title: str
    citation: str
    license: str
    patient_namespace: str
    patient_rule: str
    task: Task
    positive: str | None
    classes: list[str]
    root: Literal["path", "raw"]
    store: str | None
    data: Data
    counts: DatasetCounts
    notes: list[str]

    @property
    def exclusive(self) -> bool:
        """Whether exactly one class is true of an image, and the most likely one is predicted."""
        return self.task == "multi-class"

    @property
    def patients_unknown(self) -> bool:
        """Whether images of one patient may be in two subsets without anybody noticing."""
        return self.patient_rule == "none"


class SubsetCounts(Record):
    """Images, patients and images per class of one subset."""

    images: int
    patients: int
    classes: dict[str, int]


class SplitSummary(Artifact):
    """`data/split_summary.json`: who is trained on, validated on and tested on, in numbers.

    Attributes:
        settings: the section `split` it was made with.
        leaky: groups of images that belong together appear in two subsets.
        split_groups: how many such groups.
        identical_images: images that are byte-identical to another one.
        near_identical_pairs: pairs of different patients that look the same.
        subsets: train, val, test or fold_<k> → counts.
    """

    settings: Split
    leaky: bool
    split_groups: int
    identical_images: int
    near_identical_pairs: int
    subsets: dict[str, SubsetCounts]


class Shared(Record):
    """Images of subset b that have a counterpart in a, and example pairs of image ids [a, b]."""

    images: int
    examples: list[tuple[str, str]]


class SharedPatients(Shared):
    """The same for patients: how many, and images concerned by every patient-ID rule that fits."""

    patients: int
    by_rule: dict[str, int]


class Overlap(Record):
    """What subset b shares with subset a; `images` counts those of a and of b."""

    a: str
    b: str
    images: tuple[int, int]
    shared_patients: SharedPatients
    identical: Shared
    near_identical: Shared
    same_name: Shared


class LeakageAudit(Artifact):
    """`data/leakage.json`: every two subsets that must not meet, compared."""

    on_leak: Literal["fail", "warn"]
    overlaps: list[Overlap]
