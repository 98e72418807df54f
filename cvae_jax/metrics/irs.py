"""Interventional robustness score (IRS) in disentanglement_lib's definition."""

import numpy as np

from cvae_jax.metrics.inputs import BINS, checked
from cvae_jax.metrics.mig import binned

SAMPLES = 10_000


def irs(codes, factors, *, seed, quantile=0.99):
    """Computes how little each latent moves, at worst, while its factor is fixed.

        IRS_j = max_i ( 1 - mean_v Q_v( |c_j - mean_v c_j| ) / max |c_j - mean c_j| )

    All other factors change meanwhile. Q_v is the 0.99 quantile and mean_v the mean over rows with
    v_i = v; the score is the mean over latents weighted by their largest deviation. By Suter et
    al. 2019 (arXiv:1811.00007), with the settings of Locatello et al. 2019 (disentanglement_lib,
    `irs`): 10,000 random rows, each factor's values, numbered in order, cut into 20 equal bins, so
    that neighbours among more values than that count as one. Constant latents are left out.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of the rows.
      quantile: of the deviations.

    Returns:
      The score, at most 1, 1 being best; 0 if every latent is constant.

    Raises:
      ValueError: codes are not finite, factors not integers or constant.
    """
    codes, factors = checked(codes, factors)
    rows = np.random.default_rng(seed).permutation(len(codes))[:SAMPLES]
    codes, factors = codes[rows], factors[rows]
    codes = codes[:, (codes != codes[0]).any(axis=0)]
    if not codes.shape[1]:
        return 0.0
    largest = np.abs(codes - codes.mean(axis=0)).max(axis=0)  # [d]
    deviations = np.stack([_deviations(codes, v, quantile) for v in factors.T], axis=1)  # [d, k]
    robust = np.max(1 - deviations / largest[:, None], axis=1)
    return float(np.average(robust, weights=largest))


def _deviations(codes, factor, quantile):
    """Returns the mean over values of the quantile of deviations from the value's mean, [d]."""
    cut = binned(np.unique(factor, return_inverse=True)[1], BINS)  # values have no distances
    parts = [codes[cut == value] for value in np.unique(cut)]
    return np.mean(
        [np.quantile(np.abs(x - x.mean(axis=0)), quantile, axis=0) for x in parts], axis=0
    )
