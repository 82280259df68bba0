"""Progress: a bar is full when its work is done, and long work says which part of it runs."""

import pytest

from thorax.progress import bar, parts


def test_a_bar_ends_full_where_its_total_was_an_estimate(capsys):
    with bar("read", total=10) as progress:
        progress.update(7)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("read: 100%")
    assert "7/7" in last


def test_a_bar_that_is_interrupted_does_not_claim_to_be_done(capsys):
    with pytest.raises(KeyboardInterrupt), bar("read", total=10) as progress:
        progress.update(7)
        raise KeyboardInterrupt
    assert "100%" not in capsys.readouterr().err


def test_parts_are_named_as_they_begin(capsys):
    with parts("evaluate", 2) as begin:
        begin("metrics")
        begin("calibration")
    shown = capsys.readouterr().err.splitlines()
    assert any(line.startswith("evaluate: metrics:   0%") for line in shown)
    assert any(line.startswith("evaluate: calibration:  50%") for line in shown)
    assert shown[-1].startswith("evaluate: calibration: 100%")
