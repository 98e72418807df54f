"""Scores without labels: dependence between latents, and how many are active."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import BINS, numbers
from cvae_jax.metrics.mig import binned, information


class Unsupervised(NamedTuple):
    """Dependence between the dimensions of posterior means; 0: none."""

    total_correlation: float  # nats
    wasserstein_correlation: float  # squared distance, in the codes' units
    wasserstein_normalised: float  # the same / sum of variances
    mutual_information: float  # nats, mean over pairs, of binned latents


def unsupervised_scores(codes, *, bins=BINS):
    """Computes how much the dimensions of the codes depend on each other, without labels.

    Of the Gaussian with the codes' covariance S and of the one with its diagonal alone, D:

        total correlation       = KL( N(0, S) || N(0, D) ) = 1/2 ( sum_j log S_jj - log det S )
        Wasserstein correlation = 2 tr S - 2 tr ( D^1/2 S D^1/2 )^1/2

    and the mean over pairs of dimensions of their mutual information in equal bins. By
    Locatello et al. 2019 (disentanglement_lib, `unsupervised_metrics`, 10,000 rows). Constant
    dimensions depend on nothing and are left out of the first two.

    Args:
      codes: posterior means, floats [n, d], n above d.
      bins: for the mutual information.

    Returns:
      An `Unsupervised`; the total correlation is infinite if one latent is a linear map of others.

    Raises:
      ValueError: codes are not finite, not [n, d], or n is not above d or below bins.
    """
    codes = numbers("codes", codes, "[n, d]")
    n, d = codes.shape
    if n <= max(d, bins - 1):
        raise ValueError(f"{n} samples are too few for {d} dimensions and {bins} bins")
    varying = codes[:, (codes != codes[0]).any(axis=0)]
    covariance = np.atleast_2d(np.cov(varying, rowvar=False)) if varying.size else np.zeros((0, 0))
    scale = np.sqrt(np.diag(covariance))
    correlation = np.linalg.eigvalsh(covariance / np.outer(scale, scale))
    # D^1/2 S D^1/2 = (scale_i S_ij scale_j)
    roots = np.linalg.eigvalsh(covariance * np.outer(scale, scale))
    # of n rows in float64 an eigenvalue of 1e-12 is rounding
    total = -0.5 * np.sum(np.log(correlation)) if np.all(correlation > 1e-12) else np.inf
    trace = np.trace(covariance)
    wasserstein = 2 * trace - 2 * np.sum(np.sqrt(np.clip(roots, 0, None)))
    cut = [binned(latent, bins) for latent in codes.T]
    pairs = [information(cut[a], cut[b]) for a in range(d) for b in range(a)]
    return Unsupervised(
        float(total),
        float(wasserstein),
        float(wasserstein / trace) if trace else 0.0,
        float(np.mean(pairs)) if pairs else 0.0,
    )


def active_dimensions(mean, *, threshold=0.01):
    """Counts the dimensions whose posterior mean varies over the data: Var(mean_j) > threshold.

    Burda et al. 2016 (arXiv:1509.00519), section 5.2.

    Args:
      mean: posterior means [n, d].
      threshold: of the variance.

    Raises:
      ValueError: means are not [n, d], n 1 or more, or not finite.
    """
    mean = numbers("posterior means", mean, "[n, d]")
    if not len(mean):
        raise ValueError("there are no posterior means: 0 rows")
    return int(np.sum(np.var(mean, axis=0) > threshold))
