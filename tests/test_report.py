"""The report's sections on small made-up runs, and the page as a whole."""

import dataclasses
import html
import itertools
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from made_up_run import FINDINGS, write_run
from thorax.config import Paths, Report
from thorax.errors import DataError, IntegrityError
from thorax.report import report, wording
from thorax.report.caveats import cautions
from thorax.report.charts import rows, tidy
from thorax.report.components import Row, Table, environment
from thorax.report.figures import history, roc, steps
from thorax.report.inputs import Inputs, gather
from thorax.report.model_card import model_card
from thorax.report.page import SECTIONS, page
from thorax.report.rows import part_of
from thorax.report.sections import data, summary
from thorax.report.sections.checklists import CLAIM, TRIPOD
from thorax.report.sections.confusion import matrices
from thorax.report.sections.data import class_table, facts, original_sizes
from thorax.report.sections.examples import ALARM, CLEARED, FOUND, MISSED, kinds, of_kind, strips
from thorax.report.sections.explanations import pairs
from thorax.report.sections.explanations import scores as box_scores
from thorax.report.sections.explanations import section as explanation_section
from thorax.report.sections.explorer import counts
from thorax.report.sections.explorer import section as explorer_section
from thorax.report.sections.performance import (
    decision_rule,
    fold_table,
    headline_table,
    per_class_table,
)
from thorax.report.sections.reproduction import flattened, shown
from thorax.report.sections.shortcuts import block as shortcut_block
from thorax.report.sections.shortcuts import covered_table, exchanged_table
from thorax.report.sections.split import part_table
from thorax.report.sections.subgroups import gaps
from thorax.report.sections.subgroups import section as subgroup_section
from thorax.report.sections.subgroups import table as group_table
from thorax.report.sections.summary import card, lead
from thorax.report.sections.training import kept_epoch, story
from thorax.report.thumbnails import (
    class_means,
    data_uri,
    difference_map,
    evenly,
    overlay,
    sample_rows,
)
from thorax.report.thumbnails import side_for as side

OPTIONS = Report(examples=2)
NO_VALUE = re.compile(r"\b(None|NaN|nan|inf)\b")
TWO = ("Effusion", "Nodule")
NASTY = "<img src=x onerror=alert(1)> \"ß\" & '肺'"


def inputs_of(folder: Path, **changes) -> Inputs:
    return gather(OPTIONS, write_run(folder, **changes))


class Outside(HTMLParser):
    """Every address a page could load or lead to, its tags and its policy."""

    def __init__(self):
        super().__init__()
        self.addresses, self.tags, self.policy = [], set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name.rpartition(":")[2] in ("src", "href", "srcset", "action", "poster", "data"):
                self.addresses.append(value)
            if name == "style":
                assert "url(" not in value
            assert not name.startswith("on")
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"]


def plain(text: str) -> str:
    """Text as a reader sees it."""
    body = re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Inputs:
    return inputs_of(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def nasty_page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("nasty")
    notes, bad = [f"note {NASTY}"], [(f"bad {NASTY}", f"reason {NASTY}")]
    return page(inputs_of(folder, classes=("Nodule", NASTY), never=NASTY, notes=notes, bad=bad))


class TestWording:
    def test_halves_are_rounded_up_as_a_reader_would(self):
        assert [wording.decimal(x) for x in (0.6725, 0.7895, 1.0, 0)] == [
            "0.673", "0.790", "1.000", "0.000",
        ]  # fmt: skip

    def test_a_share_of_nothing_is_no_number(self):
        assert wording.share(3, 12) == "3 (25.0%)"
        assert wording.share(0, 0) == "0"

    def test_an_interval_without_bounds_is_empty(self):
        assert wording.interval(0.1, 0.25) == "0.100–0.250"
        assert wording.interval(None, None) == ""

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("val.auroc", "Validation: AUROC"),
            ("test.precision_low", "Test: interval of precision"),
            ("test.per_class.St. A.b.f1", "Test, St. A.b: F1"),
            ("threshold.Hernia", "Threshold of Hernia"),
        ],
    )
    def test_keys_of_undefined_values_are_put_into_words(self, key, name):
        assert wording.undefined_name(key) == name

    def test_folds_change_what_parts_are_called(self):
        assert wording.part_name("test") == "Test"
        assert wording.part_name("test", 5) == "Test (ensemble of 5)"
        assert wording.part_name("fold_3", 5) == "Fold 3"

    def test_long_lists_are_cut(self):
        assert wording.listed("abc") == "a, b and c"
        assert wording.listed("abcdefgh") == "a, b, c, d, e, f and 2 more"


