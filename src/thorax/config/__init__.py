"""Settings: their schema, and how they are read and checked before any work is done.

All mistakes are reported at once, each with its path and what is allowed.
"""

from thorax.config.card import TableCard
from thorax.config.load import check, load_params, load_paths, parse_yaml, read_yaml
from thorax.config.overrides import as_override, flatten, merge
from thorax.config.schema import (
    METRICS,
    AtSensitivity,
    AtSpecificity,
    Augment,
    Data,
    Evaluate,
    Explain,
    Metric,
    Model,
    ModelName,
    Optimizer,
    Params,
    Paths,
    Phantom,
    Preprocess,
    Report,
    Schedule,
    Split,
    Train,
)

__all__ = [
    "METRICS",
    "AtSensitivity",
    "AtSpecificity",
    "Augment",
    "Data",
    "Evaluate",
    "Explain",
    "Metric",
    "Model",
    "ModelName",
    "Optimizer",
    "Params",
    "Paths",
    "Phantom",
    "Preprocess",
    "Report",
    "Schedule",
    "Split",
    "TableCard",
    "Train",
    "as_override",
    "check",
    "flatten",
    "load_params",
    "load_paths",
    "merge",
    "parse_yaml",
    "read_yaml",
]
