"""The `thorax` command: `thorax doctor`, `thorax gate`, `thorax summary`.

Imports stand inside the commands, so that each starts as fast as it can.
"""

import argparse
from pathlib import Path

from thorax.config import load_paths
from thorax.errors import exit_with_message


def _doctor(_: argparse.Namespace) -> int:
    from thorax.doctor import main

    return main()


def _summary(_: argparse.Namespace) -> int:
    from thorax.summary import main

    return main()


def _gate(arguments: argparse.Namespace) -> int:
    from thorax.gate import gate

    print(gate(Path(load_paths().metrics), arguments.baseline, arguments.tolerance))
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="thorax", description="Reproducible chest X-ray classifiers")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser("doctor", help="check settings, data and machine before a run")
    doctor.set_defaults(run=_doctor)
    summary = commands.add_parser("summary", help="headline metrics of the last run")
    summary.set_defaults(run=_summary)
    gate = commands.add_parser("gate", help="fail when a headline metric has fallen")
    gate.add_argument("--baseline", required=True, metavar="REF", help="git ref to compare with")
    gate.add_argument("--tolerance", type=float, default=0.02, help="largest fall that passes")
    gate.set_defaults(run=_gate)
    return top


def main() -> int:
    """Run a command; a user's mistake ends with a message and its exit code."""
    with exit_with_message():
        arguments = parser().parse_args()
        return int(arguments.run(arguments))
