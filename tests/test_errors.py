"""How a process ends, and what it prints then."""

import io
import subprocess
import sys

import pytest

from small_run import ROOT
from thorax.errors import DataError, exit_with_message, marked


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_only_a_terminal_gets_color_and_none_where_it_is_unwanted(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert marked("LEAKY", Terminal()) == "\033[31mLEAKY\033[0m"
    assert marked("LEAKY", io.StringIO()) == "LEAKY"
    monkeypatch.setenv("NO_COLOR", "1")
    assert marked("LEAKY", Terminal()) == "LEAKY"


def test_an_error_in_a_pipe_has_no_color(capsys):
    with pytest.raises(SystemExit, match="3"), exit_with_message():
        raise DataError("no image")
    assert capsys.readouterr().err == "\nDataError: no image\n"


STAGE = """
import sys, time
sys.path.insert(0, {src!r})
from thorax.errors import stage
with stage():
    print("running", flush=True)
    time.sleep(600)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process")
def test_a_stage_ends_with_the_dvc_that_started_it():
    """It ran on as an orphan, and the next `dvc repro` trained beside it."""
    script = STAGE.format(src=str(ROOT / "src"))
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout.readline() == "running\n"
        parent.kill()
        # The stage holds the other ends of both pipes: reading ends when it has ended.
        assert parent.stdout.read() == ""
        assert "Interrupted." in parent.stderr.read()
