"""The data sets: each by its name, as images by index."""

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
