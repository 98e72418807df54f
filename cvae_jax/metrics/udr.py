"""Unsupervised disentanglement ranking (UDR): which of several runs to trust, without labels."""

import numpy as np

from cvae_jax.metrics.inputs import numbers, require_at_least

INFORMATIVE = 0.01  # nats of KL; a dimension with less carries nothing


def udr(codes, kl_per_dim):
    """Computes how alike each model's codes are to the other models', up to order and sign.

        UDR_ij = ( sum_b r_b^2 / sum_a R[a, b] + sum_a r_a^2 / sum_b R[a, b] ) / (d_i + d_j)
        UDR_i  = median over j of UDR_ij

    R[a, b] is the absolute Spearman correlation of dimension a of model i with dimension b of model
    j, over informative dimensions alone (KL above 0.01 nats), d_i and d_j of them; r_a and r_b are
    the largest in a row and in a column. By Duan et al. 2020 (arXiv:1905.12614), the Spearman form.
    Models trained alike disentangle alike and entangle each in its own way. Where two models use
    different numbers of dimensions, disentanglement_lib's UDR gives other values than this one.

    Args:
      codes: for each model posterior means of the same images, [m, n, d] or a list of [n, d].
      kl_per_dim: for each model the KL of each dimension, nats, [m, d] or a list of [d].

    Returns:
      [m], each between 0 and 1; 0 for a model without informative dimensions.

    Raises:
      ValueError: fewer than two models or 3 images, shapes that disagree, or a number that is not
        finite.
    """
    codes = [numbers("codes", c, "[n, d]") for c in codes]
    kl_per_dim = [numbers("KL", kl, "[d]") for kl in kl_per_dim]
    if len(codes) < 2:
        raise ValueError("udr compares models: it needs two or more")
    if len(codes) != len(kl_per_dim):
        raise ValueError(f"there are codes of {len(codes)} models and KL of {len(kl_per_dim)}")
    for c, kl in zip(codes, kl_per_dim, strict=True):
        if c.shape != (len(codes[0]), len(kl)):
            raise ValueError(
                f"each model needs codes [n, d] of the same images and KL [d], not {c.shape} and "
                f"{kl.shape}"
            )
    # two rows are in one order or the other: any two latents of them are correlated fully
    require_at_least(3, images=len(codes[0]))
    kept = [
        c[:, (kl > INFORMATIVE) & (c != c[0]).any(axis=0)]
        for c, kl in zip(codes, kl_per_dim, strict=True)
    ]
    pairs = np.full((len(codes), len(codes)), np.nan)
    for i in range(len(kept)):
        for j in range(i):
            pairs[i, j] = pairs[j, i] = _similarity(kept[i], kept[j])
    return np.nanmedian(pairs, axis=1)


def _similarity(a, b):
    from scipy.stats import spearmanr  # it takes a second: not before it is needed

    d_a, d_b = a.shape[1], b.shape[1]
    if not d_a or not d_b:
        return 0.0
    ranks = spearmanr(np.hstack([a, b])).statistic
    if d_a + d_b == 2:
        return abs(float(ranks))
    r = np.abs(np.atleast_2d(ranks)[:d_a, d_a:])  # [d_a, d_b]
    parts = [np.sum(r.max(axis=i) ** 2 / np.maximum(r.sum(axis=i), 1e-12)) for i in (0, 1)]
    return float(sum(parts) / (d_a + d_b))
