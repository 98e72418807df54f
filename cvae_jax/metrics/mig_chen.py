"""MIG in the definition of Chen et al. 2018: information of q(z|x) itself, nothing binned."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics import mixture
from cvae_jax.metrics.inputs import checked
from cvae_jax.metrics.mig import entropy


class MigChen(NamedTuple):
    """A gap and how sure it is."""

    value: float  # a share of the factors' entropy
    standard_error: float  # of the value, from the spread over samples
    information: np.ndarray  # [d, k] nats
    own: np.ndarray  # [d, k], how much of q(z_j | v_i) is the posterior of the row of z itself


def mig_chen(mean, logvar, factors, *, samples=2_000, seed):
    """Computes the mutual information gap of the posterior q(z|x) against ground-truth factors.

        I(z_j; v_i) = E_{q(z_j, v_i)} [ log q(z_j | v_i) - log q(z_j) ]
        MIG = 1/k sum_i ( I(z_a; v_i) - I(z_b; v_i) ) / H(v_i)

    q(z_j) is the mixture of the posteriors of all n rows, q(z_j | v_i) of the rows that share the
    value: both exact. The expectation is a mean over `samples` rows and one z of each. By Chen et
    al. 2018 (arXiv:1802.04942), who estimate the two entropies from 10,000 samples each; here both
    densities are taken at the same samples, whose noise then cancels in part. Chen et al. leave
    the shape of dSprites out: pass the other four columns to compare with them. They do not compare
    with the values of `mig`.

    Args:
      mean: of the posteriors [n, d].
      logvar: their log variances [n, d].
      factors: ground-truth factor values, integers [n, k].
      samples: rows behind the expectation; the cost is samples x n x d densities.
      seed: of the rows and the noise.

    Returns:
      A `MigChen`. The information is not cut off at 0. Where images are few or posteriors narrow it
      is too large, as a row's own posterior weighs more among the n / values rows of its value than
      among all n: at the end a latent of noise knows every factor. `own` says how far: 0.1 is about
      0.1 nats too many, 1 all of the entropy. The standard error does not cover this.

    Raises:
      ValueError: shapes disagree, a number is not finite, a factor is not an integer or constant,
        posteriors are too narrow or wide for float32 (see `mixture.draw`), or there is but one
        dimension.
    """
    mean, factors = checked(mean, factors)
    logvar, _ = checked(logvar, factors)
    if mean.shape != logvar.shape or mean.shape[1] < 2:
        raise ValueError(
            f"mig_chen needs mean and logvar [n, d] with d of 2 or more: {mean.shape}, "
            f"{logvar.shape}"
        )
    rows, z = mixture.draw(mean, logvar, samples, np.random.default_rng(seed))
    blocks = [None] + [_by_value(factor, rows) for factor in factors.T]
    log_q = np.stack([mixture.log_marginals(z, mean, logvar, block) for block in blocks])
    log_ratios = (log_q[1:] - log_q[0]).transpose(2, 1, 0)  # [d, samples, k]
    table = log_ratios.mean(axis=1)  # [d, k]
    own = _own_share(z, mean[rows], logvar[rows], factors, rows, log_q[1:])
    entropies = np.array([entropy(factor) for factor in factors.T])
    runner_up, best = np.argsort(table, axis=0)[-2:]  # each [k]
    columns = np.arange(factors.shape[1])
    gaps = log_ratios[best, :, columns] - log_ratios[runner_up, :, columns]  # [k, samples]
    per_sample = np.mean(gaps / entropies[:, None], axis=0)
    error = per_sample.std(ddof=1) / np.sqrt(samples) if samples > 1 else np.inf
    return MigChen(float(per_sample.mean()), float(error), table, own)


def _own_share(z, mean, logvar, factors, rows, log_q):
    """Returns how much of q(z_j | v_i) is the own row's posterior, a mean over samples, [d, k].

    z, mean and logvar are of the samples [s, d], log_q is log q(z_j | v_i) there [k, s, d].
    """
    squares = (z - mean) ** 2 * np.exp(-logvar)
    log_own = -0.5 * (squares + logvar + np.log(2 * np.pi))  # [s, d]
    same = np.stack([_rows_of_value(factor)[rows] for factor in factors.T])  # [k, s]
    return np.exp(log_own - np.log(same)[:, :, None] - log_q).mean(axis=1).T


def _rows_of_value(factor):
    """Returns of each row [n] how many rows have its value, [n]."""
    _, value, counts = np.unique(factor, return_inverse=True, return_counts=True)
    return counts[value]


def _by_value(factor, rows):
    """Returns, per value of a factor [n] among rows, (which of rows, which of all n) have it."""
    order = np.argsort(factor, kind="stable")
    values, starts, counts = np.unique(factor[order], return_index=True, return_counts=True)
    blocks = []
    for value, start, count in zip(values, starts, counts, strict=True):
        own = np.flatnonzero(factor[rows] == value)
        if own.size:
            blocks.append((own, order[start : start + count]))
    return blocks
