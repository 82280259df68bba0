"""Settings: their schema, and how they are read and checked before any work is done.

All mistakes are reported at once, each with its path and what is allowed.
"""

from thorax.config.card import TableCard
from thorax.config.reading import check, load_params, load_paths, parse_yaml, read_yaml
from thorax.config.schema import (
    AtSensitivity,
    AtSpecificity,
    Augment,
    Data,
    Evaluate,
    Model,
    ModelName,
    Params,
    Paths,
    Preprocess,
    Report,
    Split,
)
from thorax.config.training import Metric, Optimizer, Schedule, Train

__all__ = [
    "AtSensitivity",
    "AtSpecificity",
    "Augment",
    "Data",
    "Evaluate",
    "Metric",
    "Model",
    "ModelName",
    "Optimizer",
    "Params",
    "Paths",
    "Preprocess",
    "Report",
    "Schedule",
    "Split",
    "TableCard",
    "Train",
    "check",
    "load_params",
    "load_paths",
    "parse_yaml",
    "read_yaml",
]