class TestInputs:
    def test_parts_are_named_as_in_the_split_table(self):
        subset = pd.Series(["test", "trainval", "trainval"])
        fold = pd.Series([-1.0, 0.0, -1.0])
        assert part_of(subset, fold, whole=True) == ["test", "val", "train"]
        assert part_of(subset, fold, whole=False) == ["test", "fold_0", "train"]

    def test_test_comes_first_and_validation_stands_in_for_it(self, tmp_path, run):
        assert run.parts == ["test", "val"]
        assert inputs_of(tmp_path, test=False).headline == "val"

    def test_another_cache_is_refused(self, tmp_path):
        paths = write_run(tmp_path)
        split = pd.read_csv(paths.split)
        split.iloc[1:].to_csv(paths.split, index=False)
        with pytest.raises(IntegrityError, match="different images"):
            gather(OPTIONS, paths)

    def test_a_missing_file_is_named(self, tmp_path):
        paths = write_run(tmp_path)
        Path(paths.metrics).unlink()
        with pytest.raises(DataError, match=r"metrics\.json"):
            gather(OPTIONS, paths)


class TestSummary:
    def test_says_what_was_trained_on_whom_and_how_good_it_is(self, run):
        first, second = lead(run)
        assert "cnn5 network was trained from random weights" in first
        assert "find 3 classes that may occur together" in first
        assert "test part that no choice has seen" in first
        own = run.metrics["test"]
        assert wording.decimal(own["auroc"]) in second
        assert wording.interval(own["auroc_low"], own["auroc_high"]) in second

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"task": "binary", "classes": ("NORMAL", "PNEUMONIA")}, "tell PNEUMONIA from NORMAL"),
            ({"task": "multi-class"}, "tell 3 classes apart"),
            (
                {"folds": 3},
                "3 cnn5 networks were trained from random weights, each on 2 of 3 folds",
            ),
            ({"test": False}, "of the validation part"),
            ({"leaky": True}, "of a leaky test part"),
        ],
    )
    def test_fits_the_run(self, tmp_path, changes, words):
        assert words in lead(inputs_of(tmp_path, **changes))[0]

    def test_a_mean_says_how_many_classes_it_is_over(self, tmp_path):
        assert "mean of 2 of 3 classes" in lead(inputs_of(tmp_path, never="Nodule"))[1]

    def test_a_card_has_value_interval_and_what_guessing_gets(self, run):
        auroc, precision = card(run, "auroc"), card(run, "average_precision")
        assert [bar.part for bar in auroc.bars] == ["test", "val"]
        assert auroc.bars[0].low < auroc.bars[0].at < auroc.bars[0].high
        assert auroc.guessing == 50
        known = run.metrics["test"]["per_class"].values()
        shares = [own["positives"] / run.metrics["test"]["images"] for own in known]
        assert precision.guessing == pytest.approx(100 * np.mean(shares), abs=0.05)

    def test_an_undefined_metric_shows_its_reason_and_no_number(self, tmp_path):
        names = ("a", "b")
        run = inputs_of(tmp_path, task="binary", classes=names, never="b")
        assert card(run, "auroc").bars == []
        text = plain(summary.section(run).body)
        assert "AUROC undefined undefined in every class" in text
        assert not NO_VALUE.search(text)


