"""CI and the install: what CI makes of the gate is what the benchmark simulates; locks fit."""

import os
import re
import subprocess
import tomllib

import pytest
from ruamel.yaml import YAML

from small_run import ROOT

WORKFLOW = YAML(typ="safe").load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
(STEP,) = (
    step["run"]
    for step in WORKFLOW["jobs"]["pipeline"]["steps"]
    if "thorax gate" in step.get("run", "")
)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0, 9, 0), (7, 9, 7), (3, 9, 3), (8, 0, 0), (8, 7, 7), (8, 8, 8)],
)
def test_an_inconclusive_gate_must_pass_with_a_wider_margin(tmp_path, first, second, expected):
    gate = tmp_path / ".venv/bin/thorax"
    gate.parent.mkdir(parents=True)
    gate.write_text(
        f'#!/bin/sh\necho "asked $*"\ncase "$*" in *--margin*) exit {second};; esac\nexit {first}\n'
    )
    gate.chmod(0o755)
    shown = tmp_path / "summary"
    done = subprocess.run(
        ["bash", "-e", "-c", STEP],
        cwd=tmp_path, env=os.environ | {"GITHUB_STEP_SUMMARY": str(shown)}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode != 0) == (expected != 0)
    assert shown.read_text().count("asked gate --baseline origin/main") == 1 + (first == 8)


def test_the_benchmark_knows_the_wider_margin():
    (margin,) = re.findall(r"--margin ([0-9.]+)", STEP)
    source = (ROOT / "benchmarks/gate_power.py").read_text(encoding="utf-8")
    assert f"CI_MARGIN = {margin}  #" in source


def step(job, word):
    (found,) = (s for s in WORKFLOW["jobs"][job]["steps"] if word in s.get("uses", ""))
    return found["with"]


def test_the_published_site_holds_the_report_of_its_own_run():
    sent, received = step("pipeline", "upload-artifact"), step("docs", "download-artifact")
    assert WORKFLOW["jobs"]["docs"]["needs"] == "pipeline"
    assert sent["name"] == received["name"]
    assert sent["path"] == f"{received['path']}/report.html"
    assert f'["../{sent["path"]}"]' in (ROOT / "docs/conf.py").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f". {step('docs', 'upload-pages')['path']}\n" in makefile


def pinned(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^([a-z0-9.-]+)==(\S+)", text))


def named(requirements):
    requirements = [text for text in requirements if isinstance(text, str)]  # not `include-group`
    return {re.match(r"[\w.-]+", text)[0].lower().replace(".", "-") for text in requirements}


def test_the_lock_of_a_run_holds_what_it_needs_and_no_tool():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    run, tools = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert named(project["project"]["dependencies"] + groups["install"]) <= {n for n, _ in run}
    wanted = named(groups["dev"] + groups["docs"])
    assert wanted <= {name for name, _ in tools}
    assert not wanted & {name for name, _ in run}
    both = {name for name, _ in run} & {name for name, _ in tools}
    assert {pin for pin in run if pin[0] in both} == {pin for pin in tools if pin[0] in both}


def test_ci_starts_with_the_oldest_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pythons = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={pythons[0]}"


def test_the_citation_names_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
