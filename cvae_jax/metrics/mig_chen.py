"""MIG in the definition of Chen et al. 2018: information of q(z|x) itself, nothing binned."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.metrics.mig import entropy
from cvae_jax.metrics.samples import checked

_POINTS = 64
_ROWS = 512  # rows of the aggregate posterior at once: 2,000 points x 512 rows are 4 MB


class MigChen(NamedTuple):
    """A gap and how sure it is."""

    value: float  # a share of the factors' entropy
    standard_error: float  # of the value, from the spread over samples
    information: np.ndarray  # [d, k] nats


def mig_chen(mean, logvar, factors, *, samples=2_000, seed):
    """Mutual information gap of the posterior q(z|x) against ground-truth factors.

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
      A `MigChen`; the information is not cut off at 0, so noise has about 0 and not above.

    Raises:
      ValueError: shapes disagree, a number is not finite, a factor is not an integer or constant,
        or there is but one dimension.
    """
    mean, factors = checked(mean, factors)
    logvar, _ = checked(logvar, factors)
    if mean.shape != logvar.shape or mean.shape[1] < 2:
        raise ValueError(
            f"mig_chen needs mean and logvar [n, d] with d of 2 or more: {mean.shape}, "
            f"{logvar.shape}"
        )
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(mean), samples, replace=samples > len(mean))
    z = mean[rows] + np.exp(0.5 * logvar[rows]) * rng.normal(size=(samples, mean.shape[1]))

    everything = [(np.arange(samples), np.arange(len(mean)))]
    blocks = [everything] + [_by_value(factor, rows) for factor in factors.T]
    log_q = np.stack([_log_densities(z, mean, logvar, block) for block in blocks])
    log_ratios = (log_q[1:] - log_q[0]).transpose(2, 1, 0)  # [d, samples, k]
    table = log_ratios.mean(axis=1)  # [d, k]
    entropies = np.array([entropy(factor) for factor in factors.T])
    runner_up, best = np.argsort(table, axis=0)[-2:]  # each [k]
    columns = np.arange(factors.shape[1])
    gaps = log_ratios[best, :, columns] - log_ratios[runner_up, :, columns]  # [k, samples]
    per_sample = np.mean(gaps / entropies[:, None], axis=0)
    error = per_sample.std(ddof=1) / np.sqrt(samples) if samples > 1 else np.inf
    return MigChen(float(per_sample.mean()), float(error), table)


def _by_value(factor, rows):
    """For each value of a factor [n] among rows: (which of rows, which of all n) have it."""
    order = np.argsort(factor, kind="stable")
    values, starts, counts = np.unique(factor[order], return_index=True, return_counts=True)
    return [
        (own, order[start : start + count])
        for value, start, count in zip(values, starts, counts, strict=True)
        if (own := np.flatnonzero(factor[rows] == value)).size
    ]


def _log_densities(z, mean, logvar, blocks):
    """Log of the mixture density of each sample's own block of rows, [samples, d]."""
    # Rounded up: other draws then run the same compiled program.
    num_points = -(-max(len(own) for own, _ in blocks) // _POINTS) * _POINTS
    num_rows = -(-max(len(same) for _, same in blocks) // _ROWS) * _ROWS
    counts = np.array([len(same) for _, same in blocks])
    log_q = np.empty(z.shape)
    for j in range(z.shape[1]):
        points = np.zeros((len(blocks), num_points), np.float32)
        means, scales = np.zeros((2, len(blocks), num_rows), np.float32)  # a scale of 0 counts 0
        for v, (own, same) in enumerate(blocks):
            points[v, : len(own)] = z[own, j]
            means[v, : len(same)] = mean[same, j]
            scales[v, : len(same)] = np.exp(-0.5 * logvar[same, j])
        # At least the row that a sample was drawn from is near it, so no sum of these is 0.
        sums = np.asarray(_sums(points, means, scales)) / counts[:, None]
        for (own, _), value in zip(blocks, sums, strict=True):
            log_q[own, j] = np.log(value[: len(own)]) - 0.5 * np.log(2 * np.pi)
    return log_q


@jax.jit
def _sums(points, means, scales):
    """Sum over rows of scale exp(-(scale (point - mean))^2 / 2): [v, p], [v, r] -> [v, p]."""

    def of_value(args):
        x, m, s = args

        def of_rows(part):
            t = (x[:, None] - part[0]) * part[1]  # [p, _ROWS]
            return jnp.exp(-0.5 * t * t) @ part[1]

        return jnp.sum(jax.lax.map(of_rows, (m.reshape(-1, _ROWS), s.reshape(-1, _ROWS))), axis=0)

    return jax.lax.map(of_value, (points, means, scales))
