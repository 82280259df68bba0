"""Two DVC experiments side by side, paired over the patients of their common test part."""

from thorax.compare.gate import compared
from thorax.compare.history import committed_predictions
from thorax.errors import ConfigError, DataError
from thorax.metrics.paired import differences
from thorax.studies import experiments


def compare(first: str, second: str) -> str:
    """Markdown: every test metric of two experiments and the second minus the first.

    Raises:
        ConfigError: no such experiment.
        DataError: predictions that are not in the cache, or other test images.
    """
    tables = []
    for name in (first, second):
        ref = experiments.newest_ref(name)
        if ref is None:
            known = ", ".join(experiments.names()) or "none"
            raise ConfigError(f"No experiment is called {name!r}; there are: {known}.")
        table = committed_predictions(ref)
        if table is None:
            raise DataError(f"The predictions of {name} are not in the DVC cache; `dvc pull`?")
        tables.append(table)
    found = differences(current=tables[1], baseline=tables[0])
    patients = tables[0]["patient_id"].nunique()
    head = (
        f"baseline: {first}, current: {second}; {len(tables[0])} test images of {patients} patients"
    )
    return f"{head}\n\n{compared(found)}"