class TestCautions:
    def titles(self, run: Inputs) -> list[str]:
        return [caution.title for caution in cautions(run)]

    def test_a_leaky_split_comes_first_and_marks_the_numbers(self, tmp_path):
        run = inputs_of(tmp_path, leaky=True)
        first = cautions(run)[0]
        assert first.level == "stop"
        assert "7 groups of images that belong together stand on two sides" in first.text
        body = summary.section(run).body
        assert body.index("do not quote these numbers") < body.index('class="cards"')

    def test_a_sound_split_has_no_banner(self, run):
        assert all(caution.level != "stop" for caution in cautions(run))

    @pytest.mark.parametrize(
        ("changes", "title"),
        [
            ({}, "Few patients"),
            ({}, "No official test list"),
            ({"test": False}, "No test part"),
            ({"never": "Nodule"}, "Undefined values"),
            ({"source": "phantom"}, "Synthetic images"),
            ({"bad": [("x.png", "truncated")]}, "Images set aside"),
            ({"notes": ["two rows merged"]}, "About the data"),
            ({}, "Near-identical images"),
        ],
    )
    def test_names_what_to_worry_about(self, tmp_path, changes, title):
        assert title in self.titles(inputs_of(tmp_path, **changes))

    def test_undefined_values_come_with_their_reasons(self, tmp_path):
        found = cautions(inputs_of(tmp_path, never="Nodule"))
        items = next(c.items for c in found if c.title == "Undefined values")
        assert "Test, Nodule: AUROC: 0 present labels" in items

    def test_an_absent_test_part_does_not_list_its_own_gaps(self, tmp_path):
        assert "Undefined values" not in self.titles(inputs_of(tmp_path, test=False))

    def test_validation_that_flatters(self, run):
        val = run.metrics["val"] | {"auroc_low": 0.99, "auroc_high": 1.0}
        flattered = replace(run, metrics=run.metrics | {"val": val})
        assert "Worse on test than on validation" in self.titles(flattered)

    def test_folds_of_different_experiments(self, tmp_path):
        run = inputs_of(tmp_path, folds=2)
        other = run.models[1] | {"training": run.models[1]["training"] | {"augment": {}}}
        mixed = replace(run, models={0: run.models[0], 1: other})
        assert "Folds were trained with different settings" in self.titles(mixed)

    def test_folds_without_a_model(self, tmp_path):
        run = inputs_of(tmp_path, folds=3)
        part = replace(run, models={0: run.models[0]})
        assert "Not every fold was trained" in self.titles(part)


class TestData:
    def test_counts_images_and_patients_of_each_class(self, run):
        table = class_table(run)
        assert [row.head for row in table.rows] == list(FINDINGS)
        effusion = table.rows[0]
        assert effusion.cells[0].endswith("40 (50.0%)")
        assert effusion.cells[1:] == ["20", "40", "0"]

    def test_a_binary_task_lists_both_classes(self, tmp_path):
        run = inputs_of(tmp_path, task="binary", classes=("NORMAL", "PNEUMONIA"))
        assert run.outputs == ["PNEUMONIA"]
        assert [row.head for row in class_table(run).rows] == ["NORMAL", "PNEUMONIA"]
        assert {"NORMAL", "PNEUMONIA"} <= {row.head for row in part_table(run).rows}

    def test_what_is_not_known_is_said_and_left_out(self, tmp_path):
        run = inputs_of(tmp_path, people=False)
        known = dict(facts(run))
        assert known["Sex"] == known["View"] == known["Age, median (quartiles)"] == "not known"
        assert not any("Age" in row.head or "Female" in row.head for row in part_table(run).rows)
        assert "Age and sex" not in plain(data.section(run).body)

    def test_sizes_of_the_originals(self):
        one = pd.DataFrame({"width": [640.0, 640.0], "height": [480.0, 480.0]})
        two = pd.DataFrame({"width": [640.0, 512.0], "height": [480.0, 512.0]})
        assert original_sizes(one) == "640 × 480 px, all"
        assert original_sizes(two) == "512–640 × 480–512 px, 2 different"

    def test_each_part_has_its_people_and_classes(self, tmp_path):
        table = part_table(inputs_of(tmp_path, folds=2))
        assert table.columns == ["", "Fold 0", "Fold 1", "Test"]
        images = next(row.cells for row in table.rows if row.head == "Images")
        assert sum(map(int, images)) == 80


