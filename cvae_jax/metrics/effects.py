"""Interventional effects: which re-encoded latents move when one latent is redrawn."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.factor_score import MIN_STD


class AncestorShare(NamedTuple):
    """See `ancestor_share`."""

    score: float  # mean of the shares over the latents that move, in [0, 1]
    chance: float  # what the score would be if effects ignored the structure, in [0, 1]
    shares: np.ndarray  # of every latent [d]; NaN where it does not move


def intervention_effects(before, after):
    """Computes how much each re-encoded latent moves when a single prior latent is redrawn.

        E_ij = mean_n ( z_hat_j(z') - z_hat_j(z) )^2 / (2 Var z_hat_j(z)),   z' = z but for z'_i

    with z'_i a new draw from the prior, and z_hat(z) the posterior mean of Dec(z). This is the
    total-effect Sobol index of z_i on z_hat_j in the estimator of Jansen 1999: the share of the
    variance of z_hat_j that remains when all latents but z_i are held fixed. For z_hat = z M with
    independent standard normal z it is M_ij^2 / sum_i M_ij^2. 0: z_i does not reach z_hat_j; 1:
    without z_i nothing is known of z_hat_j. A column sums to 1 where z_hat_j is a sum of functions
    of one latent each, to more where latents interact.

    Give posterior means, and the same `rng` (or None) to both calls of decode: what is random
    beyond z_i counts as its effect. The standard error is about 1.6 / sqrt(n) of E_ij (5 % at
    1,000 rows, linear-Gaussian latents), so estimates may exceed 1 a little.

    Args:
      before: z_hat(z) for n draws of z from the prior, floats [n, d].
      after: row i is z_hat(z') for the same draws with z_i alone redrawn, floats [d, n, d].

    Returns:
      Effects, [d, d]: of z_i (row) on z_hat_j (column), in [0, about 1]. The column of a z_hat_j
      whose standard deviation in `before` is under 0.05 is 0: it has collapsed to the prior, and
      does not vary (the threshold of `factor_score`).

    Raises:
      ValueError: if the shapes disagree, there are fewer than two rows, or a value is not finite.
    """
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if before.ndim != 2 or after.shape != (before.shape[-1], *before.shape):
        raise ValueError(
            f"before [n, d] and after [d, n, d] disagree: {before.shape}, {after.shape}"
        )
    if len(before) < 2 or not before.shape[1]:
        raise ValueError(f"before {before.shape} has too few rows: effects need 2 or more")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("codes are NaN or infinite")
    variances = before.var(axis=0)  # [d]
    squares = ((after - before) ** 2).mean(axis=1)  # [d, d]
    moves = np.sqrt(variances) >= MIN_STD
    return np.divide(squares, 2 * variances, out=np.zeros_like(squares), where=moves)


def ancestor_share(effects, ancestors):
    """Computes the share of re-encoded latents' movement that comes from their DAG ancestors.

        share_j = sum_{i in A(j)} E_ij / sum_i E_ij,      score = mean of share_j over moving j

    where A(j) are the latents z_i with a directed path to z_hat_j, z_j among them unless its edge
    was dropped. A latent moves if its column of E is not all zero; those that do not are left out,
    and each of the others counts alike, however much of its variance E accounts for. If nothing
    moves score and chance are 0.

    1: no z_hat_j moves with a latent that the structure gives it no path from. Chance, the mean of
    |A(j)| / d over moving latents, is the expectation when each column of E is shuffled; it is 1,
    and the score says nothing, where every latent is an ancestor.

    What it can't see: whether edges are used. A latent that depends on its own z_j alone has share
    1 under any structure that keeps z_j as its parent, so disentangled latents score 1 with no
    edge in use. Clear the diagonal of `ancestors` to ask how much comes along edges between
    different latents: shares are then 0 at the roots, and show how strong the rest is. Nor does it
    distinguish a parent from a grandparent, or an effect along the edge from one beside it.

    Args:
      effects: E, [d, d], see `intervention_effects`; finite, not negative.
      ancestors: A, true at [i, j] where z_i has a directed path to z_hat_j, [d, d]:
        `Structure.ancestor_matrix()` of the whole structure, not of its marginal().

    Returns:
      An `AncestorShare`.

    Raises:
      ValueError: if an array is not [d, d], or an effect is negative, NaN or infinite.
    """
    effects, ancestors = np.asarray(effects, np.float64), np.asarray(ancestors, bool)
    if effects.ndim != 2 or len({*effects.shape, *ancestors.shape}) != 1 or ancestors.ndim != 2:
        raise ValueError(
            f"effects and ancestors must both be [d, d]: {effects.shape}, {ancestors.shape}"
        )
    if not (np.isfinite(effects).all() and (effects >= 0).all()):
        raise ValueError("effects are negative, NaN or infinite")
    total = effects.sum(axis=0)  # [d]
    moves = total > 0
    allowed = (effects * ancestors).sum(axis=0)
    shares = np.divide(allowed, total, out=np.full(len(total), np.nan), where=moves)
    if not moves.any():
        return AncestorShare(0.0, 0.0, shares)
    chance = ancestors.mean(axis=0)[moves].mean()
    return AncestorShare(float(shares[moves].mean()), float(chance), shares)
