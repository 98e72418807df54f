"""The likelihoods p(x | z) of images, each pixel by itself: densities in nats, samples, means."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Likelihood(NamedTuple):
    """p(x | z), given what the decoder puts out (called logits for every likelihood)."""

    negative_log: Callable  # (logits, images), each [B, H, W, C] -> nats summed over pixels [B]
    mean: Callable  # logits -> images in [0, 1]
    # (keys [B], logits) -> x ~ p(x | z), [B, H, W, C]; its gradient is in expectation the mean's
    sample: Callable
    # Learned ones of its own, with their initial values: keyword arguments of negative_log and
    # sample. They are trained with encoder and decoder, as params.model["likelihood"].
    parameters: Mapping[str, float] = {}


def _rows(images):
    """[B, H, W, C] -> [B, H W C]: over a last axis of one channel XLA sums slowly on a CPU."""
    return images.reshape(images.shape[0], -1)


def _for_each_image(draw, keys, logits):
    """draw(key, shape) of each image by its own key, so that devices may share the batch."""
    return jax.vmap(lambda key: draw(key, logits.shape[1:]))(keys)


def _bernoulli_negative_log(logits, images):
    # From logits: log(1 + e^l) - x l stays exact where log(sigmoid(l)) would round to log(0).
    logits, images = _rows(logits), _rows(images)
    return jnp.sum(jax.nn.softplus(logits) - images * logits, axis=1)


def _bernoulli_sample(keys, logits):
    mean = jax.nn.sigmoid(logits)
    pixels = _for_each_image(jax.random.uniform, keys, logits) < mean
    # The straight-through gradient of Bengio et al. 2013, arXiv:1308.3432
    return mean + lax.stop_gradient(pixels - mean)


def _gaussian_negative_log(logits, images, sigma=1.0):
    error = (jax.nn.sigmoid(_rows(logits)) - _rows(images)) / sigma
    return jnp.sum(0.5 * error**2 + (jnp.log(sigma) + 0.5 * jnp.log(2 * jnp.pi)), axis=1)


def _gaussian_sample(keys, logits, sigma=1.0):
    return jax.nn.sigmoid(logits) + sigma * _for_each_image(jax.random.normal, keys, logits)


# The authors' least one. Images that the decoder gets right to the last bit would take sigma to 0,
# and the density has no upper bound.
_LEAST_LOG_SIGMA = -6.0


def learned_sigma(tenth_log_sigma):
    """Returns the standard deviation of all pixels of sigma-VAE, exp(10 s) + exp(-6).

    Adam moves any parameter by about its rate per step: by the tenfold, log sigma moves at the rate
    1e-4 as fast as the authors' does at their 1e-3. Their soft limit from below, -6 + softplus(log
    sigma + 6), is this sum.
    """
    return jnp.exp(10 * tenth_log_sigma) + jnp.exp(_LEAST_LOG_SIGMA)


def _learned_negative_log(logits, images, tenth_log_sigma):
    return _gaussian_negative_log(logits, images, learned_sigma(tenth_log_sigma))


def _learned_sample(keys, logits, tenth_log_sigma):
    return _gaussian_sample(keys, logits, learned_sigma(tenth_log_sigma))


def _laplace_negative_log(logits, images):
    error = jnp.abs(jax.nn.sigmoid(_rows(logits)) - _rows(images))
    return jnp.sum(error + jnp.log(2.0), axis=1)


def _laplace_sample(keys, logits):
    return jax.nn.sigmoid(logits) + _for_each_image(jax.random.laplace, keys, logits)


# p(x) = l e^(l x) / (e^l - 1) for x in [0, 1]: a Bernoulli's e^(l x) / (e^l + 1), normalised over
# the interval. At l = 0 each of the following is 0 / 0 or a difference of infinities, and near it
# digits cancel: there its Taylor series, whose first term left out is under a float32's rounding.


def _by_size(x, limit, far, near):
    """far(x) where abs(x) > limit, near(x) elsewhere, each kept from the other's x.

    Where a function is not chosen its gradient is multiplied by 0, and must not be infinite.
    """
    is_far = jnp.abs(x) > limit
    return jnp.where(is_far, far(jnp.where(is_far, x, limit)), near(jnp.where(is_far, 0.0, x)))


def _mirrored(logits):
    """(whether a logit is above 0, the logit or its mirror image below 0): e^-|l| never overflows.

    By `where`, at 0 the same function's gradient everywhere; abs and maximum would not fit.
    """
    above = logits > 0
    return above, jnp.where(above, -logits, logits)


def _continuous_bernoulli_negative_log(logits, images):
    logits, images = _rows(logits), _rows(images)
    above, below = _mirrored(logits)
    # log((e^l - 1) / l); above 0 it is l more than at -l
    log_normaliser = _by_size(
        below,
        0.5,
        far=lambda t: jnp.log(jnp.expm1(t) / t),
        near=lambda t: t / 2 + t**2 / 24 - t**4 / 2880 + t**6 / 181440,
    )
    return jnp.sum(jnp.where(above, logits, 0.0) - images * logits + log_normaliser, axis=1)


def _continuous_bernoulli_mean(logits):
    # 1 / (1 - e^-l) - 1 / l
    return 0.5 + _by_size(
        logits,
        0.5,
        far=lambda t: 0.5 / jnp.tanh(t / 2) - 1 / t,
        near=lambda t: t / 12 - t**3 / 720 + t**5 / 30240,
    )


def _midpoints(key, shape):
    """Uniform draws, neither 0 nor 1, whose logarithms fail: midpoints of float32's grid."""
    return jax.random.uniform(key, shape, jnp.float32) + 2.0**-24


def _continuous_bernoulli_sample(keys, logits):
    """Draws log(1 + u (e^l - 1)) / l, u uniform: the inverse of the distribution function."""
    u = _for_each_image(_midpoints, keys, logits)
    above, below = _mirrored(logits)
    u = jnp.where(above, 1 - u, u)  # so that above 0, where x is turned back, x still rises with u
    v = u * (1 - u)
    x = _by_size(
        below,
        0.1,
        far=lambda t: jnp.log1p(u * jnp.expm1(t)) / t,
        near=lambda t: u + v * t / 2 + v * (1 - 2 * u) * t**2 / 6 + v * (1 - 6 * v) * t**3 / 24,
    )
    return jnp.where(above, 1 - x, x)


# docs/methods.md has their equations, sources, and for which images each is a density.
LIKELIHOODS = {
    "bernoulli": Likelihood(_bernoulli_negative_log, jax.nn.sigmoid, _bernoulli_sample),
    # N(sigmoid(logits), 1)
    "gaussian": Likelihood(_gaussian_negative_log, jax.nn.sigmoid, _gaussian_sample),
    # Of scale 1 around sigmoid(logits): its loss is the sum of absolute errors
    "laplace": Likelihood(_laplace_negative_log, jax.nn.sigmoid, _laplace_sample),
    # Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845
    "continuous_bernoulli": Likelihood(
        _continuous_bernoulli_negative_log,
        _continuous_bernoulli_mean,
        _continuous_bernoulli_sample,
    ),
    # N(sigmoid(logits), sigma^2), one sigma for all: Rybkin et al. 2021, arXiv:2006.13202
    "learned_gaussian": Likelihood(
        _learned_negative_log, jax.nn.sigmoid, _learned_sample, {"tenth_log_sigma": 0.0}
    ),
}
