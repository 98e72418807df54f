"""Gaussian posteriors and the likelihoods of images; densities in nats, sums over dimensions."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


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
    # (keys [B], logits) -> x ~ p(x | z), [B, H, W, C], with the gradient of its mean
    sample: Callable


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


def _for_each_image(draw, keys, logits):
    """draw(key, shape) of each image by its own key, so that devices may share the batch."""
    return jax.vmap(lambda key: draw(key, logits.shape[1:]))(keys)


def _bernoulli_sample(keys, logits):
    mean = jax.nn.sigmoid(logits)
    pixels = _for_each_image(jax.random.uniform, keys, logits) < mean
    # The straight-through gradient of Bengio et al. 2013, arXiv:1308.3432
    return mean + lax.stop_gradient(pixels - mean)


def _gaussian_sample(keys, logits):
    return jax.nn.sigmoid(logits) + _for_each_image(jax.random.normal, keys, logits)


LIKELIHOODS = {
    # Bernoulli(sigmoid(logits)); of images that are not binary the cross entropy, as in most VAEs,
    # which is no normalised density
    "bernoulli": Likelihood(_bernoulli_negative_log, jax.nn.sigmoid, _bernoulli_sample),
    # N(sigmoid(logits), 1)
    "gaussian": Likelihood(_gaussian_negative_log, jax.nn.sigmoid, _gaussian_sample),
}
