"""Gaussian posteriors and the likelihoods of images; densities in nats, sums over dimensions."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


def sample_gaussian(noise, mean, logvar):
    """Samples mean + exp(logvar / 2) noise, reparameterised; all [B, d]."""
    return mean + jnp.exp(0.5 * logvar) * noise


def kl_to_standard_normal(mean, logvar):
    """Computes KL(N(mean, exp(logvar)) || N(0, 1)) of each dimension, in nats: [B, d] -> [B, d]."""
    return 0.5 * (jnp.exp(logvar) + mean**2 - 1.0 - logvar)


def log_gaussian(z, mean, logvar):
    """Computes log N(z; mean, exp(logvar)) of each dimension, in nats; shapes broadcast."""
    return -0.5 * ((z - mean) ** 2 * jnp.exp(-logvar) + logvar + jnp.log(2 * jnp.pi))


class Likelihood(NamedTuple):
    """p(x | z), given what the decoder puts out (called logits for every likelihood)."""

    negative_log: Callable  # (logits, images), each [B, H, W, C] -> nats summed over pixels [B]
    mean: Callable  # logits -> images in [0, 1]


def _rows(images):
    """[B, H, W, C] -> [B, H W C]: over a last axis of one channel XLA sums slowly on a CPU."""
    return images.reshape(images.shape[0], -1)


def _bernoulli_negative_log(logits, images):
    # From logits: log(1 + e^l) - x l stays exact where log(sigmoid(l)) would round to log(0).
    logits, images = _rows(logits), _rows(images)
    return jnp.sum(jax.nn.softplus(logits) - images * logits, axis=1)


def _gaussian_negative_log(logits, images):
    error = jax.nn.sigmoid(_rows(logits)) - _rows(images)
    return jnp.sum(0.5 * error**2 + 0.5 * jnp.log(2 * jnp.pi), axis=1)


LIKELIHOODS = {
    # Bernoulli(sigmoid(logits)); for grey values the cross entropy, as in the field's VAEs
    "bernoulli": Likelihood(_bernoulli_negative_log, jax.nn.sigmoid),
    # N(sigmoid(logits), 1)
    "gaussian": Likelihood(_gaussian_negative_log, jax.nn.sigmoid),
}
