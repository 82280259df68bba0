"""The report on what the stages really write, and the page as a whole."""

import base64
import csv
import itertools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from small_run import finished_run
from thorax.artifacts import Estimate
from thorax.artifacts.data import Overlap, Shared, SharedPatients
from thorax.artifacts.evaluation import (
    Attribute,
    BaselineComparison,
    Bin,
    Gap,
    Group,
    NetBenefit,
    StressTest,
)
from thorax.artifacts.explanation import AurocDrop, CascadeStep, ClassOcclusion
from thorax.artifacts.headline import SUMMARY_FOLLOWS
from thorax.artifacts.model import Epoch, Scaling, Training
from thorax.config import METRICS, Params, Paths, Report
from thorax.errors import DataError, IntegrityError
from thorax.provenance.seeds import Seeds
from thorax.report import SCRIPTS, SECTIONS, charts, meta, page, plot, report, wording
from thorax.report.caveats import caveats
from thorax.report.components import Row, Table, environment, show
from thorax.report.inputs import Inputs, count_weights, gather
from thorax.report.model_card import SECTIONS as CARD_SECTIONS, model_card
from thorax.report.sections import (
    calibration as calibration_section,
    explanations,
    subgroups,
    summary,
)
from thorax.report.sections.data import facts, label_table, original_sizes
from thorax.report.sections.examples import FN, FP, TN, TP, of_kind, strips
from thorax.report.sections.performance import (
    confusion_tables,
    decision_rule,
    fold_table,
    metric_table,
)
from thorax.report.sections.reproduction import as_text, parameters
from thorax.report.sections.split import audit_table, pairs, section as split_section, subset_table
from thorax.report.sections.training import kept_epoch, panels, story
from thorax.report.thumbnails import (
    class_means,
    data_uri,
    difference_map,
    evenly,
    overlay,
    sample_rows,
    side_for,
)

OPTIONS = Report(examples=2)
NO_VALUE = re.compile(r"\b(None|NaN|nan|inf)\b")
NASTY = "<img src=x onerror=alert(1)> \"ß\" & '肺'"
KINDS = {"multi-label": ("multi-label", 1), "binary": ("binary", 1),
         "multi-class": ("multi-class", 1), "folds": ("multi-label", 2)}  # fmt: skip


def plain(text: str) -> str:
    """Text as a reader sees it."""
    body = re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def renamed_run(folder: Path, names: dict[str, str]) -> Paths:
    """A copy of the finished multi-label run with two folds and other class names."""
    paths, _ = finished_run("multi-label", 2)
    root = Path(paths.manifest).parent
    shutil.copytree(root, folder, dirs_exist_ok=True)

    def cell(text: str) -> str:
        kind = re.match("label_|[yp]_|logit_|", text)[0]
        parts = text.removeprefix(kind).split("|")
        return kind + "|".join(names.get(part, part) for part in parts)

    for path in folder.rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = [[cell(text) for text in row] for row in csv.reader(file)]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    for path in folder.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        for old, new in names.items():
            text = text.replace(json.dumps(old), json.dumps(new))
        path.write_text(text, encoding="utf-8")
    (arrays,) = folder.rglob("gradcam.npz")
    cam = dict(np.load(arrays))
    np.savez(arrays, **cam | {"outputs": np.array([names[name] for name in cam["outputs"]])})
    return Paths(**{k: str(folder / Path(v).relative_to(root)) for k, v in paths})


@cache
def inputs_of(kind: str) -> Inputs:
    paths, _ = finished_run(*KINDS[kind])
    return gather(OPTIONS, paths)


@pytest.fixture(scope="module")
def run() -> Inputs:
    return inputs_of("multi-label")


@pytest.fixture(scope="module", params=KINDS)
def any_page(request) -> str:
    return page(inputs_of(request.param))


@pytest.fixture(scope="module")
def nasty_page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("nasty")
    inputs = gather(OPTIONS, renamed_run(folder, {"A": NASTY, "B": "B"}))
    inputs = replace(
        with_undefined(leaky(inputs), "B"),
        dataset=inputs.dataset.model_copy(update={"title": NASTY, "notes": [f"note {NASTY}"]}),
        quarantine=pd.DataFrame({"image_id": [f"bad {NASTY}"], "reason": [f"reason {NASTY}"]}),
    )
    return page(inputs)


def leaky(inputs: Inputs) -> Inputs:
    return replace(
        inputs,
        split=inputs.split.model_copy(update={"leaky": True, "split_groups": 7}),
        results=inputs.results.model_copy(update={"leaky": True}),
    )


def with_metrics(inputs: Inputs, subset: str, metrics=None, **classes) -> Inputs:
    """Other estimates of a subset, and of single classes of it."""
    old = inputs.results.subset(subset)
    records = {
        name: old.classes[name].model_copy(update={"metrics": old.classes[name].metrics | changed})
        for name, changed in classes.items()
    }
    new = old.model_copy(
        update={"metrics": old.metrics | (metrics or {}), "classes": old.classes | records}
    )
    return replace(inputs, results=inputs.results.model_copy(update={subset: new}))


def with_undefined(inputs: Inputs, name: str) -> Inputs:
    why = Estimate(value=None, reason="0 present labels")
    return with_metrics(inputs, "test", **{name: {"auroc": why, "f1": why}})


def with_groups(inputs: Inputs, p_value: float | None = 0.01, under=(0.3, 0.05)) -> Inputs:
    """Sex as the only attribute: F is worse, and a group of unknown sex too small."""

    def group(name: str, auroc: float, rate: float) -> Group:
        values = {"auroc": auroc, "sensitivity": 0.7, "specificity": 0.8, "underdiagnosis": rate}
        metrics = {k: Estimate(value=v, low=v - 0.02, high=v + 0.02) for k, v in values.items()}
        return Group(name=name, images=40, patients=20, reason="", metrics=metrics)

    small = Group(name="U", images=3, patients=2, reason="under 30 images", metrics={})
    groups = [group("M", 0.9, under[1]), group("F", 0.8, under[0]), small]
    gap = Gap(worst="F", best="M", auroc=0.1, p_value=p_value)
    sex = Attribute(classes=inputs.model.outputs, groups=groups, gap=gap)
    changed = {"attributes": {"sex": sex}, "pairs": {}}
    return replace(inputs, subgroups=inputs.subgroups.model_copy(update=changed))


def with_occlusion(inputs: Inputs, before=0.9, after=0.6, shortcut=False) -> Inputs:
    drop = AurocDrop(
        before=before, after=after,
        drop=Estimate(value=before - after, low=0.2, high=0.4),
    )  # fmt: skip
    occluded = dict.fromkeys(("corners", "lungs", "all_but_lungs"), drop)
    classes = {
        "A": ClassOcclusion(reason="", occluded=occluded, swapped=drop, pull=drop.drop),
        "B": ClassOcclusion(reason="too few patients", occluded={}, swapped=None, pull=None),
    }
    changed = {"images": 9, "classes": classes, "shortcuts": ["A"] if shortcut else []}
    changed["n_bootstrap"] = 55
    return replace(inputs, occlusion=inputs.occlusion.model_copy(update=changed))


def with_baseline(inputs: Inputs, name: str, value: float, low: float | None) -> Inputs:
    """A model of AUROC 0.9 beside one baseline of this AUROC; the others know nothing."""

    def mean(reached: float, bound: float | None) -> BaselineComparison:
        return BaselineComparison(
            baseline=Estimate(value=reached),
            model=Estimate(value=0.9),
            difference=Estimate(value=0.9 - reached, low=bound, high=0.5),
        )

    named = {known: mean(0.5, 0.3) for known in ("Metadata", "Gray statistics", "Border ring")}
    named[name] = mean(value, low)
    metadata = inputs.subgroups.metadata.model_copy(update={"mean": named["Metadata"]})
    pixels = {
        known: baseline.model_copy(update={"mean": named[known.capitalize()]})
        for known, baseline in inputs.baselines.baselines.items()
    }
    return replace(
        inputs,
        subgroups=inputs.subgroups.model_copy(update={"metadata": metadata}),
        baselines=inputs.baselines.model_copy(update={"baselines": pixels}),
    )