class TestPictures:
    def test_samples_are_of_different_patients_and_show_the_class(self, run):
        chosen = sample_rows(run.cohort, "Effusion", 4)
        sample = run.cohort.iloc[chosen]
        assert sample["patient_id"].nunique() == 4
        assert (sample["label_Effusion"] == 1).all()
        assert (sample["label_Nodule"] == 0).all(), "images with nothing else come first"

    def test_too_few_of_a_class_give_what_there_is(self, run):
        few = run.cohort.assign(label_Effusion=[1, 1, *[0] * (len(run.cohort) - 2)])
        assert len(sample_rows(few, "Effusion", 4)) == 1

    def test_the_mean_is_the_mean(self, run):
        means = class_means(run.images, run.cohort, "Nodule")
        mask = (run.cohort["label_Nodule"] == 1).to_numpy()
        assert means is not None
        assert means.images == mask.sum()
        np.testing.assert_allclose(means.present, run.images[mask].mean(axis=0))
        expected = means.present - run.images[~mask].mean(axis=0)
        np.testing.assert_allclose(means.difference, expected)

    def test_no_image_no_mean(self, run):
        assert class_means(run.images, run.cohort.assign(label_Nodule=0), "Nodule") is None

    def test_spread_evenly(self):
        assert evenly(np.arange(100), 4).tolist() == [12, 37, 62, 87]
        assert evenly(np.arange(3), 4).tolist() == [0, 1, 2]
        assert evenly(np.arange(3), 0).tolist() == []

    def test_brighter_and_darker_have_their_own_colour(self):
        blue, orange = difference_map(np.array([[-1.0, 1.0]]), 1.0)[0]
        assert blue[0] > blue[2]
        assert orange[0] < orange[2]

    def test_large_images_and_many_pictures_stay_small(self):
        noise = np.random.default_rng(0).integers(0, 255, (1024, 1024)).astype(np.uint8)
        assert len(data_uri(noise, 64)) < 8_000
        assert side(10, 12_000_000) == 224
        assert side(1008, 12_000_000) == 109


class TestPerformance:
    def test_every_headline_metric_with_its_interval(self, run):
        table = headline_table(run)
        assert table.columns == ["Metric", "Test", "Validation"]
        assert len(table.rows) == 7
        assert re.fullmatch(r"0\.\d{3} .*\(0\.\d{3}–\d\.\d{3}\).*", table.rows[0].cells[0])

    def test_no_bootstrap_no_interval(self, tmp_path):
        run = inputs_of(tmp_path, bootstrap=0)
        assert "(" not in headline_table(run).rows[0].cells[0]
        assert "no intervals" in summary.sureness(run)

    def test_undefined_values_keep_their_reason_under_the_table(self, tmp_path):
        table = per_class_table(inputs_of(tmp_path, never="Nodule"), "test")
        nodule = next(row for row in table.rows if row.head == "Nodule")
        assert "undefined" in nodule.cells[1]
        assert "Test, Nodule: AUROC: 0 present labels" in table.notes

    def test_each_fold_and_mean_with_deviation(self, tmp_path, run):
        folds = inputs_of(tmp_path, folds=3)
        table = fold_table(folds)
        assert table is not None
        assert table.columns == ["Metric", "Fold 0", "Fold 1", "Fold 2", "Mean ± SD"]
        assert table.rows[0].cells[-1].endswith("± 0.010")
        assert fold_table(run) is None

    def test_thresholds_belong_to_tasks_that_use_them(self, tmp_path, run):
        exclusive = inputs_of(tmp_path, task="multi-class")
        assert "Threshold" in per_class_table(run, "test").columns
        assert "Threshold" not in per_class_table(exclusive, "test").columns
        assert decision_rule(exclusive) == "The most likely class is decided for."
        assert "chosen on validation alone" in decision_rule(run)

    def test_confusion_of_several_findings_is_one_matrix_each(self, run):
        found = matrices(run.confusion, run.outputs, "test", exclusive=False)
        assert [m.title for m in found] == list(FINDINGS)
        own = run.metrics["test"]["per_class"]["Effusion"]
        (_, (tp, fn)), (_, (fp, tn)) = found[0].rows
        assert [c.images for c in (tp, fn, fp, tn)] == [
            str(own[key]) for key in ("tp", "fn", "fp", "tn")
        ]
        assert (tp.right, fn.right) == (True, False)

    def test_confusion_of_exclusive_classes_is_one_matrix(self, tmp_path):
        run = inputs_of(tmp_path, task="multi-class")
        (matrix,) = matrices(run.confusion, run.outputs, "test", exclusive=True)
        total = sum(int(cell.images) for _, cells in matrix.rows for cell in cells)
        assert total == run.metrics["test"]["images"]


