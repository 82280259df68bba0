"""Who is one patient, inferred from file names by the rules of data sets that have one.

Pure functions of text. A rule gives an empty text for a name that does not fit it.
"""

import re
from collections.abc import Callable, Iterable, Sequence

AS_LISTED = "as listed"
FITS = 0.9  # fraction of the names that must fit a rule before it is taken for this data set's

_PNEUMONIA = re.compile(r"person(\d+)_(bacteria|virus)_\d+(?:_\d+)?\.\w+", re.IGNORECASE)
_NORMAL = re.compile(r"(NORMAL2-)?IM-(\d+)-\d+(?:-\d+)?\.\w+", re.IGNORECASE)
_VERSION_3 = re.compile(r"(NORMAL|BACTERIA|VIRUS)-(\d+)-\d+\.\w+", re.IGNORECASE)
_NIH = re.compile(r"(\d{8})_\d{3}.*")
_WORD = re.compile(r"(?:patient|subject|person|subj|pat)[-_ ]?(?=\d)", re.IGNORECASE)
# A name without its last number, and the folder that holds the file, both with a digit.
_SHARED = (r"([^/]*\d[^/]*)[-_. ][a-z]?\d{1,3}\.\w+$", r"[^/]+/([^/]*\d[^/]*)/[^/]+$")
_LEAST = 10  # groups: fewer are rather classes than patients


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


def patient_by(pattern: str, path: str) -> str:
    """What the groups of a regular expression find in a path, joined; empty where nothing."""
    match = re.search(pattern, path)
    return "-".join(filter(None, match.groups())) if match else ""


def likely_pattern(paths: Sequence[str]) -> str | None:
    """A pattern that finds the same name in several files, and others in others; only a guess."""
    word = _WORD.search(paths[0]) if paths else None
    for pattern in ([rf"({re.escape(word[0])}\d+)"] if word else []) + [*_SHARED]:
        found = [patient_by(pattern, path) for path in paths]
        if all(found) and _LEAST <= len(set(found)) < len(found):
            return pattern
    return None


# Rule → patient of a file name and subset; where several fit, the one that joins most comes first.
RULES: dict[str, Callable[[str, str], str]] = {
    "conservative": lambda name, subset: kermany_patient(name, subset, "conservative"),
    "namespaced": lambda name, subset: kermany_patient(name, subset, "namespaced"),
    "nih": lambda name, _subset: nih_patient(name),
}


def apply_rule(rule: str, paths: Iterable[str], subsets: Iterable[str]) -> list[str]:
    """Patient of each file, empty where its name does not fit.

    Args:
        rule: key of `RULES`.
        paths: of the files; a member of an archive stands behind a `!`.
        subsets: official split of each, `trainval`, `test` or empty.
    """
    names = (re.split("[/!]", path)[-1] for path in paths)
    return list(map(RULES[rule], names, subsets))


def fitting_rules(paths: Sequence[str], subsets: Sequence[str]) -> dict[str, list[str]]:
    """Patient of each file under every rule that fits these names; arguments as in `apply_rule`."""
    fitting = {rule: apply_rule(rule, paths, subsets) for rule in RULES}
    least = max(1, FITS * len(paths))
    return {rule: known for rule, known in fitting.items() if sum(map(bool, known)) >= least}