def with_stress(inputs: Inputs, drop: float, low: float) -> Inputs:
    """A blur after which the specificity is lower, and nothing else."""
    names = ("auroc", "sensitivity", "specificity", "accuracy")
    drops = dict.fromkeys(names, Estimate(value=0.0, low=-0.1, high=0.1))
    drops["specificity"] = Estimate(value=drop, low=low, high=0.3)
    metrics = dict.fromkeys(names, Estimate(value=0.7, low=0.6, high=0.8))
    test = StressTest(change="blur", metrics=metrics, drops=drops)
    return replace(inputs, stress=inputs.stress.model_copy(update={"tests": [test]}))


class TestWording:
    def test_numbers(self):
        halves_up = [wording.decimal(x) for x in (0.6725, 0.7895, 1.0, 0, -0.0314, -0.0001)]
        assert halves_up == ["0.673", "0.790", "1.000", "0.000", "−0.031", "0.000"]
        assert [wording.threshold(x) for x in (0.5, 0.04712, 1.234e-9)] == [
            "0.500", "0.0471", "1.23e-09",
        ]  # fmt: skip
        assert wording.with_percent(3, 12) == "3 (25.0%)"
        assert wording.with_percent(0, 0) == "0"
        assert wording.p_value(0.0124) == "p = 0.012"
        assert wording.p_value(0.0004) == "p < 0.001"

    def test_an_interval_below_zero_does_not_run_into_its_dash(self):
        assert wording.interval(-0.02, -0.01) == "−0.020 to −0.010"
        assert wording.interval(0.1, 0.25) == "0.100–0.250"
        assert wording.interval(None, 0.2) == ""

    def test_folds_change_what_subsets_are_called(self):
        assert [wording.subset_name(name) for name in ("test", "fold_3")] == ["Test", "Fold 3"]
        run = inputs_of("multi-label")
        several = {"models": {0: run.model, 1: run.model}}
        names = {run.subset_name("val")}
        for out_of_fold in (False, True):
            results = run.results.model_copy(update={"out_of_fold": out_of_fold})
            changed = replace(run, results=results, **several)
            names |= {changed.subset_name("val"), changed.subset_name("test")}
        assert names == {
            "Validation", "Validation (out of fold)", "Validation (ensemble of 2)",
            "Test (ensemble of 2)",
        }  # fmt: skip

    def test_thresholds_for_single_models_are_a_caveat_of_their_ensemble(self):
        run = inputs_of("multi-label")
        points = run.points.model_copy(update={"for_ensemble": False})
        titles = [caveat.title for caveat in caveats(replace(run, points=points))]
        assert "Thresholds of single models" in titles
        assert "Thresholds of single models" not in [caveat.title for caveat in caveats(run)]

    def test_enumerations_and_names_in_sentences(self):
        assert wording.listed("abc") == "a, b and c"
        assert wording.listed("abcdefgh") == "a, b, c, d, e, f and 2 more"
        names = [wording.in_sentence(n) for n in ("AUROC", "Average precision", "PPV at 1%", "F1")]
        assert names == ["AUROC", "average precision", "PPV at 1%", "F1"]

    def test_every_metric_of_the_settings_has_a_name(self):
        assert set(METRICS) <= set(wording.METRICS)


class TestEstimates:
    def test_value_interval_and_reason_stand_together(self):
        assert show(Estimate(value=0.5)) == "0.500"
        assert plain(show(Estimate(value=0.5, low=0.4, high=0.6))) == "0.500 (0.400–0.600) "
        undefined = show(Estimate(value=None, reason='no "label"'))
        assert undefined == ('<span class="undefined" title="no &#34;label&#34;">undefined</span>')

    def test_footnotes_say_replicates_and_reasons_once(self):
        why = Estimate(value=None, reason="0 present labels")
        fewer = Estimate(value=0.5, low=0.1, high=0.9, undefined_replicates=13)
        doubted = Estimate(value=0.5, low=0.1, high=0.9, caution="under 30 patients with it (3)")
        table = Table("c", ["Class", "AUROC", "F1", "NPV", "PPV"],
                      [Row("A", [why, why, fewer, doubted])], ["note"], 2000)  # fmt: skip
        assert table.footnotes == [
            "note",
            "95% intervals are from 2,000 bootstrap replicates.",
            "A: AUROC and F1: 0 present labels",
            "A: NPV: undefined in 13 of 2,000 replicates, which are left out",
            "A: PPV: under 30 patients with it (3)",
        ]

    def test_a_table_escapes_its_cells(self):
        macro = environment().get_template("macros.html").module.table
        table = Table("<c>", ["", "<d>"], [Row("<e>", ["<f>"], '"g"')], ["<h>"], of_class='"i"')
        assert not re.search(r'<[c-h]>|""', macro(table))


class TestInputs:
    def test_test_comes_first_and_validation_stands_in_for_it(self, run):
        assert run.subsets == ["test", "val"]
        assert without_test(run).headline == "val"

    def test_another_cache_is_refused(self, tmp_path):
        paths = renamed_run(tmp_path, {"A": "A", "B": "B"})
        split = pd.read_csv(paths.split, dtype=str)
        split.iloc[1:].to_csv(paths.split, index=False)
        with pytest.raises(IntegrityError, match="different images"):
            gather(OPTIONS, paths)
        (Path(paths.evaluation) / "results.json").unlink()
        with pytest.raises((DataError, IntegrityError)):
            gather(OPTIONS, paths)


def without_test(inputs: Inputs) -> Inputs:
    empty = inputs.results.test.model_copy(update={"images": 0, "patients": 0})
    return replace(inputs, results=inputs.results.model_copy(update={"test": empty}))


