"""Color: on a terminal only, and not where it is unwanted."""

import io

import pytest

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