class TestFigures:
    curve = pd.DataFrame({"fpr": [0.0, 0.2, 1.0], "tpr": [0.0, 0.8, 1.0]})

    def test_a_chart_names_itself_and_takes_its_colours_from_the_page(self):
        svg = roc({"test": self.curve}, {"test": (0.2, 0.8)}, 'AUROC of "x" & <y>')
        assert 'aria-label="AUROC of &#34;x&#34; &amp; &lt;y&gt;"' in svg
        assert 'stroke="var(--test)"' in svg
        assert "currentColor" in svg
        assert not re.search(r"font-family|http|#[0-9a-f]{3}\b", svg)

    def test_the_frame_does_not_depend_on_fonts(self):
        small, large = (
            history({"val": [v, 2 * v]}, 1, "loss", "label").partition(">")[0] for v in (0.1, 1e6)
        )
        assert re.search(r'viewBox="[^"]*"', small)[0] == re.search(r'viewBox="[^"]*"', large)[0]

    def test_undefined_epochs_are_gaps(self):
        svg = history({"val": [None, 0.5, 0.6], "train": [None] * 3}, 2, "AUROC", "label")
        assert "NaN" not in svg

    def test_a_flat_or_single_epoch_can_be_drawn(self):
        for values in ([0.0], [0.3, 0.3]):
            assert "<path" in history({"val": values}, 1, "F1", "label")

    def test_precision_recall_steps_have_the_area_of_average_precision(self):
        table = pd.DataFrame({"recall": [0, 0, 0.5, 0.5, 1], "precision": [1, 0, 0.5, 0.4, 0.6]})
        recall, precision = steps(table)
        assert (recall, precision) == ([0, 0.5, 1], [0.5, 0.5, 0.6])
        assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(0.55)

    def test_tidying_keeps_labels_of_marks_and_ticks(self):
        svg = '<g role="x" aria-label="1.2345"><path d="M1.2345,2"/><text>0.123</text></g>'
        assert tidy(svg) == '<g aria-label="1.2345"><path d="M1.2,2"/><text>0.123</text></g>'

    def test_inline_rows(self):
        assert rows(a=[1, 2], b=[3, 4]).to_dict()["values"] == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]


class TestExamples:
    table = pd.DataFrame(
        {
            "image_id": list("abcdef"),
            "patient_id": list("112345"),
            "y_N|x": [1, 1, 0, 0, 1, np.nan],
            "p_N|x": [0.9, 0.95, 0.8, 0.1, 0.2, 0.99],
            "predicted": ["N|x", "M|N|x", "N|x", "M", "", "N|x"],
        }
    )

    def test_the_surest_come_first_and_unknown_truth_is_left_out(self):
        assert of_kind(self.table, "N|x", FOUND) == [1, 0]
        assert of_kind(self.table, "N|x", ALARM) == [2]
        assert of_kind(self.table, "N|x", MISSED) == [4]
        assert of_kind(self.table, "N|x", CLEARED) == [3]

    def test_as_many_as_asked_for_one_of_a_patient(self, run):
        found = strips(run, "Effusion")[0]
        ids = [example.image_id for example in found.examples]
        patients = run.cohort.set_index("image_id").loc[ids, "patient_id"]
        assert len(ids) == OPTIONS.examples == patients.nunique()
        own = run.metrics["test"]["per_class"]["Effusion"]
        assert found.total == own["tp"]

    def test_shows_truth_and_probabilities_of_the_class_and_the_highest_others(self, run):
        example = strips(run, "Effusion")[0].examples[0]
        assert "Effusion" in example.truth
        first, *others = example.probabilities
        assert (first.name, first.own, first.true) == ("Effusion", True, True)
        assert [p.percent for p in others] == sorted((p.percent for p in others), reverse=True)

    def test_one_output_shows_the_cleared_too(self, tmp_path, run):
        binary = inputs_of(tmp_path, task="binary", classes=("NORMAL", "PNEUMONIA"))
        assert kinds(binary) == [FOUND, CLEARED, ALARM, MISSED]
        assert kinds(run) == [FOUND, ALARM, MISSED]


class TestExplanations:
    def test_each_class_has_its_image_without_and_with_the_evidence(self, run):
        found = pairs(run)
        assert [name for name, _, _ in found] == list(run.outputs)
        for name, probability, (plain_image, explained) in found:
            table = run.predictions["test"].set_index("image_id")
            row = table.loc[plain_image.caption]
            assert row[f"y_{name}"] == 1
            assert probability == f"{row[f'p_{name}']:.3f}"
            assert name in explained.alt

    def test_the_overlay_changes_only_what_spoke_for_the_class(self):
        image = np.full((4, 4), 100, np.uint8)
        evidence = np.zeros((4, 4), np.uint8)
        evidence[0, 0] = 255
        shown = overlay(image, evidence)
        assert (shown[1:] == 100).all()
        assert shown[0, 0, 2] > shown[0, 0, 1] > shown[0, 0, 0]  # orange, as blue, green, red


