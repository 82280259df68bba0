"""The description of a data set of one class, without its images."""

from small_run import params
from thorax.artifacts.data import DatasetCounts, DatasetInfo


def description(path: str, *, root: str = "path", store: str | None = None) -> DatasetInfo:
    """A data set whose images lie at `data.path`, or in the raw store under a name."""
    return DatasetInfo(
        source="folder", title="Squares", citation="Nobody 2024.", license="CC0",
        patient_namespace="squares", patient_rule="listed", task="multi-label", classes=["A"],
        positive=None, root=root, store=store,
        data=params(data={"source": "folder", "path": path}).data,
        counts=DatasetCounts(
            images=1, patients=1, official_trainval=0, official_test=0, classes={}
        ),
        notes=[],
    )  # fmt: skip
