"""CI: what it makes of the gate's exit codes is what the benchmark simulates."""

import os
import re
import subprocess

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
