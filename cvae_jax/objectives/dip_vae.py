"""DIP-VAE I and II: a covariance of the latents is held near the identity.

    lambda_od * sum_{i != j} C_ij^2 + lambda_d * sum_i (C_ii - 1)^2,  lambda_d = factor * lambda_od

(Kumar, Sattigeri & Balakrishnan 2018, arXiv:1711.00848, Eqs. 6 and 7). The sum takes each pair
twice. C is the identity for the prior N(0, I), and for all its rotations: the penalty makes the
latents uncorrelated, and cannot tell which uncorrelated ones they are.
"""

from collections.abc import Callable

import jax.numpy as jnp

from cvae_jax.networks import Networks
from cvae_jax.objectives import rows
from cvae_jax.objectives.base import Objective, at_step
from cvae_jax.objectives.vae import kl_of, penalised_vae


def dip_vae_i(
    networks: Networks, *, lambda_od=10.0, lambda_d_factor: float = 10.0, **kwargs
) -> Objective:
    """Returns DIP-VAE-I: KL + penalty in place of the KL, with C = Cov_x[E[z | x]].

    Args:
      networks: as for `vae`.
      lambda_od: weight of the covariances, a number or a function of the step; disentanglement_lib
        tries 1, 2, 5, 10, 20 and 50.
      lambda_d_factor: lambda_d / lambda_od; 10 in disentanglement_lib's study.
      **kwargs: as for `vae`.
    """
    return _dip_vae(networks, covariance_of_means, lambda_od, lambda_d_factor, **kwargs)


def dip_vae_ii(
    networks: Networks, *, lambda_od=10.0, lambda_d_factor: float = 1.0, **kwargs
) -> Objective:
    """Returns DIP-VAE-II: KL + penalty in place of the KL, with C = Cov[z], z ~ q(z).

    Args:
      networks: as for `vae`.
      lambda_od: as for `dip_vae_i`.
      lambda_d_factor: lambda_d / lambda_od; 1 in disentanglement_lib's study.
      **kwargs: as for `vae`.
    """
    return _dip_vae(networks, covariance_of_latents, lambda_od, lambda_d_factor, **kwargs)


def covariance_of_means(mean, logvar):
    """Returns Cov_x[E[z | x]] over a batch, divided by B: [B, d], [B, d] -> [d, d]."""
    del logvar
    # E[(m - E[m]) (m - E[m])^T], not E[m m^T] - E[m] E[m]^T, which loses digits far from 0; and all
    # digits of float32, of which GPUs and TPUs drop some by default: the sum is a small one.
    centred = mean - jnp.mean(mean, axis=0)
    return jnp.matmul(centred.T, centred, precision="highest") / len(mean)


def covariance_of_latents(mean, logvar):
    """Returns Cov[z] = Cov_x[E[z | x]] + E_x[Cov[z | x]]: [B, d], [B, d] -> [d, d]."""
    return covariance_of_means(mean, logvar) + jnp.diag(jnp.mean(jnp.exp(logvar), axis=0))


def distance_from_identity(covariance, lambda_od, lambda_d):
    """Returns the penalty, at the top of this file, of a covariance [d, d]."""
    variances = jnp.diag(covariance)
    covariances = covariance - jnp.diag(variances)
    return lambda_od * jnp.sum(covariances**2) + lambda_d * jnp.sum((variances - 1) ** 2)


def _dip_vae(networks, covariance: Callable, lambda_od, lambda_d_factor, **kwargs) -> Objective:
    def penalty(posterior, step, axis_name):
        # Of all devices' rows: the mean of the devices' own penalties is not that of one device.
        mean, logvar = (rows.all_rows(x, axis_name) for x in posterior[1:])
        weight = at_step(lambda_od, step)
        distance = distance_from_identity(
            covariance(mean, logvar), weight, lambda_d_factor * weight
        )
        return kl_of(posterior) + distance

    return penalised_vae(networks, penalty, **kwargs)