class TestLocalisation:
    def test_scores_stand_beside_chance_and_random_weights(self, run):
        (row,) = box_scores(run).rows
        assert [row.head, *(plain(cell).strip() for cell in row.cells)] == [
            run.outputs[0], "7", "0.500 (0.500–0.500)", "0.100", "0.500", "0.250 (0.250–0.250)",
            "0.250", "0.500",
        ]  # fmt: skip

    def test_without_boxes_only_the_sanity_check_is_shown(self, run):
        bare = dataclasses.replace(run, localisation={**run.localisation, "per_class": {}})
        assert box_scores(bare) is None
        body = explanation_section(bare).body
        assert "Does it point" not in body
        assert "Does the map depend" in body


class TestNumbers:
    def test_negative_numbers_have_a_minus_and_zero_has_none(self):
        assert wording.decimal(-0.0314) == "−0.031"
        assert wording.decimal(-0.0001) == "0.000"

    def test_an_interval_below_zero_does_not_run_into_its_dash(self):
        assert wording.interval(-0.02, -0.01) == "−0.020 to −0.010"
        assert wording.interval(0.1, 0.2) == "0.100–0.200"
        assert wording.interval(None, 0.2) == ""


class TestWorries:
    @pytest.mark.parametrize(
        ("before", "after", "worried"),
        [(0.9, 0.8, True), (0.9, 0.79, False), (0.55, 0.55, False), (0.9, 0.5, False)],
    )
    def test_an_auroc_that_outlives_the_lungs_is_a_worry(self, run, before, after, worried):
        name = run.outputs[0]
        first = run.probes["per_class"][name]
        lungs = {**first["covered"]["lungs"], "before": before, "after": after}
        changed = {**first, "covered": {**first["covered"], "lungs": lungs}}
        per_class = {**run.probes["per_class"], name: changed}
        other = dataclasses.replace(run, probes={**run.probes, "per_class": per_class})
        found = [c for c in cautions(other) if c.title == "Much is left without the lungs"]
        assert [c.items for c in found] == [[f"{name}: {after:.3f} of {before:.3f}"]] * worried

    def test_a_sure_gap_and_its_group_are_named(self, run):
        (worry,) = (c for c in cautions(run) if c.title == "Worse for some patients")
        assert worry.items == ["sex: 0.100 less in F than in M (chance alone: 1.2%)"]

    def test_the_model_card_names_them_but_not_without_end(self, run):
        assert "0.100 less in F than in M (chance alone: 1.2%)." in model_card(run)
        noted = dataclasses.replace(run, dataset={**run.dataset, "notes": list("abcdefgh")})
        assert "a. b. c. d. e. And 3 more." in model_card(noted)

    def test_a_gap_that_may_be_chance_is_no_worry(self, run):
        sex = run.subgroups["attributes"]["sex"]
        unsure = {"sex": {**sex, "gap": {**sex["gap"], "chance": 0.2}}}
        calm = dataclasses.replace(run, subgroups={**run.subgroups, "attributes": unsure})
        assert not [c for c in cautions(calm) if c.title == "Worse for some patients"]

    @pytest.mark.parametrize(("low", "worried"), [(0.01, False), (0.0, True), (None, False)])
    def test_metadata_as_good_as_the_model_is_a_worry(self, run, low, worried):
        metadata = {**run.subgroups["metadata"], "ahead_low": low}
        changed = dataclasses.replace(run, subgroups={**run.subgroups, "metadata": metadata})
        found = [c for c in cautions(changed) if c.title == "Not shown to beat the metadata"]
        assert bool(found) == worried


class TestShortcuts:
    def test_every_cover_has_its_auroc_and_its_fall(self, run):
        first, second, *_ = covered_table(run).rows
        assert [plain(cell).strip() for cell in first.cells] == [
            "0.900", "0.880", "0.020 (0.010–0.030)", "0.600", "0.300 (0.200–0.400)", "0.850",
            "0.050 (0.000–0.100)",
        ]  # fmt: skip
        assert {plain(cell).strip() for cell in second.cells} == {"undefined"}
        assert "too few" in second.cells[0]

    def test_a_called_shortcut_is_named_and_comes_among_the_worries(self, run):
        first, second, *_ = exchanged_table(run).rows
        assert plain(first.cells[-1]) == "shortcut"
        assert plain(second.cells[-1]).strip() == "undefined"
        (worry,) = (c for c in cautions(run) if "shortcut" in c.title)
        assert worry.level == "care"
        assert run.outputs[0] in worry.text

    def test_without_a_shortcut_nothing_is_called(self, run):
        clean = dataclasses.replace(run, probes={**run.probes, "shortcuts": []})
        assert plain(exchanged_table(clean).rows[0].cells[-1]) == "none seen"
        assert not [c for c in cautions(clean) if "shortcut" in c.title]

    def test_pictures_show_what_was_covered(self, run):
        assert shortcut_block(run).count("<img") == len(run.covered) == 4

    def test_without_probes_the_block_is_absent(self, run):
        bare = dataclasses.replace(run, probes=None, covered={})
        assert shortcut_block(bare) == ""
        assert "shortcut" not in explanation_section(bare).body


