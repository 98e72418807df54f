"""Which latents are in use, by nats per image."""

import jax
import numpy as np

from cvae_jax.config import methods
from cvae_jax.datasets import filters
from cvae_jax.devices import batches
from cvae_jax.objectives.distributions import kl_to_standard_normal

USED = 0.05  # nats; a latent with less holds nothing


def prior_of(config) -> str:
    """Returns what a method's z are drawn from: "normal", N(0, 1), or "uniform", U(-1, 1)."""
    return methods.method_of(config).prior


def nats_of_latents(mean, logvar, prior) -> np.ndarray:
    """Returns what each latent says about an image, in nats, the mean over images [d].

    Of a normal prior KL(q(z|x) || N(0, 1)). Of a uniform one log 2 - H(q(z|x)), at least 0: the
    information that a recogniser has if it is as sure as it says. A latent that it knows nothing
    about is a Gaussian with the prior's variance 1/3, whose entropy is above the prior's.
    """
    if prior == "normal":
        return np.asarray(kl_to_standard_normal(mean, logvar)).mean(axis=0)
    entropies = 0.5 * (np.log(2 * np.pi * np.e) + logvar)  # [n, d]
    return np.maximum(np.log(2) - entropies.mean(axis=0), 0)


def encode_some(model, dataset, seed: int, count: int):
    """Returns (some of a data set, posterior means [n, d], their log variances [n, d]).

    Args:
      model: see `runs.model.Model`.
      dataset: see `datasets.Dataset`.
      seed: of the choice and order of the images.
      count: how many; all if there are fewer.
    """
    rows = np.random.default_rng(seed).permutation(dataset.num_images)[:count]
    pixels = filters.Rows(dataset.pixels, rows)
    some = dataset._replace(factors=dataset.factors[rows], pixels=pixels)
    devices = jax.local_devices()
    return some, *batches.encode_all(model.objective, model.params, some, devices)
