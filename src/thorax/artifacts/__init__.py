"""What stages hand to each other as JSON: one model per file, written and read through it."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from thorax.errors import IntegrityError
from thorax.io import read_json, write_json


class Record(BaseModel):
    """Part of an artifact: immutable, no unknown keys, never NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Artifact(Record):
    """A JSON file that one stage writes and later ones read."""

    def write(self, path: Path) -> None:
        """Write under the final name only when complete."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check.

        Raises:
            DataError: the file is missing or not JSON.
            IntegrityError: another version of thorax wrote it, or somebody changed it.
        """
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise IntegrityError(
                f"{path} does not hold what this version writes ({key}: {first['msg']}). Run"
                " `dvc repro`; if nothing runs, `dvc repro -f`."
            ) from None


class Estimate(Record):
    """A figure, its 95% interval, and why one of them is missing.

    Attributes:
        value: None where undefined.
        low, high: bounds of the interval, None where there is none.
        undefined_replicates: bootstrap replicates in which the figure is undefined; left out.
        reason: why `value` is None; else empty.
        caution: why the interval may not hold the truth in 95% of samples; else empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined_replicates: int = 0
    reason: str = ""
    caution: str = ""
