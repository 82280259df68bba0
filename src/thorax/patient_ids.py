"""Who is one patient, inferred from file names by the rules of data sets that have one.

Pure functions of text. A rule gives an empty text for a name that does not fit it.
"""

import re
from collections.abc import Callable, Iterable

AS_LISTED = "as listed"
FITS = 0.9  # fraction of the names that must fit a rule before it is taken for this data set's

_PNEUMONIA = re.compile(r"person(\d+)_(bacteria|virus)_\d+(?:_\d+)?\.\w+", re.IGNORECASE)
_NORMAL = re.compile(r"(NORMAL2-)?IM-(\d+)-\d+(?:-\d+)?\.\w+", re.IGNORECASE)
_VERSION_3 = re.compile(r"(NORMAL|BACTERIA|VIRUS)-(\d+)-\d+\.\w+", re.IGNORECASE)
_NIH = re.compile(r"(\d{8})_\d{3}.*")


def kermany_patient(name: str, subset: str, rule: str) -> str:
    """Patient of a file of Kermany's data set.

    Args:
        name: such as `person12_virus_34.jpeg`, `NORMAL2-IM-0115-0001.jpeg`, `VIRUS-12-1.jpeg`.
        subset: `trainval`, `test` or empty; the numbers of versions 1 and 2 start again in the test
            folder, so it belongs to the identity. Version 3 numbers whole patients.
        rule: `conservative` (same number, same patient) or `namespaced` (prefix and type count).
    """
    apart = rule == "namespaced"
    prefix = f"{subset}-" if subset else ""
    if match := _PNEUMONIA.fullmatch(name):
        kind = f"-{match[2].lower()}" if apart else ""
        return f"{prefix}person-{int(match[1])}{kind}"
    if match := _NORMAL.fullmatch(name):
        kind = (match[1] or "").upper() if apart else ""
        return f"{prefix}{kind}IM-{int(match[2])}"
    if match := _VERSION_3.fullmatch(name):
        return f"{match[1].upper()}-{int(match[2])}" if apart else f"patient-{int(match[2])}"
    return ""


def nih_patient(name: str) -> str:
    """Patient of a file of ChestX-ray14, such as `00000001_000.png`."""
    match = _NIH.fullmatch(name)
    return match[1] if match else ""


RULES: dict[str, Callable[[str], str]] = {
    "conservative": lambda name: kermany_patient(name, "", "conservative"),
    "namespaced": lambda name: kermany_patient(name, "", "namespaced"),
    "NIH": nih_patient,
}


def patients_by_rule(paths: Iterable[str], listed: list[str] | None = None) -> dict[str, list[str]]:
    """Patient of each file under every rule that fits these names.

    Args:
        paths: of the files; a member of an archive stands behind a `!`.
        listed: patients as a manifest names them; counts first.
    """
    names = [re.split("[/!]", path)[-1] for path in paths]
    rules = {AS_LISTED: listed} if listed is not None else {}
    for rule, patient_of in RULES.items():
        patients = [patient_of(name) for name in names]
        if names and sum(map(bool, patients)) >= FITS * len(names):
            rules[rule] = patients
    return rules
