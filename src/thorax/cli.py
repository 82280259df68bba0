"""The `thorax` command and its subcommands.

Commands that need a project find its root from any folder within; paths on the command line are
taken from where it was typed.
"""

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from thorax import subcommands
from thorax.errors import DISTRIBUTION, ResourceError, exit_with_message

HELP = """\
-S KEY=VALUE sets a key of params.yaml for this command, by its dotted name, as in
`dvc exp run -S`; again for another key:  -S model.name=resnet18 -S train.epochs=10
`thorax run` writes it into params.yaml, the others leave that file alone.

exit codes: 0 done; 1 recipes or a run failed; 2 settings or command line; 3 data; 4 integrity, or
an audit that found something; 5 loss no longer finite; 6 disk, memory or network; 7 gate failed;
8 gate inconclusive; 75 in use by another process; 130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="thorax",
        description="Reproducible chest X-ray classifiers",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.set_defaults(project=True)
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_starts(commands)
    summary = commands.add_parser("summary", help="headline metrics of the last run")
    summary.set_defaults(run=subcommands.summary)
    gate = commands.add_parser("gate", help="fail when a test metric fell by more than a margin")
    gate.add_argument(
        "--baseline", required=True, help="experiment, commit, or CSV of test predictions"
    )
    gate.add_argument(
        "--margin", type=float, default=0.02, help="largest fall that passes (%(default)s)"
    )
    gate.add_argument("--metric", default="auroc", help="the test metric that decides (auroc)")
    gate.set_defaults(run=subcommands.gate)
    _add_markdown(gate)
    _add_recipe(commands)
    _add_comparisons(commands)
    return top


def _version() -> str:
    try:
        return f"thorax {version(DISTRIBUTION)}"
    except PackageNotFoundError:
        return f"thorax, not installed: {Path(__file__).parent}"


def _path(text: str) -> Path:
    """Absolute, because commands work in the root of the project."""
    return Path(text).absolute()


def _add_set(parser: argparse.ArgumentParser) -> None:
    about = "another value for a key of params.yaml, such as train.epochs=10"
    parser.add_argument(
        "-S", dest="set", action="append", default=[], metavar="KEY=VALUE", help=about
    )


def _add_markdown(parser: argparse.ArgumentParser) -> None:
    about = "tables in Markdown, not in columns"
    parser.add_argument("--markdown", action="store_true", help=about)


def _add_starts(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    init = commands.add_parser("init", help="make a project in a new folder")
    init.set_defaults(run=subcommands.init, project=False)
    init.add_argument("folder", metavar="DIR", type=_path)
    card = commands.add_parser("card", help="draft the card of a table of images")
    card.set_defaults(run=subcommands.card, project=False)
    card.add_argument("table", metavar="TABLE", type=_path, help="CSV, TSV or Parquet")
    about = "folder or archive (the table's folder)"
    card.add_argument("images", metavar="IMAGES", type=_path, nargs="?", help=about)
    doctor = commands.add_parser("doctor", help="check settings, data and machine before a run")
    doctor.set_defaults(run=subcommands.doctor)
    _add_set(doctor)
    run = commands.add_parser("run", help="the same, then `dvc exp run`, then the summary")
    run.set_defaults(run=subcommands.run)
    run.add_argument("-n", dest="name", metavar="NAME", help="of the experiment")
    where = run.add_mutually_exclusive_group()
    for how, about in (("temp", "in a copy, leaving your files alone"), ("queue", "later")):
        where.add_argument(
            f"--{how}", dest="where", action="store_const", const=f"--{how}", help=about
        )
    _add_set(run)


def _add_recipe(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    recipe = commands.add_parser("recipe", help="published studies: list, show, run")
    recipe.set_defaults(run=subcommands.recipe)
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
    _add_set(run)


def _add_comparisons(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ledger = commands.add_parser("ledger", help="published claims beside our runs")
    ledger.set_defaults(run=subcommands.ledger)
    ledger.add_argument("--record", nargs="+", metavar="EXPERIMENT", help="keep runs in git")
    audit = commands.add_parser("audit", help="what two sets of images share")
    audit.set_defaults(run=subcommands.audit, project=False)
    for name in ("a", "b"):
        about = "folder, archive or manifest.csv"
        audit.add_argument(name, metavar=name.upper(), type=_path, help=about)
    about = "write the counts and examples there too"
    audit.add_argument("--json", metavar="FILE", type=_path, help=about)
    evaluate = commands.add_parser("evaluate", help="a finished bundle on other images")
    evaluate.set_defaults(run=subcommands.evaluate)
    about = "folder that the evaluate stage wrote"
    evaluate.add_argument("bundle", metavar="BUNDLE", type=_path, help=about)
    about = "for the results (external)"
    evaluate.add_argument(
        "--to", default=Path("external"), type=_path, metavar="FOLDER", help=about
    )
    evaluate.add_argument("--forced", action="store_true", help="though it was trained on some")
    _add_set(evaluate)
    export = commands.add_parser("export", help="a bundle as ONNX, safetensors and a page")
    export.set_defaults(run=subcommands.export)
    export.add_argument("bundle", metavar="BUNDLE", type=_path, help="of the evaluate stage")
    export.add_argument("to", metavar="DIR", type=_path, help="for the files")
    predict = commands.add_parser("predict", help="classify images by a bundle or an export")
    predict.set_defaults(run=subcommands.predict, project=False)
    predict.add_argument("model", metavar="BUNDLE", type=_path, help="or what export wrote")
    about = "image, folder or archive"
    predict.add_argument("places", metavar="PATH", type=_path, nargs="+", help=about)
    about = "CSV or JSON (printed as CSV)"
    predict.add_argument("--to", metavar="FILE", type=_path, help=about)
    about = "Grad-CAM over the images; needs a bundle"
    predict.add_argument("--heatmaps", metavar="DIR", type=_path, help=about)
    about = "of each class where the images are from: adds predictive values"
    predict.add_argument("--prevalence", metavar="P", type=float, help=about)
    compare = commands.add_parser(
        "compare", help="rank runs by validation, pair those that are named"
    )
    compare.set_defaults(run=subcommands.compare)
    about = "experiment, commit or workspace; the first is compared with each other one (all, HEAD)"
    compare.add_argument("names", nargs="*", metavar="RUN", help=about)
    compare.add_argument("--test", action="store_true", help="pair on the test set instead")
    _add_markdown(compare)
    protocols = commands.add_parser("protocols", help="performance inflation from leakage")
    protocols.set_defaults(run=subcommands.protocols)
    protocols.add_argument("name", nargs="?", metavar="NAME", help="a recipe (none: params.yaml)")
    protocols.add_argument("--seeds", type=int, default=3, help="of splits, and of trainings (3)")
    protocols.add_argument("--fetch", action="store_true", help="download data that is missing")
    _add_markdown(protocols)
    _add_set(protocols)


def main() -> int:
    """Run a command; a user's mistake ends with a message and its exit code."""
    with exit_with_message():
        arguments = parser().parse_args()
        if arguments.project:
            from thorax.project import find_root

            os.chdir(find_root(Path.cwd()))
        try:
            outcome: subcommands.Outcome = arguments.run(arguments)
        except ModuleNotFoundError as error:
            raise ResourceError(
                f"This command needs {error.name}, which is not installed. `pip install"
                f" '{DISTRIBUTION}[train]'` brings all that training needs."
            ) from None
        text, code = (outcome, 0) if isinstance(outcome, str) else outcome
        try:
            print(text, flush=True)
        except BrokenPipeError:  # `| head` has seen enough; the interpreter must not flush again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
