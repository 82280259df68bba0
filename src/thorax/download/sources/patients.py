"""Who is one patient where no table says so: by a rule that fits the file names, or unknown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from thorax.config import Data
from thorax.download.sources.tables import listed
from thorax.patient_ids import apply_rule, fitting_rules, likely_pattern, patient_by


@dataclass(frozen=True)
class Inferred:
    """Patient of each image; one whose name says nothing counts as a patient of its own.

    Attributes:
        patients: of each image.
        rule: key of `patient_ids.RULES`, `pattern` (`data.patient_pattern`), or `none`.
        unnamed: images whose name the rule cannot read.
        notes: for a reader of the results.
        problems: what the user has to correct.
    """

    patients: list[str]
    rule: str
    unnamed: list[str]
    notes: list[str]
    problems: list[str]


def infer_patients(image_ids: Sequence[str], subsets: Sequence[str], data: Data) -> Inferred:
    """Ask the file names, as `data.patient_pattern` or `data.patient_id` says.

    Args:
        image_ids: paths that end with the file's name.
        subsets: official split of each, `trainval`, `test` or empty.
        data: `patient_id` is `auto` (the first rule that fits), a rule, or `none`.
    """
    if data.patient_pattern is not None:
        return _by_pattern(image_ids, data.patient_pattern)
    fitting = fitting_rules(image_ids, subsets)
    rule = next(iter(fitting), "none") if data.patient_id == "auto" else data.patient_id
    if rule == "none":
        refused = f", though these rules fit: {listed(fitting)}" if fitting else ""
        note = f"Nothing identifies patients: every image counts as one of its own{refused}."
        proposed = [] if fitting else _proposed(image_ids)
        return Inferred([*image_ids], rule, [], [note, *proposed], [])
    named = apply_rule(rule, image_ids, subsets)
    unnamed = [name for name, patient in zip(image_ids, named, strict=True) if not patient]
    patients = [patient or name for name, patient in zip(image_ids, named, strict=True)]
    notes, problems = [f"Patients inferred from file names by the rule `{rule}`."], []
    cannot = f"{len(unnamed):,} file names say no patient by it"
    if unnamed and rule in fitting:
        notes.append(f"{cannot}, so that each counts as one of its own: {listed(unnamed)}")
    elif unnamed:
        problems.append(f"data.patient_id is {rule}, but {cannot}: {listed(unnamed)}. Set auto.")
    return Inferred(patients, rule, unnamed, notes, problems)


def _by_pattern(image_ids: Sequence[str], pattern: str) -> Inferred:
    patients = [patient_by(pattern, name) for name in image_ids]
    unnamed = [name for name, patient in zip(image_ids, patients, strict=True) if not patient]
    problems = []
    if unnamed:
        problems.append(
            f"data.patient_pattern, {pattern!r}, finds no patient in {len(unnamed):,} names: "
            f"{listed(unnamed)}. Correct it."
        )
        patients = [patient or name for name, patient in zip(image_ids, patients, strict=True)]
    note = f"Patients inferred from file names by data.patient_pattern, {pattern!r}."
    return Inferred(patients, "pattern", [], [note], problems)


def _proposed(image_ids: Sequence[str]) -> list[str]:
    """A note on parts that file names share, if they do."""
    pattern = likely_pattern(image_ids)
    if pattern is None:
        return []
    names = Counter(patient_by(pattern, name) for name in image_ids)
    ((name, count),) = names.most_common(1)
    return [
        f"File names share parts ({name} stands in {count:,}): {len(names):,} groups. If these are "
        f"the patients, set data.patient_pattern: '{pattern}'."
    ]
