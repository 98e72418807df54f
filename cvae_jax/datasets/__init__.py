"""The data sets: each by its name, as images by index.

The names are imported when they are first used: `python -m cvae_jax.datasets` runs this file before
its own, which sets what a Ctrl-C does.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cvae_jax.datasets.dataset import (
        LARGEST,
        NAMES,
        OWN,
        Dataset,
        absolute,
        as_dataset,
        data_root,
        kind_of,
        load,
        load_builder,
    )

__all__ = [
    "LARGEST",
    "NAMES",
    "OWN",
    "Dataset",
    "absolute",
    "as_dataset",
    "data_root",
    "kind_of",
    "load",
    "load_builder",
]


def __getattr__(name):
    if name in __all__:
        return getattr(importlib.import_module("cvae_jax.datasets.dataset"), name)
    raise AttributeError(f"module 'cvae_jax.datasets' has no attribute {name!r}")
