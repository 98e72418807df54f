"""What is scored, and what a score looks like in results.json."""

from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import datasets
from cvae_jax.metrics.scores import SCORES
from cvae_jax.objectives.base import named_key
from cvae_jax.runs.model import Model

FEW = 10_000  # rows of the metrics that disentanglement_lib takes from 10,000 samples
REPEATS = 5  # of metrics that draw rows and take a second


class Options(NamedTuple):
    """What only a request says."""

    num_samples: int = 10_000  # images of the model and of the data for FID, KID and IS
    inception: str = ""  # the file of Inception's weights; "": see `sample_quality`


class Subject(NamedTuple):
    """What is scored: a model, its data, and the posteriors of all their images."""

    model: Model
    dataset: datasets.Dataset
    mean: np.ndarray  # [N, d]
    logvar: np.ndarray  # [N, d]
    options: Options = Options()

    @property
    def config(self):
        """Returns the run's config."""
        return self.model.config

    @property
    def seed(self) -> int:
        """Returns the seed of every draw that a score makes."""
        return self.config.seed

    @property
    def rows(self) -> np.ndarray:
        """Returns all rows in random order, [N]."""
        return self.rows_of(self.seed)

    def rows_of(self, seed) -> np.ndarray:
        """Returns all rows in the random order of another seed."""
        return np.random.default_rng(seed).permutation(len(self.mean))

    def key(self, name: str):
        """Returns a key for one use, different from all keys of the training."""
        return named_key(named_key(jax.random.key(self.seed), "evaluation"), name)


def entry(name: str, value, samples: int, seed: int, *, std=None, detail: str = "") -> dict:
    """Returns {name: a score as results.json holds it}.

    Args:
      name: its key, in `metrics.scores.SCORES`; another is a term of an objective of one's own.
      value: a number.
      samples: of how many images, or draws: see `Score.counts`.
      seed: of its draws.
      std: where the value is an estimate with a known spread.
      detail: what the definition says about this run's settings.
    """
    known = SCORES.get(name)
    definition = known.definition if known else "a term of the objective"
    content = {
        "value": float(value),
        "definition": definition + detail,
        "samples": samples,
        "seed": seed,
    }
    if std is not None and not np.isnan(std):
        content["std"] = float(std)
    return {name: content}


def repeated(subject, name, function, samples, detail="") -> dict:
    """Computes mean and spread over repeats that draw other rows: function(seed) -> float."""
    # numpy's and sklearn's seeds have 32 bits
    values = [function((subject.seed + i) % 2**32) for i in range(REPEATS)]
    return entry(
        name,
        np.mean(values),
        min(samples, len(subject.mean)),
        subject.seed,
        std=np.std(values, ddof=1),
        detail=f"{detail}; mean and std over {REPEATS} draws",
    )