class TestExplorer:
    @pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
    def test_counts_are_those_of_deciding_anew(self, run, threshold):
        table = run.predictions["test"]
        y, p = table["y_Effusion"], table["p_Effusion"]
        called = p >= threshold
        found = {key: value[0] for key, value in counts(table, "Effusion", [threshold]).items()}
        assert found == {
            "tp": int((called & (y == 1)).sum()),
            "fn": int((~called & (y == 1)).sum()),
            "fp": int((called & (y == 0)).sum()),
            "tn": int((~called & (y == 0)).sum()),
        }

    def test_the_frozen_threshold_gives_the_confusion_of_the_metrics(self, run):
        own = run.metrics["test"]["per_class"]["Effusion"]
        threshold = run.points["thresholds"]["Effusion"]
        found = counts(run.predictions["test"], "Effusion", [threshold])
        assert {key: value[0] for key, value in found.items()} == {
            key: own[key] for key in ("tp", "fn", "fp", "tn")
        }

    def test_exclusive_classes_have_no_threshold(self, tmp_path):
        body = explorer_section(inputs_of(tmp_path, task="multi-class")).body
        assert "no threshold to move" in body
        assert "<input" not in body


class TestSubgroups:
    def test_the_worst_group_and_its_gap_come_first(self, run):
        (sentence,) = gaps(run.subgroups)
        shown = "Sex: worst in F, 0.100 AUROC under M; chance alone gives as much in 1.2%."
        assert sentence == shown
        rows = group_table("sex", run.subgroups["attributes"]["sex"]).rows
        assert [row.head for row in rows] == ["F", "M", "U"]
        assert "under 30 images" in "".join(rows[2].cells)

    def test_nothing_known_is_said(self, tmp_path):
        body = subgroup_section(inputs_of(tmp_path, people=False)).body
        assert "Nothing is known of the patients" in body
        assert "no such baseline" in body


class TestChecklists:
    def test_every_link_leads_to_a_section(self, run):
        text = page(run)
        anchors = set(re.findall(r'<section id="([\w-]+)"', text))
        linked = {where for _, _, where in (*TRIPOD, *CLAIM) if " " not in where}
        assert linked <= anchors

    def test_all_items_are_listed_once(self):
        def numbers(items):
            for number, _, _ in items:
                first, _, last = number.partition("–")
                yield from range(int(first), int(last or first) + 1)

        assert list(numbers(TRIPOD)) == list(range(1, 28))
        assert list(numbers(CLAIM)) == list(range(1, 43))


class TestModelCard:
    def test_says_what_it_is_for_how_good_it_is_and_what_to_worry_about(self, run):
        text = model_card(run)
        assert text.startswith("# Model card: ")
        for heading in ("Model", "Intended use", "Data", "Metrics", "What to worry about"):
            assert f"\n## {heading}\n" in text
        assert "Not a medical device" in text
        auroc = run.metrics["test"]["auroc"]
        assert f"| AUROC | {auroc:.3f} | " in text
        assert not NO_VALUE.search(text)

    def test_tables_have_as_many_cells_as_columns(self, run):
        blocks = re.findall(r"(?:^\|.*\n)+", model_card(run), re.MULTILINE)
        assert len(blocks) == 3
        for block in blocks:
            widths = {line.replace("\\|", "").count("|") for line in block.splitlines()}
            assert len(widths) == 1

    def test_a_leaky_split_is_said(self, tmp_path):
        assert "leaky" in model_card(inputs_of(tmp_path, leaky=True))