class TestSummary:
    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("multi-label", "predict 2 classes that may occur together"),
            ("binary", "to distinguish A from B"),
            ("multi-class", "to distinguish 3 classes"),
            ("folds", "2 cnn5 networks were trained from random weights, each on 1 of 2 folds"),
        ],
    )
    def test_says_what_was_trained_on_whom(self, kind, words):
        inputs = inputs_of(kind)
        assert words in summary.lead(inputs)[0]
        alone = summary.lead(replace(inputs, looks=1))[0]
        assert "a test set that only this run has seen" in alone
        seen = summary.lead(replace(inputs, looks=3))[0]
        assert "a test set that 3 runs have seen, this one included" in seen
        assert "a leaky test set" in summary.lead(leaky(inputs))[0]
        assert "of the validation set" in summary.lead(without_test(inputs))[0]

    def test_the_verdict_has_value_interval_and_number_of_classes(self, run):
        auroc = Estimate(value=0.8, low=0.7, high=0.9)
        text = summary.verdict(with_metrics(run, "test", {"auroc": auroc}))
        assert text == "Its AUROC, mean of 2 classes, is 0.800 (95% interval 0.700–0.900)."
        assert "mean of 1 of 2 classes" in summary.verdict(with_undefined(run, "B"))

    def test_the_deviation_between_seeds_stands_beside_every_interval(self, run):
        others = {seed: {"test": {"auroc": 0.8 + seed / 100, "f1": None}} for seed in range(3)}
        auroc = Estimate(value=0.8, low=0.7, high=0.9)
        several = with_metrics(replace(run, seeds=Seeds(others)), "test", {"auroc": auroc})
        assert "; SD between 3 training seeds 0.0100)." in summary.verdict(several)
        body = plain(summary.section(several).body)
        assert body.count("SD between 3 training seeds 0.0100") == 2  # the sentence and the card
        assert "One training seed was run" in plain(summary.section(run).body)
        card = model_card(several)
        assert "| 95% interval | SD, 3 training seeds |" in card
        assert re.search(r"\| AUROC \| .* \| 0\.0100 \|", card)
        assert "training seeds" not in model_card(run)

    def test_an_undefined_metric_shows_its_reason_and_no_number(self, run):
        why = Estimate(value=None, reason="undefined in every class")
        body = plain(summary.section(with_metrics(run, "test", {"auroc": why})).body)
        assert "AUROC undefined undefined in every class" in body
        assert not NO_VALUE.search(body)

    def test_what_needs_no_look_at_the_images_is_of_the_classes_that_are_defined(self, run):
        counts = {"A": (10, 30), "B": (40, 0), "C": (0, 40)}
        record = run.metrics.classes["A"]
        classes = {
            name: record.model_copy(update={"positives": positives, "negatives": negatives})
            for name, (positives, negatives) in counts.items()
        }
        metrics = run.metrics.model_copy(update={"classes": classes, "images": 40})
        assert summary.without_looking(metrics, exclusive=False) == {
            "auroc": 50.0, "average_precision": 25.0, "f1": 40.0,
            "accuracy": 91.7,  # 30, 40 and 40 of 40 each
        }  # fmt: skip
        assert summary.without_looking(metrics, exclusive=True)["accuracy"] == 100.0
        undefined = metrics.model_copy(update={"classes": {"B": classes["B"]}})
        assert summary.without_looking(undefined, exclusive=False) == {}

    def test_the_method_of_the_intervals_is_said(self, run):
        assert run.intervals in plain(summary.section(run).body)
        assert run.intervals in model_card(run)


def first_of_level(inputs: Inputs, level: str):
    return next(caveat for caveat in caveats(inputs) if caveat.level == level)


class TestCaveats:
    def titled(self, inputs: Inputs, title: str):
        return [caveat for caveat in caveats(inputs) if caveat.title == title]

    def test_a_leaky_split_comes_first_and_marks_the_numbers(self, run):
        first = caveats(leaky(run))[0]
        assert first.level == "stop"
        assert "7 groups of images that belong together appear in two subsets" in first.text
        body = summary.section(leaky(run)).body
        assert body.index("do not quote these numbers") < body.index('class="cards"')
        assert all(caveat.level != "stop" for caveat in caveats(run))

    def test_a_test_set_that_others_have_seen_is_said(self, run):
        title = "4 runs have seen the test set"
        assert self.titled(replace(run, looks=4), title)
        alone = caveats(replace(run, looks=1))
        assert not any("have seen" in caveat.title for caveat in alone)
        assert not self.titled(replace(without_test(run), looks=4), title)

    def test_training_on_the_test_set_stops_too(self, run):
        results = run.results.model_copy(update={"contaminated": True})
        assert caveats(replace(run, results=results))[0].title.startswith("Trained on the test set")

    @pytest.mark.parametrize(
        ("change", "title"),
        [
            (lambda run: run, "Few patients"),
            (lambda run: run, "No official test set"),
            (without_test, "No test set"),
            (lambda run: with_undefined(run, "B"), "Undefined values"),
            (lambda run: replace(run, dataset=run.dataset.model_copy(
                update={"source": "phantom", "notes": ["two rows merged"]})), "Synthetic images"),
            (lambda run: replace(run, dataset=run.dataset.model_copy(
                update={"notes": ["two rows merged"]})), "About the data"),
            (lambda run: replace(run, quarantine=pd.DataFrame(
                {"image_id": ["x.png"], "reason": ["truncated"]})), "Unreadable images"),
            (lambda run: replace(run, split=run.split.model_copy(
                update={"near_identical_pairs": 2})), "Near-identical images"),
        ],
    )  # fmt: skip
    def test_names_what_limits_the_numbers(self, run, change, title):
        assert self.titled(change(run), title)

    @pytest.mark.parametrize(("by_rule", "level"), [({}, "care"), ({"nih": 3}, "stop")])
    def test_unknown_patients_are_said_and_more_so_where_file_names_tell_them(
        self, run, by_rule, level
    ):
        none = {"images": 0, "examples": []}
        shared = {**none, "patients": 0, "by_rule": by_rule}
        kinds = {"identical": none, "near_identical": none, "same_name": none}
        overlap = {"a": "train", "b": "test", "images": (9, 9), "shared_patients": shared, **kinds}
        audit = [Overlap.model_validate(overlap)]
        changed = replace(
            run, dataset=run.dataset.model_copy(update={"patient_rule": "none"}),
            leakage=run.leakage.model_copy(update={"overlaps": audit}),
        )  # fmt: skip
        (caveat,) = self.titled(changed, "Patients unknown")
        assert (caveat.level, len(caveat.items)) == (level, len(by_rule))
        assert not self.titled(run, "Patients unknown")
        assert "No patient" not in split_section(changed).body
        assert "Patients are unknown" in split_section(changed).body
        rows = {row.head: row.cells for row in subset_table(changed).rows}
        assert rows["Patients"] == ["unknown"] * 3
        assert audit_table(changed).rows[0].cells[-1] == "unknown"
        assert "95% intervals are over images, too narrow" in plain(summary.section(changed).body)
        assert first_of_level(changed, level).title == "Patients unknown"

    def test_unknown_patients_are_counted_nowhere(self, run):
        changed = replace(run, dataset=run.dataset.model_copy(update={"patient_rule": "none"}))
        counted = r"images?,? (of |\()[\d,]+ patients"
        assert re.search(counted, plain(summary.section(run).body))
        for section in SECTIONS:
            assert not re.search(counted, plain(section(changed).body))
        card = model_card(changed)
        assert "images of unknown patients" in card
        assert "Patients are unknown and may be in two subsets." in card
        assert not re.search(counted, card)

    def test_a_single_item_is_a_sentence_of_the_page_and_the_worst_come_first(self, run):
        found = caveats(with_groups(run, 0.012, under=(0.3, 0.1)))
        care = [caveat.title for caveat in found if caveat.level == "care"]
        assert care[:2] == ["Underdiagnosis in some groups", "Worse in some groups"]
        body = plain(summary.section(with_groups(run, 0.012)).body)
        assert "number of attributes. Sex: 0.100 lower in F than in M (p = 0.012)." in body

    def test_undefined_values_come_with_their_reasons_but_not_of_an_absent_test_set(self, run):
        (caveat,) = self.titled(with_undefined(run, "B"), "Undefined values")
        assert "Test, B: AUROC and F1: 0 present labels" in caveat.items
        absent = without_test(with_undefined(run, "B"))
        items = [item for c in self.titled(absent, "Undefined values") for item in c.items]
        assert not any(item.startswith("Test") for item in items)

    def test_classes_with_few_patients_are_named_whatever_their_images(self, run):
        (caveat,) = self.titled(run, "Intervals that cannot be trusted")
        patients = run.metrics.classes["A"].positive_patients
        assert patients < run.metrics.classes["A"].positives
        assert caveat.items[0].startswith("A: under 30 patients with")
        sure = run.metrics.classes["A"].metrics["auroc"].model_copy(update={"caution": ""})
        certain = with_metrics(run, "test", A={"auroc": sure}, B={"auroc": sure})
        assert not self.titled(certain, "Intervals that cannot be trusted")

    def test_validation_that_flatters(self, run):
        val = Estimate(value=0.995, low=0.99, high=1.0)
        worse = with_metrics(run, "test", {"auroc": Estimate(value=0.8)})
        title = "Worse on test than on validation"
        assert self.titled(with_metrics(worse, "val", {"auroc": val}), title)

    def test_folds_that_differ_or_are_missing(self):
        inputs = inputs_of("folds")
        training = inputs.models[1].training
        augment = training.augment.model_copy(update={"shift": 0.5})
        other = inputs.models[1].model_copy(
            update={"training": training.model_copy(update={"augment": augment})}
        )
        mixed = replace(inputs, models={0: inputs.models[0], 1: other})
        assert self.titled(mixed, "Folds were trained with different settings")
        assert self.titled(replace(inputs, models={0: inputs.models[0]}),
                           "Not every fold was trained")  # fmt: skip
        title = "Folds were trained with different settings"
        assert not self.titled(inputs, title)

    @pytest.mark.parametrize(
        ("before", "after", "raised"),
        [(0.9, 0.8, True), (0.9, 0.79, False), (0.488, 0.601, False), (0.9, 0.5, False)],
    )
    def test_an_auroc_that_outlives_the_lungs(self, run, before, after, raised):
        raising = self.titled(with_occlusion(run, before, after),
                              "AUROC remains with the lungs occluded")  # fmt: skip
        items = [[f"A: {after:.3f} of {before:.3f}"]] if raised else []
        assert [caveat.items for caveat in raising] == items

    def test_what_is_not_shown_to_be_above_chance_leaves_nothing_without_the_lungs(self, run):
        auroc = run.metrics.classes["A"].metrics["auroc"].model_copy(update={"low": 0.49})
        raised = with_occlusion(with_metrics(run, "test", A={"auroc": auroc}), 0.9, 0.8)
        assert not self.titled(raised, "AUROC remains with the lungs occluded")

    def test_a_significant_gap_and_its_group_are_named(self, run):
        (caveat,) = self.titled(with_groups(run, 0.012), "Worse in some groups")
        assert caveat.items == ["Sex: 0.100 lower in F than in M (p = 0.012)"]
        assert not self.titled(with_groups(run, 0.2), "Worse in some groups")
        assert not self.titled(with_groups(run, None), "Worse in some groups")

    def test_underdiagnosis_counts_where_intervals_do_not_overlap(self, run):
        title = "Underdiagnosis in some groups"
        (caveat,) = self.titled(with_groups(run, under=(0.3, 0.1)), title)
        assert caveat.items == ["Sex: 0.300 (0.280–0.320) in F, 0.100 (0.080–0.120) in M"]
        assert not self.titled(with_groups(run, under=(0.3, 0.29)), title)

    @pytest.mark.parametrize("name", ["Metadata", "Gray statistics", "Border ring"])
    @pytest.mark.parametrize(
        ("baseline", "low", "raised"),
        [
            (0.6, 0.01, ""),
            (0.6, None, ""),
            (0.6, 0.0, "Not shown to beat a simple baseline"),
            (0.85, 0.01, "Simple baselines nearly suffice"),
        ],
    )
    def test_a_baseline_that_comes_near_the_model(self, run, name, baseline, low, raised):
        changed = with_baseline(run, name, baseline, low)
        titles = (
            "Not shown to beat a simple baseline",
            "Simple baselines nearly suffice",
        )
        found = {title: caveat.items for title in titles for caveat in self.titled(changed, title)}
        assert set(found) == ({raised} if raised else set())
        assert all(item.startswith(name) for items in found.values() for item in items)

    @pytest.mark.parametrize(
        ("drop", "low", "raised"), [(0.2, 0.1, True), (0.2, 0.0, False), (0.09, 0.05, False)]
    )
    def test_decisions_that_break_under_stress(self, run, drop, low, raised):
        title = "Decisions do not survive another acquisition"
        found = self.titled(with_stress(run, drop, low), title)
        items = [["Blur: specificity 0.200 lower (0.100–0.300)"]] if raised else []
        assert [caveat.items for caveat in found] == items

    @pytest.mark.parametrize(("low", "raised"), [(0.1, False), (-0.1, True), (None, False)])
    def test_maps_that_a_fixed_place_beats(self, run, low, raised):
        scores = run.localization.classes["A"]
        difference = Estimate(value=0.2, low=low, high=0.4)
        beaten = scores.difference.model_copy(update={"pointing": difference})
        classes = {"A": scores.model_copy(update={"difference": beaten})}
        changed = run.localization.model_copy(update={"classes": classes})
        title = "Maps not shown to point better than a fixed place"
        assert bool(self.titled(replace(run, localization=changed), title)) == raised

    def test_a_shortcut_is_named(self, run):
        (caveat,) = self.titled(with_occlusion(run, shortcut=True), "Shortcut learning")
        assert caveat.level == "care"
        assert caveat.text.startswith("A: ")


