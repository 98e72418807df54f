"""Interventional effects: which latents and factors move when one latent is redrawn."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.factor_score import MIN_STD
from cvae_jax.metrics.inputs import flags, numbers


class AncestorShare(NamedTuple):
    """See `ancestor_share`."""

    score: float  # mean of the shares over the latents that move, in [0, 1]
    chance: float  # what the score would be if effects ignored the structure, in [0, 1]
    shares: np.ndarray  # of every latent [d]; NaN where it does not move


def intervention_effects(before, after, again=None):
    """Computes how much each re-encoded latent moves when a single latent is redrawn.

        E_ij = mean_n ( z_hat_j(z') - z_hat_j(z) )^2 / (2 Var z_hat_j(z)),   z' = z but for z'_i

    with z'_i a new draw of z_i alone, and z_hat(z) the posterior mean of Dec(z). For independent z
    this is the total-effect Sobol index of z_i on z_hat_j in the estimator of Jansen 1999: the
    share of the variance of z_hat_j that remains when all latents but z_i are held fixed. For
    z_hat = z M with independent standard normal z it is M_ij^2 / sum_i M_ij^2. 0: z_i does not
    reach z_hat_j; 1: without z_i nothing is known of z_hat_j. A column sums to 1 where z_hat_j is
    a sum of functions of one latent each, to more where latents interact.

    Give posterior means, and the same `rng` (or None) to both calls of decode. What else is random
    in z_hat, such as the pixels of x_hat ~ p(x | z), counts as an effect of z_i as far as it
    changes with z_i; with `again`, the same z and z' under another `rng`, it does not:

        E_ij = mean_n ( z_hat_j(z') - z_hat_j(z) ) ( again of the same ) / (2 Var z_hat_j(z)),

    whose expectation is the squared movement of the mean of z_hat_j over that noise, while the
    variance holds the noise. So what the noise drowns has no effect.

    The standard error is about 1.6 / sqrt(n) of E_ij (5 % at 1,000 rows, linear-Gaussian latents),
    so estimates may exceed 1 a little.

    Args:
      before: z_hat(z) for n draws of z, floats [n, d].
      after: row i is z_hat(z') for the same draws with z_i alone redrawn, floats [d, n, d].
      again: None, or (before, after) of the same z and z' under another `rng`.

    Returns:
      Effects, [d, d]: of z_i (row) on z_hat_j (column), in [0, about 1]. The column of a z_hat_j
      whose standard deviation in `before` is under 0.05 is 0: it has collapsed to the prior, and
      does not vary (the threshold of `factor_score`).

    Raises:
      ValueError: if the shapes disagree, there are fewer than two rows, or a value is not finite.
    """
    before, moved = _moved(before, after)
    if moved.shape[0] != moved.shape[2]:
        raise ValueError(f"before and after disagree: {moved.shape} is not [d, n, d]")
    if len(before) < 2:
        raise ValueError(f"before {before.shape} has too few rows: effects need 2 or more")
    variances = before.var(axis=0)  # [d]
    moved_again = moved
    if again is not None:
        before_again, moved_again = _moved(*again)
        if moved_again.shape != moved.shape:
            raise ValueError(f"`again` has another shape: {moved.shape}, {moved_again.shape}")
        variances = (variances + before_again.var(axis=0)) / 2
    products = (moved * moved_again).mean(axis=1)  # [d, d]
    products = np.maximum(products, 0)  # of two noises it can be a little less
    moves = np.sqrt(variances) >= MIN_STD
    return np.divide(products, 2 * variances, out=np.zeros_like(products), where=moves)


def factor_effects(before, after, again, factor_of, spread):
    """Computes how far each factor of an image moves when a single latent is redrawn.

        F_jf = sum_r mean_n ( r(z') - r(z) ) ( the same again ) / (2 sum_r Var r)

    with z' = z but for a new draw of z_j, r(z) a reading of factor f in an image of z, the sums
    over the readings of that factor, and Var r the variance of the reading over the data's images,
    or over those of z where it is larger. 1: as far as two random images differ; 0: not at all.
    `again` holds readings of other images of the same z and z', so that the noise of the pixels is
    no effect: see `intervention_effects`, which reads latents in place of factors.

    Args:
      before: readings at n draws of z, floats [n, m].
      after: row j has the readings where z_j alone is redrawn, floats [d, n, m].
      again: (before, after) of the same z and z', other draws of the pixels.
      factor_of: the factor that each reading is of, from 0, integers [m].
      spread: the variance of each reading over images of the data, [m].

    Returns:
      Effects, [d, k]; where z_j is independent of the others from 0 to about 1.

    Raises:
      ValueError: if the shapes disagree, a value is not finite, a factor is no integer from 0, or
        has no spread.
    """
    (_, moved), (_, moved_again) = (_moved(*arrays) for arrays in ((before, after), again))
    spread, factor_of = numbers("variances of readings", spread), np.asarray(factor_of)
    readings = moved.shape[2]
    if not (moved.shape == moved_again.shape and spread.shape == factor_of.shape == (readings,)):
        raise ValueError(
            f"{moved.shape} and {moved_again.shape} readings [d, n, m], {factor_of.shape} factors "
            f"and {spread.shape} variances [m] disagree"
        )
    if factor_of.dtype.kind not in "iu" or (factor_of < 0).any():
        raise ValueError(f"factor_of must be integers from 0: {factor_of.tolist()}")
    products = (moved * moved_again).mean(axis=1)  # [d, m]
    belongs = factor_of[:, None] == np.arange(factor_of.max() + 1)  # [m, k]
    if not ((spread >= 0).all() and (spread @ belongs > 0).all()):
        raise ValueError("a factor's readings do not vary over the data")
    varied = np.var(before, axis=0) + np.var(again[0], axis=0)
    variances = np.maximum(spread @ belongs, varied @ belongs / 2)  # [k]
    return np.maximum(products @ belongs, 0) / (2 * variances)  # of two noises it is below 0


def _moved(before, after):
    """Returns before [n, m] and after - before [d, n, m], or raises."""
    before, after = numbers("latents or readings", before), numbers("latents or readings", after)
    if before.ndim != 2 or after.ndim != 3 or after.shape[1:] != before.shape or not before.size:
        raise ValueError(
            f"before [n, m] and after [d, n, m] disagree: {before.shape}, {after.shape}"
        )
    return before, after - before


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
      ValueError: if an array is not [d, d], an effect is negative, NaN or infinite, or an ancestor
        neither true nor false.
    """
    effects, ancestors = numbers("effects", effects), flags("ancestors", ancestors)
    if not effects.shape == ancestors.shape == (len(ancestors),) * 2:
        raise ValueError(
            f"effects and ancestors must both be [d, d]: {effects.shape}, {ancestors.shape}"
        )
    if (effects < 0).any():
        raise ValueError("effects are negative")
    total = effects.sum(axis=0)  # [d]
    moves = total > 0
    allowed = (effects * ancestors).sum(axis=0)
    shares = np.divide(allowed, total, out=np.full(len(total), np.nan), where=moves)
    if not moves.any():
        return AncestorShare(0.0, 0.0, shares)
    chance = ancestors.mean(axis=0)[moves].mean()
    return AncestorShare(float(shares[moves].mean()), float(chance), shares)
