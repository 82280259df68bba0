"""Who is one patient where no table says so: by a rule that fits the file names, or unknown."""

from collections.abc import Sequence
from dataclasses import dataclass

from thorax.download.sources.tables import listed
from thorax.patient_ids import apply_rule, fitting_rules


@dataclass(frozen=True)
class Inferred:
    """Patient of each image; one whose name says nothing counts as a patient of its own.

    Attributes:
        patients: of each image.
        rule: key of `patient_ids.RULES`, or `none`.
        unnamed: images whose name the rule cannot read.
        notes: for a reader of the results.
        problems: what the user has to correct.
    """

    patients: list[str]
    rule: str
    unnamed: list[str]
    notes: list[str]
    problems: list[str]


def infer_patients(image_ids: Sequence[str], subsets: Sequence[str], setting: str) -> Inferred:
    """Ask the file names, as `data.patient_id` says.

    Args:
        image_ids: paths that end with the file's name.
        subsets: official split of each, `trainval`, `test` or empty.
        setting: `auto` (the first rule that fits), a rule, or `none`.
    """
    fitting = fitting_rules(image_ids, subsets)
    rule = next(iter(fitting), "none") if setting == "auto" else setting
    if rule == "none":
        refused = f", though these rules fit: {listed(fitting)}" if fitting else ""
        note = f"Nothing identifies patients: every image counts as one of its own{refused}."
        return Inferred([*image_ids], rule, [], [note], [])
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