class TestTraining:
    def test_the_kept_epoch_is_the_last_best_of_the_last_phase(self):
        def epoch(phase, best):
            return {"phase": phase, "best": best}

        assert kept_epoch([epoch(0, True), epoch(0, True), epoch(0, False)]) == 2
        assert kept_epoch([epoch(0, True), epoch(0, True), epoch(1, True), epoch(1, False)]) == 3
        assert kept_epoch([epoch(0, False)]) == 1

    def test_says_why_it_was_kept(self, run):
        text = story(run.models[0]["training"], 2)
        assert text.startswith("3 epochs; the weights of epoch 2 were kept, where validation loss")


class TestReproduction:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("/home/me/x.zip", "…/x.zip"),
            (r"C:\me\x.zip", "…/x.zip"),
            ("data/local", "data/local"),
            (None, "null"),
            (1e-6, "1e-06"),
            ([], "[]"),
        ],
    )
    def test_values_are_shown_without_this_machine(self, value, text):
        assert shown(value) == text

    def test_nested_parameters_get_dotted_names(self):
        assert list(flattened({"a": {"b": 1, "c": {}}})) == [("a.b", 1), ("a.c", {})]


class TestPage:
    def test_same_inputs_same_bytes(self, tmp_path, capsys):
        texts = []
        for name in ("one", "two"):
            paths: Paths = write_run(tmp_path / name, folds=2, classes=TWO)
            report(OPTIONS, paths)
            texts.append(Path(paths.report).read_bytes())
        assert texts[0] == texts[1]
        assert "report.html" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "changes",
        [{"leaky": True}, {"task": "binary", "classes": ("N", "P")}, {"task": "multi-class"},
         {"folds": 2, "test": False, "classes": TWO}],
        ids=["multi-label", "binary", "multi-class", "folds without test"],
    )  # fmt: skip
    def test_whole_for_every_kind_of_run(self, tmp_path, changes):
        text = page(inputs_of(tmp_path, **changes))
        anchors = re.findall(r'<section id="(\w+)"', text)
        assert anchors == ["summary", "data", "split", "leakage", "performance", "calibration",
                           "explorer", "subgroups", "explanations", "examples", "training",
                           "reproduction", "checklists"]  # fmt: skip
        assert len(anchors) == len(SECTIONS)
        assert "/home/somebody" not in text
        assert not NO_VALUE.search(plain(text))
        assert text.count('<span class="leaky">') == (8 if "leaky" in changes else 0)
        assert len(text) < 300_000

    def test_asks_nobody_for_anything(self, nasty_page):
        found = Outside()
        found.feed(nasty_page)
        assert found.policy.startswith("default-src 'none'; img-src data:")
        assert found.tags.isdisjoint({"link", "iframe", "object", "embed", "base", "form"})
        assert found.addresses
        assert all(re.match(r"#\w|data:image/webp;base64,", at) for at in found.addresses)
        style = re.search(r"<style>(.*?)</style>", nasty_page, re.DOTALL)
        assert style
        assert not re.search(r"url\(|@import|@font-face|https?:", style[1])
        script = re.search(r"<script>(.*?)</script>", nasty_page, re.DOTALL)
        assert script
        assert not re.search(r"https?:|fetch|XMLHttp|import|innerHTML", script[1])

    def test_escapes_all_that_comes_from_data(self, nasty_page):
        assert "<img src=x" not in nasty_page
        assert "肺" in nasty_page
        for words in ("note", "bad", "reason", "Mean of"):
            assert words in nasty_page
        assert NASTY in plain(nasty_page)

    def test_reads_well_to_a_screen_reader(self, nasty_page):
        levels = [int(level) for level in re.findall(r"<h([1-6])\b", nasty_page)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
        assert all("alt=" in tag for tag in re.findall(r"<img [^>]*>", nasty_page))
        assert all("scope=" in tag for tag in re.findall(r"<th\b[^>]*>", nasty_page))
        assert all(
            "aria-label=" in tag for tag in re.findall(r'<svg class="chart"[^>]*>', nasty_page)
        )
        ids = re.findall(r' id="([^"]+)"', nasty_page)
        assert len(ids) == len(set(ids))

    def test_a_table_escapes_its_cells(self):
        macro = environment().get_template("macros.html").module.table
        table = Table("<c>", ["", "<d>"], [Row("<e>", ["<f>"], '"g"')], ["<h>"])
        assert not re.search(r'<[c-h]>|""', macro(table))

    def test_needs_no_learning_library(self):
        code = (
            "import sys, thorax.report; print({'torch', 'sklearn', 'torchvision'} & {*sys.modules})"
        )
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == "set()"
