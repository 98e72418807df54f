"""The second pass of a scored model: z to x_hat ~ p(x | z), and x_hat to its posterior."""

import functools

import jax
import numpy as np

from cvae_jax.devices import batches
from cvae_jax.evaluation.factor_reader import read
from cvae_jax.objectives.distributions import sample_gaussian


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _second_pass(encode, sample, network, params, reader_params, z, rng, i):
    # Of row and place alone: an intervention sees the same noise of the pixels before and after.
    keys = jax.random.split(jax.random.fold_in(rng, i), len(z))
    x_hat = sample(params, z, keys)
    found = encode(params, x_hat)
    return found if network is None else (*found, read(network, reader_params, x_hat))


def re_encode(model, rng, z, reader=None):
    """Returns the posterior mean and logvar of x_hat ~ p(x | z) for z [n, d], in batches.

    With a `factor_reader.Reader` the readings of x_hat are a third.
    """
    objective = model.objective
    functions = objective.encode, objective.sample or objective.decode
    network, reader_params = (reader.network, reader.params) if reader else (None, {})
    parts = []
    for rows in batches.slices(len(z), model.config.data.size, model.channels):
        found = _second_pass(
            *functions, network, model.params, reader_params, z[rows], rng, rows.start
        )
        parts.append(jax.device_get(found))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def draw(key, mean, logvar):
    """A sample of each posterior, [n, d]."""
    return np.asarray(sample_gaussian(jax.random.normal(key, mean.shape), mean, logvar))


def read_back(z, mean_hat):
    """Squared correlations of z with the mean of z_hat, [d]; 0 of a constant."""
    return np.mean(_standardised(z) * _standardised(mean_hat), axis=0) ** 2


def _standardised(x):
    """Columns [n, d] of mean 0 and variance 1; those of constants are 0."""
    x = x.astype(np.float64)
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
