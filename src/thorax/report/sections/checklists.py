"""Appendix: where the page answers the items of reporting guidelines, and which it cannot."""

from thorax.report.components import Row, Section, Table, render
from thorax.report.inputs import Inputs

AUTHORS = "not answered: for the authors of a paper"
CLINIC = "not answered: needs knowledge of where the images come from"

# TRIPOD+AI: Collins et al., BMJ 2024;385:e078378. Item, topic, anchor of the section or a reason.
TRIPOD = (
    ("1", "Title", "summary"),
    ("2", "Abstract", "summary"),
    ("3", "Background", AUTHORS),
    ("4", "Objectives", AUTHORS),
    ("5", "Data: sources and dates", "data"),
    ("6", "Participants: setting, eligibility, treatments", CLINIC),
    ("7", "Data preparation", "reproduction"),
    ("8", "Outcome: definition and assessment", CLINIC),
    ("9", "Predictors", "data"),
    ("10", "Sample size", "split"),
    ("11", "Missing data", "data"),
    ("12", "Analytical methods", "training"),
    ("13", "Class imbalance", "reproduction"),
    ("14", "Fairness", "subgroups"),
    ("15", "Model output", "calibration"),
    ("16", "Training versus evaluation", "split"),
    ("17", "Ethical approval", AUTHORS),
    ("18", "Open science: funding, conflicts, protocol, registration, sharing", AUTHORS),
    ("19", "Patient and public involvement", AUTHORS),
    ("20", "Participants: flow and characteristics", "data"),
    ("21", "Model development: participants and outcomes in each analysis", "split"),
    ("22", "Model specification", "reproduction"),
    ("23", "Model performance, with intervals and by subgroup", "performance"),
    ("24", "Model updating", "not answered: nothing is updated"),
    ("25", "Interpretation", AUTHORS),
    ("26", "Limitations", "summary"),
    ("27", "Usability in the context of current care", CLINIC),
)
# CLAIM: Mongan, Moy and Kahn, Radiol Artif Intell 2020;2(2):e200029.
CLAIM = (
    ("1–2", "Title and abstract", "summary"),
    ("3–4", "Introduction: background and objectives", AUTHORS),
    ("5–6", "Study design and goal", AUTHORS),
    ("7", "Data sources", "data"),
    ("8", "Eligibility criteria", CLINIC),
    ("9", "Data pre-processing", "reproduction"),
    ("10", "Selection of data subsets", "split"),
    ("11", "Definitions of data elements", "data"),
    ("12", "De-identification", CLINIC),
    ("13", "Missing data", "data"),
    ("14–18", "Ground truth: definition, rationale, annotators, tools, variability", CLINIC),
    ("19", "Intended sample size", AUTHORS),
    ("20", "How data were assigned to partitions", "split"),
    ("21", "Level at which partitions are disjoint", "leakage"),
    ("22", "Model", "reproduction"),
    ("23", "Software libraries", "reproduction"),
    ("24", "Initialisation of parameters", "reproduction"),
    ("25", "Training approach", "training"),
    ("26", "Selection of the final model", "training"),
    ("27", "Ensembling", "performance"),
    ("28", "Metrics of performance", "performance"),
    ("29", "Uncertainty", "performance"),
    ("30", "Robustness or sensitivity analysis", "explanations"),
    ("31", "Explainability", "explanations"),
    (
        "32",
        "Validation on external data",
        "not answered: one data set is judged; `thorax evaluate` judges elsewhere",
    ),
    ("33", "Flow of participants", "split"),
    ("34", "Demographics of each partition", "data"),
    ("35", "Performance on all partitions", "performance"),
    ("36", "Diagnostic accuracy and its precision", "calibration"),
    ("37", "Failure analysis", "examples"),
    ("38", "Limitations", "summary"),
    ("39", "Implications for practice", CLINIC),
    ("40–42", "Registration, protocol, funding", AUTHORS),
)


def section(inputs: Inputs) -> Section:  # noqa: ARG001 - every section takes the inputs
    """Both checklists as tables that link into the page."""
    tables = [
        checklist("TRIPOD+AI (Collins et al. 2024)", TRIPOD),
        checklist("CLAIM (Mongan et al. 2020)", CLAIM),
    ]
    return Section("checklists", "Reporting checklists", render("checklists.html", tables=tables))


def checklist(title: str, items: tuple[tuple[str, str, str], ...]) -> Table:
    """A row an item: number and topic, and the section that speaks of it."""
    rows = [Row(f"{number} {topic}", [_place(where)]) for number, topic, where in items]
    answered = sum(" " not in where for _, _, where in items)
    notes = [f"{answered} of {len(items)} rows are spoken of in this page."]
    return Table(title, ["Item", "Where"], rows, notes)


def _place(where: str) -> str:
    if " " in where:
        return where
    return render("anchor.html", anchor=where)
