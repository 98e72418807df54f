"""Densities of the aggregate posterior: the mixture of the posteriors of all rows, in float32."""

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.metrics.inputs import require_at_least

_POINTS = 64
# Of log variances, either sign: squares of the points of a posterior so wide, and the inverse of
# the variance of one so narrow, are at the end of float32.
_WIDEST = 90.0
_ROWS = 512  # rows of the mixture at once: 2,000 points x 512 rows are 4 MB


def draw(mean, logvar, samples: int, rng):
    """Draws rows of the posteriors and one z of each: (int [samples], float [samples, d]).

    Raises:
      ValueError: a posterior is so narrow that float32 can't distinguish its points, or so wide
        that it can't hold them.
    """
    require_at_least(1, samples=samples)
    narrow, wide = np.exp(0.5 * logvar.min()), np.abs(mean).max()
    if logvar.max() > _WIDEST:
        raise ValueError(
            f"posteriors with a log variance of {logvar.max():.3g} are too wide for float32: at "
            f"most {_WIDEST:g}"
        )
    if narrow < 1e-6 * wide or logvar.min() < -_WIDEST:
        raise ValueError(
            f"posteriors with a standard deviation of {narrow:.1g} are too narrow beside means of "
            f"{wide:.1g}"
        )
    rows = rng.choice(len(mean), samples, replace=samples > len(mean))
    noise = rng.normal(size=(samples, mean.shape[1]))
    return rows, mean[rows] + np.exp(0.5 * logvar[rows]) * noise


def log_marginals(z, mean, logvar, blocks=None):
    """Returns log q(z_j), dimension by dimension; each of `blocks` is a mixture of its own rows.

    Args:
      z: points [samples, d], each drawn from the posterior of a row of its block.
      mean: of the posteriors [n, d].
      logvar: their log variances [n, d].
      blocks: (which of the points, which of the rows) each, disjoint in points, all of them. None:
        all points and all rows.

    Returns:
      Nats [samples, d].
    """
    blocks = blocks or [(np.arange(len(z)), np.arange(len(mean)))]
    log_q = np.empty(z.shape)
    for group in _of_like_size(blocks):
        _fill(log_q, z, mean, logvar, group)
    return log_q


def _of_like_size(blocks):
    """Blocks by the power of two of their rows: each group is padded to its largest block."""
    groups = {}
    for own, same in blocks:
        groups.setdefault(len(same).bit_length(), []).append((own, same))
    return groups.values()


def _fill(log_q, z, mean, logvar, blocks):
    """Writes log q(z_j) of the blocks' points, see `log_marginals`."""
    # Rounded up: other draws then run the same compiled program.
    num_points = _up(max(len(own) for own, _ in blocks), _POINTS)
    num_rows = _up(max(len(same) for _, same in blocks), _ROWS)
    counts = np.array([len(same) for _, same in blocks])
    for j in range(z.shape[1]):
        points = np.zeros((len(blocks), num_points), np.float32)
        means, scales = np.zeros((2, len(blocks), num_rows), np.float32)  # a scale of 0 counts 0
        for v, (own, same) in enumerate(blocks):
            points[v, : len(own)] = z[own, j]
            means[v, : len(same)] = mean[same, j]
            scales[v, : len(same)] = np.exp(-0.5 * logvar[same, j])
        # At least the row that a point was drawn from is near it, so no sum of these is 0.
        sums = np.asarray(_sums(points, means, scales)) / counts[:, None]
        for (own, _), value in zip(blocks, sums, strict=True):
            log_q[own, j] = np.log(value[: len(own)]) - 0.5 * np.log(2 * np.pi)


def log_joint(z, mean, logvar):
    """Returns log q(z) of all dimensions together, nats [samples]; arguments as `log_marginals`."""
    samples, d = z.shape
    points = np.zeros((_up(samples, _POINTS), d), np.float32)
    points[:samples] = z
    means = np.zeros((_up(len(mean), _ROWS), d), np.float32)
    logvars, log_scales = np.zeros_like(means), np.full(len(means), -np.inf, np.float32)
    means[: len(mean)], logvars[: len(mean)] = mean, logvar
    log_scales[: len(mean)] = -0.5 * logvar.sum(axis=1)
    log_sums = np.asarray(_log_sums(points, means, np.exp(-0.5 * logvars), log_scales))[:samples]
    return log_sums - np.log(len(mean)) - 0.5 * d * np.log(2 * np.pi)


def _up(number, multiple):
    return -(-number // multiple) * multiple


@jax.jit
def _sums(points, means, scales):
    """Sums scale exp(-(scale (point - mean))^2 / 2) over rows: [v, p], [v, r] -> [v, p]."""

    def of_value(args):
        x, m, s = args

        def of_rows(part):
            t = (x[:, None] - part[0]) * part[1]  # [p, _ROWS]
            # no product of matrices, which GPUs and TPUs round
            return jnp.sum(jnp.exp(-0.5 * t * t) * part[1], axis=1)

        return jnp.sum(jax.lax.map(of_rows, (m.reshape(-1, _ROWS), s.reshape(-1, _ROWS))), axis=0)

    return jax.lax.map(of_value, (points, means, scales))


@jax.jit
def _log_sums(points, means, scales, log_scales):
    """Sums exp(log_scale - sum_j (scale_j (point_j - mean_j))^2 / 2) over rows; returns the log.

    [p, d], [r, d], [r, d], [r] -> [p].
    """
    d = points.shape[1]

    def add(carry, part):
        most, total = carry  # the sum is total * exp(most), [p] each
        m, s, log_s = part
        exponents = log_s - 0.5 * sum(
            ((points[:, j, None] - m[:, j]) * s[:, j]) ** 2 for j in range(d)
        )  # [p, _ROWS]
        higher = jnp.maximum(most, jnp.max(exponents, axis=1))
        terms = jnp.sum(jnp.exp(exponents - higher[:, None]), axis=1)
        return (higher, total * jnp.exp(most - higher) + terms), None

    parts = [x.reshape(-1, _ROWS, *x.shape[1:]) for x in (means, scales, log_scales)]
    first = jnp.full(len(points), jnp.finfo(jnp.float32).min), jnp.zeros(len(points))
    (most, total), _ = jax.lax.scan(add, first, parts)
    return most + jnp.log(total)
