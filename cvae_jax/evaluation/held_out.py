"""How likely a VAE finds images that it was not trained on."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.devices import batches
from cvae_jax.objectives import distributions

_AT_ONCE = 250  # images at most; of large ones fewer


class Bounds(NamedTuple):
    """Nats, one entry per image [n]."""

    elbo: np.ndarray
    log_likelihood: np.ndarray  # the importance-weighted bound


@functools.partial(jax.jit, static_argnames=("encode", "log_likelihood", "samples"))
def _bounds(params, images, rng, encode, log_likelihood, samples):
    mean, logvar = encode(params, images)
    prior = jnp.zeros_like(mean)

    def log_weight(key):
        noise = jax.random.normal(key, mean.shape)
        z = distributions.sample_gaussian(noise, mean, logvar)
        log_p = log_likelihood(params, images, z)
        log_p += jnp.sum(distributions.log_gaussian(z, prior, prior), axis=1)
        return log_p - jnp.sum(distributions.log_of_noise(noise, logvar), axis=1)

    weights = jax.lax.map(log_weight, jax.random.split(rng, samples))  # [samples, n]
    bound = jax.nn.logsumexp(weights, axis=0) - jnp.log(samples)
    return jnp.mean(weights, axis=0), bound


def likelihood_bounds(objective, params, images, rng, *, samples=64) -> Bounds:
    """Computes the evidence lower bound and the importance-weighted log likelihood of images.

        ELBO  = E_q[log w],   IWAE = E_q[log 1/K sum_k w_k],   w = p(x | z) p(z) / q(z | x)

    both lower bounds of log p(x), the second the tighter the larger K; by Burda et al. 2016
    (arXiv:1509.00519). Whatever weights training gave its terms, here all are 1. A Bernoulli
    p(x | z) of images that are not binary does not integrate to 1: then neither bounds a density.

    Args:
      objective: a VAE: prior N(0, I), with a `log_likelihood`.
      params: its parameters.
      images: uint8 [n, H, W, C].
      rng: a key.
      samples: K.
    """
    encode, log_likelihood = objective.encode, objective.log_likelihood
    parts, (_, size, _, channels) = [], images.shape
    for rows in batches.slices(len(images), size, channels, _AT_ONCE):
        batch = images[rows].astype(np.float32) / 255.0
        key = jax.random.fold_in(rng, rows.start)
        found = _bounds(params, batch, key, encode, log_likelihood, samples)
        parts.append(jax.device_get(found))
    return Bounds(*(np.concatenate(part) for part in zip(*parts, strict=True)))
