"""95% intervals from what each patient contributes: no replicates, one method for every metric.

Images of one patient are alike, so patients are what a sample is made of. What a metric would
change with the weight of one patient is that patient's influence, and the sum of squared influences
is the variance (infinitesimal jackknife, Efron 1982; of the AUROC it is the clustered DeLong of
Obuchowski 1997, Biometrics 53). Metrics between 0 and 1 get their interval on the logit, the loss
on the logarithm, so that no bound is impossible; quantiles are Student's t. How often they hold the
truth is measured in benchmarks/coverage.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtr, stdtrit
from scipy.stats import binomtest

from thorax.artifacts import Estimate
from thorax.io import rounded
from thorax.tasks import Array

BACK: dict[str, Callable[[Array], Array]] = {"logit": expit, "log": np.exp, "plain": np.asarray}
FEW = 30  # patients under which the coverage of some metric leaves .93 to .97


@dataclass(frozen=True)
class Patients:
    """Whose each image is: a number under `count` [N]; `images` where no two are of one patient."""

    of_image: NDArray[np.int64]
    count: int
    unit: str = "patients"

    @classmethod
    def of(cls, names: "pd.Series[str]") -> "Patients":
        """Patients of a column of their ids."""
        codes, unique = pd.factorize(names)
        unit = "patients" if len(unique) < len(codes) else "images"
        return cls(codes.astype(np.int64), len(unique), unit)

    def take(self, images: NDArray[np.int64] | NDArray[np.bool_]) -> "Patients":
        """The same patients for some of the images."""
        return replace(self, of_image=self.of_image[images])

    def total(self, values: Array) -> Array:
        """Sums over the images of each patient [P] of values [N]."""
        sums: Array = np.bincount(self.of_image, values, self.count).astype(float)
        return sums

    def number(self, images: NDArray[np.bool_]) -> int:
        """Patients with at least one of the images [N]."""
        return len(np.unique(self.of_image[images]))


@dataclass(frozen=True)
class Statistic:
    """A figure of a sample, and what each of P patients contributes to its error.

    Statistics of the same patients can be averaged and subtracted: whatever they share cancels.

    Attributes:
        value: NaN where undefined.
        influence: change of the value with each patient's weight [P]; their squares add up to the
            variance.
        df: degrees of freedom of that variance; under 1 there is no interval.
        patients: it rests on so many: of those with and without a finding, the fewer.
        basis: which these are, such as `with the finding`.
        edge: fewer patients in error (`patients` times the distance to 0 or 1) are too few.
        scale: on which it is close to normal.
        biased_if_few: of few patients it is biased, which a mean over classes keeps.
        unit: `patients`, or `images` where no two are of one patient.
    """

    value: float
    influence: Array
    df: float
    patients: int
    basis: str
    edge: float = 0.0
    scale: Literal["logit", "log", "plain"] = "logit"
    biased_if_few: bool = False
    unit: str = "patients"

    @property
    def variance(self) -> float:
        """Squared standard error."""
        return float((self.influence**2).sum())

    @property
    def at_end(self) -> bool:
        """A proportion of 0 or 1, whose influences are all 0."""
        return self.scale == "logit" and self.value in (0, 1)

    def interval(self) -> tuple[float | None, float | None]:
        """95% interval; at 0 or 1 Wilson's over its patients, for the next one is not certain."""
        if not np.isfinite(self.value) or min(self.df, self.patients) < 1:
            return None, None
        if self.at_end:
            return wilson(round(self.value) * self.patients, self.patients)
        at = self.linked()
        half = stdtrit(self.df, 0.975) * np.sqrt(at.variance)  # Student's t
        low, high = BACK[self.scale](at.value + half * np.array([-1, 1]))
        return float(low), float(high)

    def linked(self) -> "Statistic":
        """The same on its scale; at 0 or 1 moved inside by half a patient."""
        value, influence = self.value, self.influence
        if self.at_end:
            value = (value * self.patients + 0.5) / (self.patients + 1)
            # One constant for all: uncorrelated with every influence, as those add up to 0.
            error = np.sqrt(value * (1 - value) / self.patients)
            influence = np.full(len(influence), error / np.sqrt(len(influence)))
        if self.scale == "logit":
            value, influence = logit(value), influence / (value * (1 - value))
        elif self.scale == "log":
            value, influence = np.log(value), influence / value
        return replace(self, value=float(value), influence=influence, scale="plain")

    def estimate(self, reason: str = "") -> Estimate:
        """With its interval and what speaks against it, four decimals.

        Args:
            reason: why it may be undefined.
        """
        low, high = self.interval()
        known = bool(np.isfinite(self.value))
        return Estimate(
            value=rounded(self.value),
            low=rounded(low),
            high=rounded(high),
            reason="" if known else reason,
            caution=self._caution() if known else "",
        )

    def _caution(self) -> str:
        if self.patients < FEW:
            return f"under {FEW} {self.unit} {self.basis} ({self.patients})"
        if self.scale == "logit" and self.patients * min(self.value, 1 - self.value) < self.edge:
            near = f"so near {round(self.value)} that"
            return f"{near} few of {self.patients} {self.unit} decide it"
        return ""


def undefined(patients: Patients, basis: str) -> Statistic:
    """A figure that the sample does not have."""
    return Statistic(np.nan, np.zeros(patients.count), 0, 0, basis, unit=patients.unit)


def mean(statistics: Sequence[Statistic]) -> Statistic:
    """Mean of those that are defined, at least one.

    It rests on as many patients as its degrees of freedom say, but where few patients bias the
    figure on as many as the class of the fewest.
    """
    known = [each for each in statistics if np.isfinite(each.value)] or list(statistics[:1])
    if len(known) == 1:
        return known[0]
    df = _satterthwaite(known)
    patients, basis = int(df) + 1, "in effect"
    fewest = min(known, key=lambda each: each.patients)
    if fewest.biased_if_few:
        patients, basis = fewest.patients, f"{fewest.basis} in one class"
    return replace(
        known[0],
        value=float(np.mean([each.value for each in known])),
        influence=np.mean([each.influence for each in known], axis=0),
        df=df,
        patients=patients,
        basis=basis,
    )


def difference(a: Statistic, b: Statistic) -> Statistic:
    """The first minus the second, of the same patients."""
    return replace(
        min(a, b, key=lambda each: each.patients),
        value=a.value - b.value,
        influence=a.influence - b.influence,
        df=_satterthwaite([a, b]),
        scale="plain",
    )


def p_value(a: Statistic, b: Statistic) -> float | None:
    """Two-sided p-value of Student's t on their scale: both estimate the same figure.

    The degrees of freedom are the fewer of the two: with Satterthwaite's, 7 to 9% of null gaps
    between small groups had p < 0.05, with these 4 to 5% (benchmarks/coverage.py).
    """
    df = min(a.df, b.df)
    if df < 1:
        return None
    apart = difference(a.linked(), b.linked())
    if not apart.value:
        return 1.0
    return float(2 * stdtr(df, -abs(apart.value) / np.sqrt(apart.variance)))


def _satterthwaite(parts: Sequence[Statistic]) -> float:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946); the fewest if all are 0."""
    if min(part.df for part in parts) < 1:
        return 0.0
    total = sum(part.variance for part in parts)
    if total == 0:
        return min(part.df for part in parts)
    return total**2 / sum(part.variance**2 / part.df for part in parts)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95% score interval of a proportion of independent trials (Wilson 1927); trials > 0."""
    bounds = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(bounds.low), float(bounds.high)
