"""The report's section on operating points and calibration."""

import re
from dataclasses import replace

import pytest

from made_up_run import write_run
from thorax.config import Report
from thorax.report import wording
from thorax.report.calibration_figures import decision_curve, reliability, scores
from thorax.report.inputs import gather
from thorax.report.sections.calibration import (
    calibration_table,
    decision_panels,
    facts,
    point_table,
    prevalence_table,
    reliability_panels,
    score_panels,
    section,
)
from thorax.report.sections.performance import decision_rule


def inputs_of(folder, **changes):
    return gather(Report(examples=2), write_run(folder, **changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return inputs_of(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("part", ["val", "test"])
def test_the_points_are_those_of_the_performance_section(run, part):
    rows = {row.head: row.cells for row in point_table(run, part).rows}
    for name, own in run.metrics[part]["per_class"].items():
        threshold, sensitivity, specificity, ppv, _ = rows[name]
        assert threshold == "0.500"
        for cell, key in (
            (sensitivity, "recall"),
            (specificity, "specificity"),
            (ppv, "precision"),
        ):
            assert cell.startswith(wording.decimal(own[key]))
            assert re.search(r"\(\d\.\d{3}–\d\.\d{3}\)", cell)


def test_every_stated_prevalence_has_its_columns(run):
    (table,) = prevalence_table(run, "test")
    assert table.columns[2:6] == ["PPV at 1%", "NPV at 1%", "PPV at 5%", "NPV at 5%"]
    own = run.calibration["test"]["per_class"]["Nodule"]["stated"]
    cells = next(row.cells for row in table.rows if row.head == "Nodule")
    assert cells[1:] == [wording.decimal(at[key]) for at in own for key in ("ppv", "npv")]


def test_no_stated_prevalence_no_table(run):
    own = {n: c | {"stated": []} for n, c in run.calibration["test"]["per_class"].items()}
    test = run.calibration["test"] | {"per_class": own}
    bare = replace(run, calibration=run.calibration | {"test": test})
    assert prevalence_table(bare, "test") == []
    assert "other prevalences:" not in section(bare).body.partition("<details>")[0]


def test_an_absent_class_has_reasons_and_no_chart_of_use(tmp_path):
    run = inputs_of(tmp_path, never="Nodule")
    points = point_table(run, "test")
    nodule = next(row for row in points.rows if row.head == "Nodule")
    assert "undefined" in nodule.cells[1]
    assert "Nodule: Sensitivity: no image is known to show it" in points.notes
    panel = next(p for p in decision_panels(run) if p.title == "Nodule")
    assert panel.drawing == ""
    assert "0 present" in panel.note
    assert all("<svg" in p.drawing for p in (*reliability_panels(run), *score_panels(run)))


def test_without_a_temperature_it_is_said_why(run):
    classes = {
        name: own
        | {
            key: own[key] | {"scaled": None}
            for key in ("brier", "ece", "reliability", "net_benefit")
        }
        for name, own in run.calibration["test"]["per_class"].items()
    }
    test = {"log_loss": {"raw": 0.5, "scaled": None}, "per_class": classes}
    bare = replace(
        run,
        calibration=run.calibration | {"temperature": None, "test": test},
        undefined=run.undefined | {"temperature": "validation has one outcome only"},
    )
    assert ("Why there is none", "validation has one outcome only") in facts(bare)
    assert "undefined" in calibration_table(bare, "test").rows[0].cells[1]
    assert "call all" in section(bare).body
    assert "diamonds" not in section(bare).body


def test_the_most_likely_class_has_no_threshold(tmp_path):
    run = inputs_of(tmp_path, task="multi-class")
    assert "Threshold" not in point_table(run, "test").columns
    assert "upright line" not in section(run).body


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"sensitivity": 0.95}, "at the highest value with a sensitivity of at least 0.95, chosen"),
        ({"specificity": 0.9}, "at the lowest value with a specificity of at least 0.9, chosen"),
        ("youden", "(Youden), chosen on validation alone"),
        (0.3, "fixed at 0.3."),
    ],
)
def test_each_rule_is_put_into_words(run, rule, words):
    assert words in decision_rule(replace(run, points=run.points | {"rule": rule}))


class TestCharts:
    bins = [  # noqa: RUF012
        {"predicted": 0.02, "observed": 0.05, "low": 0.01, "high": 0.4, "count": 20},
        {"predicted": 0.15, "observed": 0.1, "low": 0.05, "high": 0.2, "count": 1200},
    ]

    def test_bins_say_what_they_hold(self):
        svg = reliability(self.bins, [], "label")
        assert 'aria-label="predicted 0.150, observed 0.100 of 1,200 images"' in svg
        assert svg == reliability(self.bins, [], "label")

    def test_a_worthless_score_can_be_drawn(self):
        curves = {"raw": [0.0, -0.4], "scaled": None, "all": [-0.1, -0.5]}
        assert "NaN" not in decision_curve([0.3, 0.6], curves, "label")

    def test_a_kind_without_images_can_be_drawn(self):
        svg = scores([0, 0, 3, 1], [0, 0, 0, 0], 1.000001, "label")
        assert 'aria-label="0.50–0.75: 3 images with the finding"' in svg
        assert "NaN" not in svg
        assert "without" not in svg
