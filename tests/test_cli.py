"""The command: what it prints, how it ends, and where its options arrive."""

import sys

import pytest

from thorax.cli import main, parser
from thorax.errors import DataError


@pytest.fixture
def thorax(monkeypatch, capsys):
    """Call the command; its exit code, and what it printed."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["thorax", *words])
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
        return code, "".join(capsys.readouterr())

    return call


def test_an_unknown_command_lists_the_known_ones(thorax):
    code, text = thorax("sumary")
    assert code == 2
    assert "summary" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("outcome", "code"), [("all is well", 0), (("two images are shared", 4), 4)]
)
def test_the_text_is_printed_and_the_code_returned(thorax, monkeypatch, outcome, code):
    monkeypatch.setattr("thorax.cli._summary", lambda _: outcome)
    text = outcome if code == 0 else outcome[0]
    assert thorax("summary") == (code, f"{text}\n")


def test_a_mistake_ends_with_its_message_and_its_code(thorax, monkeypatch):
    def fail(_):
        raise DataError("No such folder.")

    monkeypatch.setattr("thorax.cli._summary", fail)
    assert thorax("summary") == (3, "\nDataError: No such folder.\n")


def test_a_bug_keeps_its_traceback(thorax, monkeypatch):
    monkeypatch.setattr("thorax.cli._summary", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        thorax("summary")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["audit", "a", "b"], {"a": "a", "b": "b", "json": None}),
        (["recipe", "run", "x", "-S", "a=1", "-S", "b=2"], {"names": ["x"], "set": ["a=1", "b=2"]}),
        (["gate", "--baseline", "HEAD"], {"margin": 0.02, "metric": "auroc"}),
        (["evaluate", "bundle", "--forced"], {"to": "external", "forced": True}),
        (["compare"], {"names": [], "test": False}),
        (["compare", "a", "b", "--test"], {"names": ["a", "b"], "test": True}),
        (["protocols"], {"name": None, "seeds": 3}),
    ],
)
def test_options_arrive_where_they_are_read(words, expected):
    arguments = vars(parser().parse_args(words))
    assert {key: arguments[key] for key in expected} == expected
