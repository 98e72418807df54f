"""The KL of a VAE split into mutual information, total correlation and dimension-wise KL.

    E_x KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j))

(Chen et al. 2018, arXiv:1802.04942, Eq. 2). The aggregate posterior q(z), the mean of q(z|x) over
the data set, is estimated from a batch by a weighted sum over its posteriors.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax.objectives import distributions, rows

ESTIMATORS = ("stratified", "weighted")


class Decomposition(NamedTuple):
    """Nats per image, means over the local rows."""

    mi: Any  # I(x; z)
    tc: Any  # total correlation
    dwkl: Any  # dimension-wise KL


def log_stratified_weights(own, batch: int, dataset_size: int):
    """Returns log w_ij, the weight of image j's posterior in q(z_i) by stratified sampling.

    Of N images in the data set and B in the batch, M = B - 1: the sample's own image has 1 / N, one
    other (N - M) / (N M), each of the rest 1 / M; a row sums to 1 (Chen et al., appendix C.2).

    Args:
      own: which row of the global batch each sample comes from, int [n].
      batch: B, at least 2.
      dataset_size: N, at least B.

    Returns:
      [n, B].
    """
    others = batch - 1
    columns = jnp.arange(batch)
    weights = jnp.where(
        columns == (own[:, None] + 1) % batch, (dataset_size - others) / dataset_size, 1
    )
    weights = weights / others
    return jnp.log(jnp.where(columns == own[:, None], 1 / dataset_size, weights))


def decompose(
    z, mean, logvar, dataset_size: int, axis_name=None, estimator: str = "stratified"
) -> Decomposition:
    """Estimates the three terms from the batch of all devices.

    log q(z_i) is log sum_j w_ij q(z_i | x_j), and log q(z_ik) of each dimension k the same with the
    density of that dimension alone; log w enters each sum once. With "weighted" w = 1 / (N B),
    biased by a large constant, and with another gradient: the own image counts like any other.

    Args:
      z: samples of the local rows [n, d].
      mean: their posteriors' means [n, d].
      logvar: and log variances [n, d].
      dataset_size: N, the number of images in the data set.
      axis_name: of the devices that share the batch.
      estimator: "stratified" or "weighted".

    Raises:
      ValueError: another estimator, or a batch of less than 2 or more than dataset_size images.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator {estimator!r} is not one of {', '.join(ESTIMATORS)}")
    all_mean, all_logvar = rows.all_rows(mean, axis_name), rows.all_rows(logvar, axis_name)
    batch = len(all_mean)
    if not 2 <= batch <= dataset_size:
        raise ValueError(f"batch size {batch} is not from 2 to dataset_size {dataset_size}")
    log_q = distributions.log_gaussian(z[:, None], all_mean, all_logvar)  # [n, B, d]
    if estimator == "stratified":
        own = rows.local_rows(jnp.arange(batch), axis_name)
        log_w = log_stratified_weights(own, batch, dataset_size)  # [n, B]
    else:
        log_w = jnp.full((len(z), batch), -jnp.log(float(dataset_size) * batch))
    log_joint = jax.nn.logsumexp(log_w + jnp.sum(log_q, axis=2), axis=1)  # [n]
    log_product = jnp.sum(jax.nn.logsumexp(log_w[:, :, None] + log_q, axis=1), axis=1)  # [n]
    log_conditional = jnp.sum(distributions.log_gaussian(z, mean, logvar), axis=1)
    log_prior = jnp.sum(distributions.log_gaussian(z, 0.0, 0.0), axis=1)
    return Decomposition(
        mi=jnp.mean(log_conditional - log_joint),
        tc=jnp.mean(log_joint - log_product),
        dwkl=jnp.mean(log_product - log_prior),
    )