class TestData:
    def test_counts_images_and_patients_of_each_class(self, run):
        rows = {row.head: row.cells for row in label_table(run).rows}
        labels = run.table["label_A"]
        assert list(rows) == ["A", "B"]
        assert rows["A"][0].endswith(wording.with_percent(labels.sum(), len(labels)))
        patients = run.table.loc[labels == 1, "patient_id"].nunique()
        assert rows["A"][1:] == [str(patients), str(int((labels == 0).sum())), "0"]

    def test_a_binary_task_lists_both_classes(self):
        inputs = inputs_of("binary")
        assert inputs.model.outputs == ["A"]
        assert [row.head for row in label_table(inputs).rows] == ["A", "B"]
        assert {"A", "B"} <= {row.head for row in subset_table(inputs).rows}

    def test_what_is_not_known_is_said_and_left_out(self, run):
        bare = replace(run, table=run.table.assign(sex="", view="", age=np.nan))
        known = facts(bare)
        assert known["Sex"] == known["View"] == known["Age, median (quartiles)"] == "not known"
        assert not any("Age" in r.head or "Female" in r.head for r in subset_table(bare).rows)

    def test_sizes_of_the_originals(self):
        one = pd.DataFrame({"width": [640.0, 640.0], "height": [480.0, 480.0]})
        two = pd.DataFrame({"width": [640.0, 512.0], "height": [480.0, 512.0]})
        assert original_sizes(one) == "640 × 480 px, all"
        assert original_sizes(two) == "512–640 × 480–512 px, 2 different"

    def test_every_subset_has_its_patients_and_classes(self):
        inputs = inputs_of("folds")
        table = subset_table(inputs)
        assert table.columns == ["", "Fold 0", "Fold 1", "Test"]
        images = next(row.cells for row in table.rows if row.head == "Images")
        assert sum(map(int, images)) == len(inputs.table)


class TestLeakage:
    def test_pairs_that_look_the_same_come_before_shared_patients(self, run):
        ids = run.table["image_id"].tolist()
        shared = Shared(images=1, examples=[(ids[0], ids[1])])
        none = Shared(images=0, examples=[])
        patients = SharedPatients(images=2, examples=[(ids[2], ids[3])], patients=1, by_rule={})
        overlap = Overlap(
            a="train", b="test", images=(9, 9), shared_patients=patients, identical=none,
            near_identical=shared, same_name=none,
        )  # fmt: skip
        audit = run.leakage.model_copy(update={"overlaps": [overlap]})
        changed = replace(run, leakage=audit)
        assert [title for title, _ in pairs(changed)] == [
            "Near-identical, train / test", "Same patient, train / test",
        ]  # fmt: skip
        assert audit_table(changed).rows[0].cells == ["0", "1", "0", "2"]


