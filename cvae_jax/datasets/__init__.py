"""The data sets: each by its name, as images by index."""

from cvae_jax.datasets.dataset import (
    LARGEST,
    NAMES,
    Dataset,
    as_dataset,
    data_root,
    load,
    load_builder,
)

__all__ = ["LARGEST", "NAMES", "Dataset", "as_dataset", "data_root", "load", "load_builder"]
