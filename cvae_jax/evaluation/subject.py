"""What a score is made from, and what it looks like in results.json."""

import logging
from typing import Any, NamedTuple

import numpy as np

from cvae_jax import datasets
from cvae_jax.objectives.base import Objective, Players

log = logging.getLogger(__name__)

FEW = 10_000  # rows of the metrics that disentanglement_lib takes from 10,000 samples
_REPEATS = 5  # of metrics that draw rows and take a second


class Subject(NamedTuple):
    """What is scored: a model, its data, and its codes of all of them."""

    config: Any
    objective: Objective
    params: Players
    dataset: datasets.Dataset
    devices: list
    mean: np.ndarray  # [N, d]
    logvar: np.ndarray  # [N, d]
    options: Any  # num_samples, inception: see `evaluate`

    @property
    def seed(self) -> int:
        """Of every draw that a score makes."""
        return self.config.seed

    @property
    def rows(self) -> np.ndarray:
        """All rows in random order, [N]."""
        return self.rows_of(self.seed)

    def rows_of(self, seed) -> np.ndarray:
        """The same of another seed."""
        return np.random.default_rng(seed).permutation(len(self.mean))


def varying(dataset):
    """A data set without factors of one value: no score is defined of them, and none is lost."""
    sizes = dict(zip(dataset.factor_names, dataset.factor_sizes, strict=True))
    kept = [i for i, size in enumerate(sizes.values()) if size > 1]
    if len(kept) == len(sizes):
        return dataset
    constant = ", ".join(name for name, size in sizes.items() if size == 1)
    log.warning("%s: all images have one value of %s: no score of it", dataset.source, constant)
    names = tuple(dataset.factor_names[i] for i in kept)
    return dataset._replace(factor_names=names, factors=dataset.factors[:, kept])


def entry(value, definition: str, samples: int, seed: int, std=None) -> dict:
    """A score as results.json holds it; std where the value is an estimate with a known spread."""
    content = {"value": float(value), "definition": definition, "samples": samples, "seed": seed}
    return content if std is None or np.isnan(std) else content | {"std": float(std)}


def repeated(subject, function, definition, samples):
    """Mean and spread over repeats that draw other rows: function(seed) -> float."""
    values = [function(subject.seed + i) for i in range(_REPEATS)]
    text = f"{definition}; mean and std over {_REPEATS} draws"
    return entry(
        np.mean(values), text, min(samples, len(subject.mean)), subject.seed, np.std(values)
    )