class TestPictures:
    def test_samples_are_of_different_patients_and_show_the_class(self, run):
        sample = run.table.iloc[sample_rows(run.table, "A", 4)]
        assert sample["patient_id"].nunique() == 4
        assert (sample["label_A"] == 1).all()
        few = run.table.assign(label_A=[1, 1, *[0] * (len(run.table) - 2)])
        assert len(sample_rows(few, "A", 4)) == 1

    def test_the_mean_is_the_mean(self, run):
        means = class_means(run.images, run.table, "B")
        mask = (run.table["label_B"] == 1).to_numpy()
        assert means is not None
        assert means.images == mask.sum()
        np.testing.assert_allclose(means.present, run.images[mask].mean(axis=0))
        expected = means.present - run.images[~mask].mean(axis=0)
        np.testing.assert_allclose(means.difference, expected)
        assert class_means(run.images, run.table.assign(label_B=0), "B") is None

    def test_evenly_spaced(self):
        assert evenly(np.arange(100), 4).tolist() == [12, 37, 62, 87]
        assert evenly(np.arange(3), 4).tolist() == [0, 1, 2]
        assert evenly(np.arange(3), 0).tolist() == []

    def test_brighter_darker_and_evidence_have_their_own_color(self):
        blue, orange = difference_map(np.array([[-1.0, 1.0]]), 1.0)[0]
        assert blue[0] > blue[2]
        assert orange[0] < orange[2]
        evidence = np.zeros((4, 4), np.uint8)
        evidence[0, 0] = 255
        shown = overlay(np.full((4, 4), 100, np.uint8), evidence)
        assert (shown[1:] == 100).all()
        assert shown[0, 0, 2] > shown[0, 0, 1] > shown[0, 0, 0]  # orange, as blue, green, red

    def test_large_images_and_many_pictures_stay_small(self):
        noise = np.random.default_rng(0).integers(0, 255, (1024, 1024)).astype(np.uint8)
        assert len(data_uri(noise, 64)) < 8_000
        assert side_for(10, 12_000_000) == 224
        assert side_for(1008, 12_000_000) == 109


class TestPerformance:
    def test_averages_stand_under_the_classes_and_once_on_the_page(self, run):
        table = metric_table(run, "test")
        assert [row.head for row in table.rows[-2:]] == [
            "Mean of the classes",
            "All labels (micro)",
        ]
        mean, micro = (dict(zip(table.columns[1:], row.cells, strict=True))
                       for row in table.rows[-2:])  # fmt: skip
        assert mean["AUROC"] == run.metrics.metrics["auroc"]
        assert (micro["AUROC"], micro["F1"]) == ("–", run.metrics.micro["f1"])
        assert len(metric_table(inputs_of("binary"), "test").rows) == 1
        captions = re.findall(r"<caption>(.*?)</caption>", page(run))
        tables = [c for c in captions if c not in run.model.outputs]  # a matrix and stops each
        assert len(tables) == len(set(tables))

    def test_undefined_values_keep_their_reason_under_the_table(self, run):
        table = metric_table(with_undefined(run, "B"), "test")
        assert "B: AUROC and F1: 0 present labels" in table.footnotes
        assert table.columns[1:5] == ["Present", "AUROC", "Average precision", "Sensitivity"]

    def test_folds_have_mean_and_standard_deviation(self, run):
        table = fold_table(inputs_of("folds"))
        assert table.columns == ["Metric", "Fold 0", "Fold 1", "Mean ± SD"]
        assert " ± " in table.rows[0].cells[-1]
        assert fold_table(run) is None

    def test_an_undefined_metric_of_a_fold_has_the_reason_of_that_metric(self):
        inputs = inputs_of("folds")
        folds = inputs.results.folds
        first = folds.by_fold[0] | dict.fromkeys(("precision", "auroc"))
        changed = folds.model_copy(update={"by_fold": folds.by_fold | {0: first}})
        results = inputs.results.model_copy(update={"folds": changed})
        rows = {row.head: row.cells[0] for row in fold_table(replace(inputs, results=results)).rows}
        assert rows["Precision"].reason == "no image is predicted positive"
        assert rows["AUROC"].reason == "a single outcome present"

    def test_thresholds_belong_to_tasks_that_use_them(self, run):
        exclusive = inputs_of("multi-class")
        assert "Threshold" in metric_table(run, "test").columns
        assert "Threshold" not in metric_table(exclusive, "test").columns
        assert decision_rule(exclusive) == "The class with the highest probability is predicted."

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (
                {"sensitivity": 0.95},
                "the highest value with a sensitivity of at least 0.95, ch",
            ),
            ({"specificity": 0.9}, "the lowest value with a specificity of at least 0.9, chosen"),
            ("youden", "(Youden), chosen on validation alone"),
            ("f1", "the largest F1, chosen on validation alone"),
            (0.3, "fixed at 0.3."),
        ],
    )
    def test_each_rule_is_put_into_words(self, run, rule, words):
        points = run.points.model_copy(update={"rule": rule})
        assert words in decision_rule(replace(run, points=points))

    def test_confusion_of_several_findings_is_one_matrix_each(self, run):
        tables = confusion_tables(run, "test")
        assert [(t.caption, t.of_class) for t in tables] == [("A", "A"), ("B", "B")]
        record = run.metrics.classes["A"]
        counts = [plain(cell).split()[0] for row in tables[0].rows for cell in row.cells]
        assert counts == [str(n) for n in (record.tp, record.fn, record.fp, record.tn)]
        assert 'class="right"' in tables[0].rows[0].cells[0]

    def test_confusion_of_exclusive_classes_is_one_matrix(self):
        inputs = inputs_of("multi-class")
        (table,) = confusion_tables(inputs, "test")
        counts = [int(plain(cell).split()[0]) for row in table.rows for cell in row.cells]
        assert sum(counts) == inputs.metrics.images


