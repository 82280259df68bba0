"""Settings: their schema, and how they are read and checked before any work is done.

All mistakes are reported at once, each with its path and what is allowed.
"""

from thorax.config.card import (
    TableCard as TableCard,
)
from thorax.config.load import (
    check as check,
    load_params as load_params,
    load_paths as load_paths,
    parse_yaml as parse_yaml,
    read_yaml as read_yaml,
)
from thorax.config.overrides import (
    as_override as as_override,
    flatten as flatten,
    merge as merge,
)
from thorax.config.schema import (
    METRICS as METRICS,
    AtSensitivity as AtSensitivity,
    AtSpecificity as AtSpecificity,
    Augment as Augment,
    Data as Data,
    Evaluate as Evaluate,
    Explain as Explain,
    Model as Model,
    ModelName as ModelName,
    Optimizer as Optimizer,
    Params as Params,
    Paths as Paths,
    Preprocess as Preprocess,
    Report as Report,
    Split as Split,
    Train as Train,
)
