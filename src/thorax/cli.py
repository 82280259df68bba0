"""The `thorax` command and its subcommands.

A subcommand returns its answer as text, which is printed here, and an exit code where it is not 0;
work that it starts on the way prints its own progress.
Imports stand inside the commands, so that each starts as fast as it can.
"""

import argparse
from pathlib import Path

from thorax.errors import exit_with_message

Outcome = str | tuple[str, int]


def _doctor(_: argparse.Namespace) -> Outcome:
    from thorax.doctor import doctor

    return doctor()


def _summary(_: argparse.Namespace) -> Outcome:
    from thorax.compare.summary import summary

    return summary()


def _gate(arguments: argparse.Namespace) -> Outcome:
    from thorax.compare.gate import gate
    from thorax.config import load_paths

    return gate(load_paths(), arguments.baseline, arguments.margin, arguments.metric)


def _evaluate(arguments: argparse.Namespace) -> Outcome:
    from thorax.compare.external import evaluate_bundle

    bundle, to = Path(arguments.bundle), Path(arguments.to)
    return evaluate_bundle(bundle, arguments.set, to, forced=arguments.forced)


def _compare(arguments: argparse.Namespace) -> Outcome:
    from thorax.compare.ranking import compare

    return compare(arguments.names, test=arguments.test)


def _recipe(arguments: argparse.Namespace) -> Outcome:
    from thorax.studies import run

    if arguments.action == "list":
        return run.table()
    if arguments.action == "show":
        return run.show(arguments.name)
    names = run.names(arguments.names, every=arguments.all, variants=arguments.variants)
    how = {key: getattr(arguments, key) for key in ("smoke", "queue", "fetch")}
    return run.run(names, arguments.set, **how)


def _ledger(arguments: argparse.Namespace) -> Outcome:
    from thorax.studies import ledger, ledger_page

    return ledger.record(arguments.record) if arguments.record else ledger_page.ledger()


def _audit(arguments: argparse.Namespace) -> Outcome:
    from thorax.studies.audit import audit

    json = Path(arguments.json) if arguments.json else None
    return audit(Path(arguments.a), Path(arguments.b), json)


def _protocols(arguments: argparse.Namespace) -> Outcome:
    from thorax.studies.protocols import compare

    return compare(arguments.name, arguments.seeds, arguments.set, fetch=arguments.fetch)


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="thorax", description="Reproducible chest X-ray classifiers")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser("doctor", help="check settings, data and machine before a run")
    doctor.set_defaults(run=_doctor)
    summary = commands.add_parser("summary", help="headline metrics of the last run")
    summary.set_defaults(run=_summary)
    gate = commands.add_parser("gate", help="fail when a test metric fell by more than a margin")
    gate.add_argument("--baseline", required=True, help="git ref, or CSV of test predictions")
    gate.add_argument(
        "--margin", type=float, default=0.02, help="largest fall that passes (%(default)s)"
    )
    gate.add_argument("--metric", default="auroc", help="the test metric that decides (auroc)")
    gate.set_defaults(run=_gate)
    _add_recipe(commands)
    _add_comparisons(commands)
    return top


def _add_recipe(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    recipe = commands.add_parser("recipe", help="published studies: list, show, run")
    recipe.set_defaults(run=_recipe)
    actions = recipe.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="every recipe: data, model, claim")
    show = actions.add_parser("show", help="how a recipe differs from params.yaml")
    show.add_argument("name", metavar="NAME")
    run = actions.add_parser("run", help="run recipes as DVC experiments, one after another")
    run.add_argument("names", nargs="*", metavar="NAME")
    run.add_argument("--all", action="store_true", help="every recipe")
    run.add_argument("--variants", action="store_true", help="and their variants")
    run.add_argument("--smoke", action="store_true", help="on small phantoms, two epochs")
    run.add_argument("--queue", action="store_true", help="into DVC's queue, to start later")
    run.add_argument("--fetch", action="store_true", help="download data that is missing")
    run.add_argument("-S", dest="set", action="append", default=[], metavar="KEY=VALUE")


def _add_comparisons(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ledger = commands.add_parser("ledger", help="published claims beside our runs")
    ledger.set_defaults(run=_ledger)
    ledger.add_argument("--record", nargs="+", metavar="EXPERIMENT", help="keep runs in git")
    audit = commands.add_parser("audit", help="what two sets of images share")
    audit.set_defaults(run=_audit)
    for name in ("a", "b"):
        audit.add_argument(name, metavar=name.upper(), help="folder, archive or manifest.csv")
    audit.add_argument("--json", metavar="FILE", help="write the counts and examples there too")
    evaluate = commands.add_parser("evaluate", help="a finished bundle on other images")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("bundle", metavar="BUNDLE", help="folder that the evaluate stage wrote")
    evaluate.add_argument("--to", default="external", metavar="FOLDER", help="for the results")
    evaluate.add_argument("--forced", action="store_true", help="though it was trained on some")
    evaluate.add_argument("-S", dest="set", action="append", default=[], metavar="KEY=VALUE")
    compare = commands.add_parser("compare", help="rank experiments by validation; two: paired")
    compare.set_defaults(run=_compare)
    compare.add_argument("names", nargs="*", metavar="EXPERIMENT", help="(all)")
    compare.add_argument("--test", action="store_true", help="pair two on the test set instead")
    protocols = commands.add_parser("protocols", help="performance inflation from leakage")
    protocols.set_defaults(run=_protocols)
    protocols.add_argument("name", nargs="?", metavar="NAME", help="a recipe (none: params.yaml)")
    protocols.add_argument("--seeds", type=int, default=3, help="of splits, and of trainings (3)")
    protocols.add_argument("--fetch", action="store_true", help="download data that is missing")
    protocols.add_argument("-S", dest="set", action="append", default=[], metavar="KEY=VALUE")


def main() -> int:
    """Run a command; a user's mistake ends with a message and its exit code."""
    with exit_with_message():
        arguments = parser().parse_args()
        outcome: Outcome = arguments.run(arguments)
        text, code = (outcome, 0) if isinstance(outcome, str) else outcome
        print(text)
        return code