class TestCalibration:
    def test_the_frozen_threshold_is_a_stop_with_the_counts_of_the_metrics(self):
        for kind in ("multi-label", "binary", "folds"):
            inputs = inputs_of(kind)
            for name, record in inputs.metrics.classes.items():
                stops = calibration_section.threshold_stops(inputs, name)
                (frozen,) = stops[stops["frozen"]].to_dict("records")
                assert frozen["threshold"] == inputs.points.thresholds[name]
                counts = {key: getattr(record, key) for key in ("tp", "fn", "fp", "tn")}
                assert {key: frozen[key] for key in counts} == counts

    @pytest.mark.parametrize("power", [1, 9])
    def test_every_stop_counts_as_deciding_anew(self, run, power):
        table = run.predictions["test"].copy()
        table["p_A"] **= power  # scores crowd near 0, as those of a rare finding
        threshold = float(table["p_A"].median())
        y, p = table["y_A"], table["p_A"]
        positive = p >= threshold
        counts = {"tp": positive & (y == 1), "fp": positive & (y == 0),
                  "fn": ~positive & (y == 1), "tn": ~positive & (y == 0)}  # fmt: skip
        changed = {key: int(mask.sum()) for key, mask in counts.items()} | {"threshold": threshold}
        classes = run.metrics.classes
        classes = classes | {"A": classes["A"].model_copy(update=changed)}
        test = run.metrics.model_copy(update={"classes": classes})
        results = run.results.model_copy(update={"test": test})
        crowded = replace(run, results=results, predictions={"test": table})
        stops = calibration_section.threshold_stops(crowded, "A")
        assert stops["threshold"].is_monotonic_increasing
        assert stops["frozen"].sum() == 1
        for stop in stops.to_dict("records"):
            assert stop["tp"] == int(((p >= stop["threshold"]) & (y == 1)).sum())
            assert stop["fp"] == int(((p >= stop["threshold"]) & (y == 0)).sum())
        shown = calibration_section.stop_table("A", stops)
        assert sum("(frozen)" in row.head for row in shown.rows) == 1

    def test_every_prevalence_has_its_columns_and_none_no_table(self, run):
        (table,) = calibration_section.prevalence_tables(run, "test")
        assert table.columns[2:6] == ["PPV at 1%", "NPV at 1%", "PPV at 5%", "NPV at 5%"]
        settings = run.results.settings.model_copy(update={"prevalences": []})
        bare = replace(run, results=run.results.model_copy(update={"settings": settings}))
        assert calibration_section.prevalence_tables(bare, "test") == []

    def test_what_cannot_be_drawn_says_why(self, run):
        old = run.calibration.test
        absent = old.classes["B"].model_copy(
            update={"net_benefit": None, "reasons": {"net_benefit": "0 present labels"}}
        )
        subset = old.model_copy(update={"classes": old.classes | {"B": absent}})
        changed = replace(run, calibration=run.calibration.model_copy(update={"test": subset}))
        assert "None: 0 present labels" in plain(calibration_section.section(changed).body)

    def test_without_a_scaling_it_is_said_why(self, run):
        none = Scaling(slope=None, intercept=None, reason="no miscalibration beyond chance")
        changed = {"scaling": dict.fromkeys(run.model.outputs, none)}
        bare = replace(run, calibration=run.calibration.model_copy(update=changed))
        body = calibration_section.section(bare).body
        assert "All classes: slope and intercept: no miscalibration beyond chance" in plain(body)
        assert "diamonds" not in body
        table = calibration_section.calibration_table(bare, "test")
        assert table.columns[1:] == [
            "ECE if calibrated", "Brier score", "ECE", "Intercept", "Slope",
        ]  # fmt: skip
        assert calibration_section.scaling_table(bare).rows[0].head == "All classes"
        some = changed["scaling"] | {"A": Scaling(slope=0.7, intercept=0.1, reason="")}
        scaled = run.calibration.model_copy(update={"scaling": some})
        table = calibration_section.calibration_table(replace(run, calibration=scaled), "test")
        assert table.columns[2:4] == ["Brier score, raw", "Brier score, scaled"]

    def test_exclusive_classes_have_no_threshold_to_move(self):
        body = calibration_section.section(inputs_of("multi-class")).body
        assert "<input" not in body
        assert "vertical line" not in body


class TestCharts:
    curve = pd.DataFrame(
        {"fpr": [0.0, 0.2, 1.0], "tpr": [0.0, 0.8, 1.0], "low": [0.0, 0.5, 0.9], "high": 1.0}
    )
    bins = [  # noqa: RUF012
        Bin(predicted=0.02, observed=0.05, low=0.01, high=0.4, count=20),
        Bin(predicted=0.15, observed=0.1, low=0.05, high=0.2, count=1200),
    ]

    def test_a_chart_names_itself_and_takes_its_colors_from_the_page(self):
        svg = charts.roc({"test": self.curve}, {"test": (0.2, 0.8)}, 'AUROC of "x" & <y>')
        assert 'aria-label="AUROC of &#34;x&#34; &amp; &lt;y&gt;"' in svg
        assert 'stroke="var(--test)"' in svg
        assert "currentColor" in svg
        assert not re.search(r"font-family|http|#[0-9a-f]{3}\b", svg)

    def test_the_band_lies_under_the_last_curve_and_ends_where_it_is_unknown(self):
        def areas(table):
            svg = charts.roc({"val": table, "test": table}, {}, "label")
            assert "NaN" not in svg
            return re.findall(r'<path [^>]*fill="var\(--test\)"[^>]*>', svg)

        (area,) = areas(self.curve)
        (cut,) = areas(self.curve.assign(low=[np.nan, 0.5, 0.9]))
        assert area.count("L") > cut.count("L") > 0

    def test_the_frame_does_not_depend_on_fonts(self):
        boxes = {
            re.search(r'viewBox="[^"]*"', charts.history({"val": [v, 2 * v]}, 1, "loss", ""))[0]
            for v in (0.1, 1e6)
        }
        assert len(boxes) == 1

    def test_gaps_and_flat_or_single_epochs_can_be_drawn(self):
        svg = charts.history({"val": [None, 0.5, 0.6], "train": [None] * 3}, 2, "AUROC", "label")
        assert "NaN" not in svg
        for values in ([0.0], [0.3, 0.3]):
            assert "<path" in charts.history({"val": values}, 1, "F1", "label")

    def test_precision_recall_steps_have_the_area_of_average_precision(self):
        table = pd.DataFrame({"recall": [0, 0, 0.5, 0.5, 1], "precision": [1, 0, 0.5, 0.4, 0.6]})
        steps = charts.steps(table.assign(low=[np.nan, 0, 0.3, 0.2, np.nan], high=1.0))
        recall, precision = steps.index.tolist(), steps["precision"].tolist()
        assert (recall, precision) == ([0, 0.5, 1], [0.5, 0.5, 0.6])
        assert steps["low"].tolist() == pytest.approx([0.3, 0.3, np.nan], nan_ok=True)
        assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(0.55)

    def test_marks_say_what_they_hold(self):
        svg = charts.reliability(self.bins, [], "label")
        assert 'aria-label="predicted 0.150, observed 0.100 of 1,200 images"' in svg
        assert svg == charts.reliability(self.bins, [], "label")
        svg = charts.scores([0, 0, 3, 1], [0, 0, 0, 0], 1.000001, "label")
        assert 'aria-label="0.50–0.75: 3 images with the finding"' in svg
        assert "NaN" not in svg
        assert "without" not in svg
        counts = pd.DataFrame({"": [1], "F": [2]}, index=[40])
        assert 'aria-label="40–49 years, sex female: 2 images"' in charts.ages(counts, "label")
        sizes = pd.DataFrame({"width": [9, 8], "height": [7, 7], "images": [1, 2000]})
        assert 'aria-label="8 × 7: 2,000 images"' in charts.sizes(sizes, "label")

    def test_a_worthless_score_can_be_drawn(self):
        curves = NetBenefit(raw=[0.0, -0.4], scaled=None, treat_all=[-0.1, -0.5])
        assert "NaN" not in charts.decision_curve([0.3, 0.6], curves, "label")

    def test_tidying_keeps_labels_of_marks_and_ticks(self):
        svg = '<g role="x" aria-label="1.2345"><path d="M1.2345,2"/><text>0.123</text></g>'
        tidied = '<g aria-label="1.2345"><path d="M1.2,2"/><text>0.123</text></g>'
        assert plot.tidy(svg) == tidied


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

    def test_the_most_confident_come_first_and_unknown_truth_is_left_out(self):
        rows = [of_kind(self.table, "N|x", kind) for kind in (TP, FP, FN, TN)]
        assert rows == [[1, 0], [2], [4], [3]]

    def test_as_many_as_asked_for_one_per_patient(self, run):
        strip = strips(run, "A")[0]
        ids = [example.image_id for example in strip.examples]
        patients = run.table.set_index("image_id").loc[ids, "patient_id"]
        assert len(ids) == OPTIONS.examples == patients.nunique()
        assert strip.total == run.metrics.classes["A"].tp

    def test_shows_truth_and_probabilities_of_the_class_and_the_others(self, run):
        example = strips(run, "A")[0].examples[0]
        assert "A" in example.truth
        first, *others = example.probabilities
        assert (first.name, first.true) == ("A", True)
        assert [p.name for p in others] == ["B"]

    def test_the_surest_mistakes_have_their_evidence(self, run):
        for name in run.model.outputs:
            for strip in strips(run, name):
                maps = [run.gradcam.map_of(e.image_id, name) for e in strip.examples]
                assert [m is not None for m in maps] == [bool(e.evidence) for e in strip.examples]
                assert strip.kind.right or None not in maps
                assert maps[:1] == [] or maps[0] is not None, strip.kind

    def test_images_are_as_large_as_in_the_cache_where_the_page_can_hold_them(self, run):
        uri = strips(run, "A")[0].examples[0].uri
        image = cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), 0)
        assert image.shape == run.images.shape[1:]
        assert side_for(10, 12_000_000, 512) == 512

    def test_one_output_shows_true_negatives_too(self, run):
        assert [s.kind for s in strips(inputs_of("binary"), "A")] == [TP, TN, FP, FN]
        assert [s.kind for s in strips(run, "A")] == [TP, FP, FN]


