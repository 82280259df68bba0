"""The command: what it prints, how it ends, and where its options arrive."""

import subprocess
import sys
from pathlib import Path

import pytest

from small_run import ROOT
from thorax.cli import main, parser
from thorax.errors import DataError


@pytest.fixture
def thorax(monkeypatch, capsys):
    """Call the command in a project; its exit code, and what it printed."""
    monkeypatch.chdir(ROOT)

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
    monkeypatch.setattr("thorax.subcommands.summary", lambda _: outcome)
    text = outcome if code == 0 else outcome[0]
    assert thorax("summary") == (code, f"{text}\n")


def test_a_mistake_ends_with_its_message_and_its_code(thorax, monkeypatch):
    def fail(_):
        raise DataError("No such folder.")

    monkeypatch.setattr("thorax.subcommands.summary", fail)
    assert thorax("summary") == (3, "\nDataError: No such folder.\n")


def test_a_bug_keeps_its_traceback(thorax, monkeypatch):
    monkeypatch.setattr("thorax.subcommands.summary", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        thorax("summary")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["audit", "a", "b"], {"a": Path.cwd() / "a", "b": Path.cwd() / "b", "json": None}),
        (["run", "-n", "x", "--temp"], {"name": "x", "where": "--temp", "set": []}),
        (["doctor", "-S", "a=1"], {"set": ["a=1"], "project": True}),
        (["recipe", "run", "x", "-S", "a=1", "-S", "b=2"], {"names": ["x"], "set": ["a=1", "b=2"]}),
        (["gate", "--baseline", "HEAD"], {"margin": 0.02, "metric": "auroc"}),
        (["evaluate", "bundle", "--forced"], {"to": Path("external"), "forced": True}),
        (["compare"], {"names": [], "test": False}),
        (["compare", "a", "b", "--test"], {"names": ["a", "b"], "test": True}),
        (["protocols"], {"name": None, "seeds": 3}),
    ],
)
def test_options_arrive_where_they_are_read(words, expected):
    arguments = vars(parser().parse_args(words))
    assert {key: arguments[key] for key in expected} == expected


def test_commands_work_in_any_folder_of_the_project(thorax, monkeypatch):
    monkeypatch.setattr("thorax.subcommands.summary", lambda _: str(Path.cwd()))
    monkeypatch.chdir(ROOT / "src")
    assert thorax("summary") == (0, f"{ROOT}\n")


def test_outside_of_a_project_only_some_commands_work(thorax, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, text = thorax("summary")
    assert code == 2
    assert "thorax init DIR" in text
    assert thorax("--version")[0] == 0
    code, text = thorax("card", "none.csv")
    assert code == 3
    assert f"{tmp_path}/none.csv does not exist" in text
    assert thorax("audit", "a", "b")[0] == 3


def test_help_explains_settings_and_exit_codes(thorax):
    code, text = thorax("--help")
    assert code == 0
    assert "-S KEY=VALUE sets a key of params.yaml" in text
    assert "7 gate failed" in text
    assert "train.epochs=10" in thorax("evaluate", "--help")[1]


def test_a_reader_that_has_seen_enough_is_no_error():
    code = "import sys; from thorax.cli import main; sys.argv[0] = 'thorax'; sys.exit(main())"
    command = f'"{sys.executable}" -c "{code}" recipe list'
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("works", [True, False])
def test_a_run_is_checked_first_and_summed_up_last(thorax, monkeypatch, works):
    order = []
    monkeypatch.setattr("thorax.studies.experiments.require_commit", lambda: None)
    monkeypatch.setattr("thorax.doctor.doctor", lambda settings: f"checked {settings}")
    monkeypatch.setattr("thorax.compare.summary.summary", lambda: "metrics")
    monkeypatch.setattr("thorax.studies.experiments.start", lambda *how: order.append(how) or works)
    code, text = thorax("run", "-n", "x", "-S", "train.epochs=1")
    assert order == [(["train.epochs=1"], "x", None)]
    assert text.startswith("checked ['train.epochs=1']\n")
    assert ("metrics" in text, code) == ((True, 0) if works else (False, 1))


def test_a_run_that_would_fail_is_not_started(thorax, monkeypatch):
    def fail(*_):
        raise AssertionError

    monkeypatch.setattr("thorax.studies.experiments.require_commit", lambda: None)
    monkeypatch.setattr("thorax.studies.experiments.start", fail)
    code, text = thorax("run", "-S", "train.epoch=3")
    assert code == 2
    assert "did you mean epochs?" in text


def test_a_command_that_trains_says_what_is_not_installed(thorax, monkeypatch):
    """An install for `thorax predict` alone has neither torch nor DVC."""
    monkeypatch.setitem(sys.modules, "thorax.compare.summary", None)
    code, printed = thorax("summary")
    assert code == 6
    assert "pip install 'thorax-cxr[train]'" in printed
