"""The aggregate posterior: information on the image, dependence between latents."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics import mixture
from cvae_jax.metrics.inputs import numbers


class Aggregate(NamedTuple):
    """Estimates and their standard errors, nats."""

    mi: float  # I(x; z), at most log n
    tc: float  # total correlation
    mi_error: float
    tc_error: float


def aggregate_posterior(mean, logvar, *, samples=2_000, seed) -> Aggregate:
    """Estimates mutual information and total correlation, with the densities of all rows.

        I(x; z) = E[ log q(z|x) - log q(z) ],    TC = E[ log q(z) - sum_j log q(z_j) ]

    (Chen et al. 2018, arXiv:1802.04942, Eq. 2), q(z) the mixture of the n posteriors, exact, and
    the expectation a mean over `samples` rows and one z of each. Estimates from a batch of tens of
    images, as training logs them, are off by nats where posteriors are narrow; this one is not.

    Args:
      mean: of the posteriors [n, d].
      logvar: their log variances [n, d].
      samples: rows behind the expectation; the cost is 2 x samples x n x d densities.
      seed: of the rows and the noise.

    Raises:
      ValueError: shapes disagree, a number is not finite, posteriors are too narrow for float32
        (see `mixture.draw`), or samples is below 2.
    """
    mean, logvar = numbers("means", mean, "[n, d]"), numbers("log variances", logvar, "[n, d]")
    if mean.shape != logvar.shape or not len(mean):
        raise ValueError(f"means and log variances must be [n, d]: {mean.shape}, {logvar.shape}")
    if samples < 2:
        raise ValueError(f"{samples} samples have no spread: 2 or more are needed")
    rows, z = mixture.draw(mean, logvar, samples, np.random.default_rng(seed))
    squares = (z - mean[rows]) ** 2 * np.exp(-logvar[rows])
    own = -0.5 * np.sum(squares + logvar[rows] + np.log(2 * np.pi), axis=1)
    joint = mixture.log_joint(z, mean, logvar)
    product = mixture.log_marginals(z, mean, logvar).sum(axis=1)
    terms = own - joint, joint - product  # [samples] each
    means = [float(term.mean()) for term in terms]
    errors = [float(term.std(ddof=1) / np.sqrt(samples)) for term in terms]
    return Aggregate(*means, *errors)