class TestExplanations:
    def test_each_class_has_its_image_without_and_with_the_evidence(self, run):
        shown = explanations.pairs(run)
        assert [name for name, _, _ in shown] == run.model.outputs
        table = run.predictions["test"].set_index("image_id")
        for name, probability, (image, explained) in shown:
            row = table.loc[image.caption]
            assert row[f"y_{name}"] == 1
            assert probability == wording.threshold(row[f"p_{name}"])
            assert name in explained.alt

    @pytest.mark.parametrize("metric", ["pointing", "iou"])
    def test_localization_stands_beside_the_prior_random_weights_and_chance(self, run, metric):
        (row,) = explanations.localization_table(run, metric).rows
        scores = run.localization.classes["A"]
        model, prior, difference, random = (
            getattr(score, metric)
            for score in (scores.model, scores.prior, scores.difference, scores.random)
        )
        assert row.head == "A"
        assert row.cells[:4] == [wording.count(scores.images), model, prior, difference]
        assert row.cells[4].value == random.value
        assert row.cells[5] == wording.decimal(scores.area)
        assert "location prior" in explanations.section(run).body

    def test_without_outlines_there_is_no_localization(self, run):
        bare = run.localization.model_copy(update={"classes": {}})
        body = explanations.section(replace(run, localization=bare)).body
        assert "<h3>Localization" not in body
        assert "Sanity check" in body

    def test_randomization_names_the_class_that_it_changes_least(self, run):
        step = CascadeStep(layers="head", similarity={"A": 0.9, "B": 0.1, "C": None}, flat=0.25)
        flat = CascadeStep(layers="all layers", similarity={"A": None}, flat=1.0)
        cascade = run.localization.model_copy(update={"cascade": [step, flat]})
        first, second = explanations.cascade_table(replace(run, localization=cascade)).rows
        assert first.cells == ["0.500", "0.900 (A)", "25.0%"]
        assert second.cells[0].reason == "the model's own maps are flat"

    def test_baselines_stand_in_one_table(self, run):
        table = explanations.baseline_table(run)
        assert table.columns == [
            "Class", "Model", "Metadata", "Model minus metadata", "Gray statistics",
            "Model minus gray statistics", "Border ring", "Model minus border ring",
        ]  # fmt: skip
        assert [row.head for row in table.rows] == ["A", "B", "Mean"]
        ring = run.baselines.baselines["border ring"]
        assert table.rows[-1].cells[-2:] == [ring.mean.baseline, ring.mean.difference]
        assert table.rows[0].cells[-1] == ring.classes["A"].difference

    def test_stress_begins_with_the_images_as_they_are(self, run):
        table, tests = explanations.stress_table(run), run.stress.tests
        heads = [row.head for row in table.rows]
        assert heads == ["As it is", *(test.change.capitalize() for test in tests)]
        assert table.rows[1].cells[4] == tests[0].drops["specificity"]

    def test_every_occlusion_has_its_auroc_and_its_drop(self, run):
        inputs = with_occlusion(run)
        table = explanations.occlusion_table(inputs)
        first, second = table.rows
        assert [plain(show(cell)).strip() for cell in first.cells[:3]] == [
            "0.900", "0.600", "0.300 (0.200–0.400)",
        ]  # fmt: skip
        assert {cell.reason for cell in second.cells} == {"too few patients"}
        assert "55 bootstrap replicates" in table.footnotes[0]

    def test_a_shortcut_has_its_verdict(self, run):
        verdicts = [
            explanations.swap_table(with_occlusion(run, shortcut=flag)).rows[0].cells[-1]
            for flag in (True, False)
        ]
        assert verdicts == ["shortcut", "none seen"]

    def test_without_occlusion_the_tests_are_absent(self, run):
        none = run.occlusion.model_copy(update={"images": 0, "classes": {}})
        bare = replace(run, occlusion=none, occluded={})
        body = explanations.section(bare).body
        assert "Shortcuts" not in body

    def test_without_metadata_that_is_said(self, run):
        metadata = run.subgroups.metadata.model_copy(update={"columns": []})
        bare = replace(run, subgroups=run.subgroups.model_copy(update={"metadata": metadata}))
        assert "No metadata are known" in explanations.section(bare).body
        assert explanations.baseline_table(bare).columns[2] == "Gray statistics"


class TestSubgroups:
    def test_the_worst_group_comes_first_and_the_gap_has_a_p_value(self, run):
        inputs = with_groups(run, 0.012)
        ((name, gap),) = subgroups.largest_gaps(inputs.subgroups.attributes)
        assert subgroups.gap_text(name, gap) == "Sex: AUROC 0.100 lower in F than in M (p = 0.012)."
        table = subgroups.group_table(inputs, "caption", inputs.subgroups.attributes)
        assert [row.head for row in table.rows] == ["Sex: F", "Sex: M", "Sex: U"]
        axis = table.columns[4]
        assert plain(axis).split() == ["0.5", "0.75", "1"], "the bars have an axis"
        assert table.columns[-1] == "Underdiagnosis rate"
        assert "under 30 images" in "".join(table.rows[2].cells)

    def test_nothing_known_is_said(self, run):
        metadata = run.subgroups.metadata.model_copy(update={"columns": []})
        nothing = {"attributes": {}, "pairs": {}, "metadata": metadata}
        bare = replace(run, subgroups=run.subgroups.model_copy(update=nothing))
        body = subgroups.section(bare).body
        assert "Nothing is known by which images could be grouped" in body
        card = model_card(bare)
        assert "No attribute of patients or images is known" in card
        assert "Underdiagnosis rate" not in card


def with_training(inputs: Inputs, training: Training) -> Inputs:
    model = inputs.model.model_copy(update={"training": training})
    return replace(inputs, models={0: model})


def with_phases(inputs: Inputs, *phases: dict, **changes) -> Inputs:
    """The three epochs as two of a first and one of a second phase."""
    training = inputs.model.training
    history = [
        epoch.model_copy(update={"phase": phase, "best": True})
        for epoch, phase in zip(training.history, (0, 0, 1), strict=True)
    ]
    train = training.train.model_copy(update={"phases": list(phases), **changes})
    return with_training(inputs, training.model_copy(update={"train": train, "history": history}))


