"""What the headers of DICOM files tell a source: patients, view, sex, age, vendor."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from thorax.config import Data
from thorax.download.sources.patients import Inferred, infer_patients
from thorax.download.sources.tables import listed
from thorax.survey import Survey

HEADERS = "headers"  # the patient rule that asks them
COLUMNS = {
    "view": "ViewPosition", "sex": "PatientSex", "age": "PatientAge", "vendor": "Manufacturer",
}  # fmt: skip
TOO_MANY = 10  # images from which on a number that most of them share is no patient's
_REMEDY = (
    "Set data.patient_pattern to a regular expression that finds the patient in the path of a "
    "file, describe them by a table with a column of patients (data.source: table), or set "
    "data.patient_id: none, which takes every image for a patient of its own and marks every "
    "number (a card must then name no patient)."
)


def values(survey: Survey, locations: "pd.Series[str]", keyword: str) -> list[str]:
    """What the headers of these images say; empty for other kinds of images."""
    films = (survey.films.get(location) for location in locations)
    return [film.value(keyword) if film else "" for film in films]


def patients(table: pd.DataFrame, survey: Survey, data: Data) -> Inferred:
    """Patients of a list with `image_id`, `location`, `official_split`: of DICOM by the headers.

    Other images, and all of them where the settings name a rule, go by their names.
    """
    film = table["location"].isin(list(survey.films))
    if not film.any() or data.patient_id != "auto" or data.patient_pattern is not None:
        return infer_patients(table["image_id"].tolist(), table["official_split"].tolist(), data)
    names = pd.Series(values(survey, table["location"], "PatientID"), table.index)
    problems = patient_problems(names[film], survey, table["location"][film])
    notes = ["Patients by the Patient ID of DICOM headers, as keyed pseudonyms."]
    others = table[~film]
    if others.empty:
        return Inferred(names.tolist(), HEADERS, [], notes, problems)
    rest = infer_patients(others["image_id"].tolist(), others["official_split"].tolist(), data)
    names = pd.concat([names[film], pd.Series(rest.patients, others.index)])[table.index]
    return Inferred(
        names.tolist(), rest.rule, rest.unnamed, notes + rest.notes, problems + rest.problems
    )


def patient_problems(
    names: "pd.Series[str]", survey: Survey, locations: "pd.Series[str]"
) -> list[str]:
    """What is wrong with the patients that headers name: none, or one name for several persons."""
    problems = []
    if blank := int((names == "").sum()):
        problems.append(
            f"{blank:,} of {len(names):,} DICOM files name no patient: Patient ID is blank or a "
            f"word for nobody. {_REMEDY}"
        )
    known = names[names != ""]
    sexes = pd.Series(values(survey, locations, "PatientSex"), names.index)
    known_sexes = sexes[sexes.isin(["F", "M"])].groupby(names).nunique()
    counts = known.value_counts()
    constant = {name for name in counts.index if known_sexes.get(name, 0) > 1}
    constant |= set(counts.index[(counts >= TOO_MANY) & (counts > len(names) / 2)])
    if constant:
        problems.append(
            f"{int(counts[list(constant)].sum()):,} of {len(names):,} DICOM files share "
            f"{len(constant):,} Patient ID{'s' * (len(constant) > 1)} that cannot be one person's "
            f"(both sexes, or most of the images). {_REMEDY}"
        )
    return problems


def notes(survey: Survey) -> Iterator[str]:
    """What a reader should know of the DICOM files: which are set aside, and what headers admit."""
    if survey.aside:
        counts = Counter(survey.aside.values())
        reasons = listed(f"{count:,} {reason}" for reason, count in counts.most_common())
        examples = " and ".join(list(survey.aside)[:2])
        yield f"{len(survey.aside):,} DICOM files set aside: {reasons} (such as {examples})."
    used = [film for location, film in survey.films.items() if location in survey.images]
    if burnt := sum(film.burnt_in for film in used):
        yield f"{burnt:,} DICOM headers say that letters are burnt into the picture."
    if strange := sum(film.strange_part for film in used):
        yield f"{strange:,} DICOM headers name a part of the body that may not be the chest."
    if survey.hiding:
        yield (
            f"{len(survey.hiding):,} names of folders and files tell who a patient is; keyed "
            "pseudonyms stand for them."
        )
