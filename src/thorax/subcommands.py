"""What the subcommands do: from arguments to an answer as text, with an exit code if not 0.

Work that one starts on the way prints its own progress. Imports stand inside, so that each starts
as fast as it can.
"""

import argparse

Outcome = str | tuple[str, int]


def doctor(arguments: argparse.Namespace) -> Outcome:
    """Check settings, data and machine."""
    from thorax.doctor import doctor as check

    return check(arguments.set)


def run(arguments: argparse.Namespace) -> Outcome:
    """Check, run as an experiment, sum up."""
    from thorax.compare.summary import summary
    from thorax.doctor import doctor
    from thorax.studies import experiments

    experiments.require_commit()
    print(doctor(arguments.set), flush=True)
    if not experiments.start(arguments.set, arguments.name, arguments.where):
        undo = "`git checkout params.yaml` undoes settings made by -S"
        return f"The run failed, for the reason above; {undo}.", 1
    if arguments.where is None:
        return summary()
    return "`thorax compare` ranks experiments, `dvc exp apply NAME` brings one's files and report."


def init(arguments: argparse.Namespace) -> Outcome:
    """Make a project."""
    from thorax.project import create

    return create(arguments.folder)


def card(arguments: argparse.Namespace) -> Outcome:
    """Draft a card."""
    from thorax.draft import draft

    return draft(arguments.table, arguments.images or arguments.table.parent)


def summary(_: argparse.Namespace) -> Outcome:
    """The last run's metrics."""
    from thorax.compare.summary import summary

    return summary()


def gate(arguments: argparse.Namespace) -> Outcome:
    """Whether a test metric fell."""
    from thorax.compare.gate import gate
    from thorax.config import load_paths

    chosen = arguments.baseline, arguments.margin, arguments.metric
    return gate(load_paths(), *chosen, markdown=arguments.markdown)


def evaluate(arguments: argparse.Namespace) -> Outcome:
    """A bundle on other images with labels."""
    from thorax.compare.external import evaluate_bundle

    forced: bool = arguments.forced
    return evaluate_bundle(arguments.bundle, arguments.set, arguments.to, forced=forced)


def predict(arguments: argparse.Namespace) -> Outcome:
    """A bundle or an export on images without."""
    from thorax.inference import predict

    names = "model", "places", "to", "prevalence", "heatmaps"
    return predict(**{name: getattr(arguments, name) for name in names})


def export(arguments: argparse.Namespace) -> Outcome:
    """A bundle for others."""
    from thorax.config import load_paths
    from thorax.export import export

    return export(arguments.bundle, arguments.to, load_paths())


def compare(arguments: argparse.Namespace) -> Outcome:
    """Rank and pair runs."""
    from thorax.compare.ranking import compare

    return compare(arguments.names, test=arguments.test, markdown=arguments.markdown)


def recipe(arguments: argparse.Namespace) -> Outcome:
    """List, show or run studies."""
    from thorax.studies import run

    if arguments.action == "list":
        return run.table()
    if arguments.action == "show":
        return run.show(arguments.name)
    names = run.names(arguments.names, every=arguments.all, variants=arguments.variants)
    how = {key: getattr(arguments, key) for key in ("smoke", "queue", "fetch")}
    return run.run(names, arguments.set, **how)


def ledger(arguments: argparse.Namespace) -> Outcome:
    """Claims beside our runs."""
    from thorax.studies import ledger, ledger_page

    return ledger.record(arguments.record) if arguments.record else ledger_page.ledger()


def audit(arguments: argparse.Namespace) -> Outcome:
    """What two sets share."""
    from thorax.studies.audit import audit

    return audit(arguments.a, arguments.b, arguments.json)


def protocols(arguments: argparse.Namespace) -> Outcome:
    """What leakage adds."""
    from thorax.studies.protocols import compare

    how = {key: getattr(arguments, key) for key in ("fetch", "markdown")}
    return compare(arguments.name, arguments.seeds, arguments.set, **how)