class TestTraining:
    def test_the_kept_epoch_is_the_best_of_all_phases(self):
        def epochs(*kinds):
            return [Epoch(phase=phase, best=best, train={}, val={}) for phase, best in kinds]

        assert kept_epoch(epochs((0, True), (0, True), (0, False))) == 2
        assert kept_epoch(epochs((0, True), (0, True), (1, True), (1, False))) == 3
        assert kept_epoch(epochs((0, True), (0, True), (1, False), (1, False))) == 2
        assert kept_epoch(epochs((0, False))) == 1

    def test_says_why_it_was_kept(self, run):
        best = kept_epoch(run.model.training.history)
        words = f"3 epochs; the weights of epoch {best} were kept, where validation loss was best"
        assert story(run.model.training).startswith(words)

    def test_the_last_phase_says_what_was_monitored_and_how_it_was_trained(self, run):
        phased = with_phases(run, {}, {"epochs": 7, "optimizer": {"lr": 0.125}}, monitor="auroc")
        words = (
            "3 epochs in 2 phases; the weights of epoch 3 of phase 2 were kept, where validation"
        )
        assert story(phased.model.training).startswith(f"{words} AUROC was best (")
        assert panels(phased.model.training)[0].title == "AUROC"
        words = "2 phases, the last with adamw, learning rate 0.125, at most 7 epochs"
        assert words in model_card(phased)

    def test_a_metric_undefined_in_every_epoch_chose_none(self, run):
        training = run.model.training
        history = [
            epoch.model_copy(update={"best": False, "val": epoch.val | {"loss": None}})
            for epoch in training.history
        ]
        changed = with_training(run, training.model_copy(update={"history": history}))
        assert story(changed.model.training) == (
            "3 epochs; the weights of the last one were kept, because validation loss is undefined"
            " in every epoch."
        )
        title = "Training may have ended early"
        assert title not in [caveat.title for caveat in caveats(changed)]

    def test_a_best_last_epoch_may_have_come_too_early(self, run):
        (caveat,) = [c for c in caveats(with_phases(run, {}, {})) if "ended early" in c.title]
        assert "more train.epochs in the last phase may do better" in caveat.text


class TestReproduction:
    def test_weights_are_counted_and_weighed(self, run, tmp_path):
        tensors = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5), "c": np.zeros(())}
        save_file(tensors, tmp_path / "w", metadata={"format": "pt"})
        assert count_weights(tmp_path / "w") == 3 * 4 + 5 + 1
        assert dict(meta(run))["Weights"] == f"{run.weights[0]:,}, {run.bytes / 1e6:.1f} MB"
        assert run.bytes > 4 * run.weights[0]

    def test_every_parameter_is_shown(self, run):
        shown = parameters(run)
        assert set(shown) == set(Params.model_fields)
        for name, field in Params.model_fields.items():
            assert set(shown[name]) == set(field.annotation.model_fields)

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
        assert as_text(value) == text


class TestModelCard:
    def test_has_all_sections_of_mitchell_et_al_in_their_order(self, run):
        headings = re.findall(r"^## (.*)$", model_card(run), re.MULTILINE)
        assert headings == list(CARD_SECTIONS) == [
            "Model Details", "Intended Use", "Factors", "Metrics", "Evaluation Data",
            "Training Data", "Quantitative Analyses", "Ethical Considerations",
            "Caveats and Recommendations",
        ]  # fmt: skip

    def test_is_filled_from_the_run(self, run):
        text = model_card(with_groups(run, 0.012))
        assert text.startswith("# Model card: cnn5 on Squares")
        assert "Not a medical device" in text
        assert f"| AUROC | {wording.decimal(run.metrics.metrics['auroc'].value)} | " in text
        assert "- Sex: M (40 images), F (40 images) and U (3 images, not evaluated" in text
        assert "| Sex | F | 0.800 | 0.780–0.820 |" in text
        assert "- Sex: M 0.050 (0.030–0.070), F 0.300 (0.280–0.320)" in text
        assert not NO_VALUE.search(text)
        assert "Leaky" in model_card(leaky(run))

    def test_names_caveats_but_not_without_end(self, run):
        noted = run.dataset.model_copy(update={"notes": list("abcdefgh")})
        assert "a. b. c. d. e. And 3 more." in model_card(replace(run, dataset=noted))

    def test_tables_have_as_many_cells_as_columns(self, run):
        blocks = re.findall(r"(?:^\|.*\n)+", model_card(with_groups(run)), re.MULTILINE)
        assert len(blocks) == 4
        for block in blocks:
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


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


class TestPage:
    def test_whole_for_every_kind_of_run(self, any_page):
        anchors = re.findall(r'<section id="(\w+)"', any_page)
        assert anchors == ["summary", "data", "split", "performance", "calibration",
                           "subgroups", "explanations", "examples", "images", "training",
                           "reproduction"]  # fmt: skip
        assert len(anchors) == len(SECTIONS)
        assert not NO_VALUE.search(plain(any_page))
        assert '<span class="leaky">' not in any_page
        assert "thorax-run-" not in any_page, "no path of this machine"
        assert len(any_page) < 300_000

    def test_same_inputs_same_bytes(self, tmp_path, capsys, monkeypatch):
        paths = renamed_run(tmp_path, {"A": "A", "B": "B"})
        texts = []
        for _ in range(2):
            report(OPTIONS, paths)
            texts.append(Path(paths.report).read_bytes() + Path(paths.model_card).read_bytes())
        assert texts[0] == texts[1]
        printed = capsys.readouterr().out.splitlines()
        auroc = inputs_of("multi-label").results.test.metrics["auroc"]
        shown = f"{auroc.value:.4f} ({auroc.low:.4f}–{auroc.high:.4f})"
        assert any(line.split("  ")[0] == "auroc" and shown in line for line in printed)
        assert printed[-1].startswith(f"Report: {Path(paths.report).absolute()} (")
        assert "opens in any browser" in printed[-1]
        monkeypatch.setenv(SUMMARY_FOLLOWS, "1")
        report(OPTIONS, paths)
        assert capsys.readouterr().out == ""

    def test_requests_nothing(self, nasty_page):
        outside = Outside()
        outside.feed(nasty_page)
        assert outside.policy.startswith("default-src 'none'; img-src data:")
        assert outside.tags.isdisjoint({"link", "iframe", "object", "embed", "base", "form"})
        assert outside.addresses
        assert all(re.match(r"#\w|data:image/webp;base64,", at) for at in outside.addresses)
        style = re.search(r"<style>(.*?)</style>", nasty_page, re.DOTALL)[1]
        assert not re.search(r"url\(|@import|@font-face|https?:", style)
        scripts = re.findall(r"<script>(.*?)</script>", nasty_page, re.DOTALL)
        assert len(scripts) == len(SCRIPTS)
        assert not re.search(r"https?:|fetch|XMLHttp|import|innerHTML", "".join(scripts))

    def test_escapes_all_that_comes_from_data_and_marks_a_leaky_split(self, nasty_page):
        assert "<img src=x" not in nasty_page
        text = plain(nasty_page)
        for words in ("note", "bad", "reason"):
            assert f"{words} {NASTY}" in text
        assert nasty_page.count('<span class="leaky">') == 8

    def test_reads_well_to_a_screen_reader(self, nasty_page):
        levels = [int(level) for level in re.findall(r"<h([1-6])\b", nasty_page)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
        for tag, attribute in (("img ", "alt="), (r"th\b", "scope="), ("svg class", "aria-label=")):
            assert all(attribute in element for element in re.findall(f"<{tag}[^>]*>", nasty_page))
        ids = re.findall(r' id="([^"]+)"', nasty_page)
        assert len(ids) == len(set(ids))

    def test_needs_no_learning_library(self):
        code = (
            "import sys, thorax.report; print({'torch', 'sklearn', 'torchvision'} & {*sys.modules})"
        )
        process = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert process.stdout.strip() == "set()"


def test_the_checklists_name_sections_of_the_report(run):
    text = (Path(__file__).parents[1] / "docs" / "checklists.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+(?:–\d+)?) \| .* \| (.*) \|$", text, re.MULTILINE)
    numbers = [n for item, _ in rows for n in _numbers(item)]
    assert numbers == [*range(1, 28), *range(1, 43)]
    titles = {section(run).title for section in SECTIONS}
    assert {where for _, where in rows if where.istitle()} <= titles


def _numbers(item: str) -> range:
    first, _, last = item.partition("–")
    return range(int(first), int(last or first) + 1)
