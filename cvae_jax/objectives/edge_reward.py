"""An extension, not in the paper: a reward that every edge of a structure must earn.

The cascade's KL takes away dependence that the structure forbids and never asks for any that it
allows. This term asks for it, edge by edge, up to half a nat each.

Why given the other parents: they hide each other. A Gaussian child shares at most 0.2 nats with
each of three independent parents, so a reward of I(z_hat_j ; z_hat_k) pays for dependent parents,
which the KL forbids. So does one of I(z_hat_k ; z_hat_j, other parents): copied parents earn it
without a child. docs/extensions.md compares them.

Why a partial correlation: InfoNCE would need negatives drawn given the other parents, and there are
none; a difference of two bounds bounds nothing. A fit by least squares is exact at every step, and
no network lags behind the model or opposes it. The price: it sees linear dependence alone.
"""

import jax.numpy as jnp
import numpy as np

from cvae_jax.objectives import rows
from cvae_jax.objectives.base import Objective, at_step
from cvae_jax.structures import Structure

_ENOUGH = 0.5  # nats that an edge can earn: a squared partial correlation of 0.63
# Variance of noise that z_hat_j and z_hat_k are taken with, a hundredth of the prior's: what is
# finer earns nothing.
_NOISE = 1e-2
# Standard deviations of the prior. z_hat has far outliers, and they make a correlation: one row of
# a batch, far out in both latents, would earn most of what an edge can. Seen `without_tails`, as
# the critic sees it, it would still count as much as all the others.
_BULK = 3.0
# Keeps the solve regular where two of the other parents coincide.
_RIDGE = 1e-4


def edge_information(z_hat, structure: Structure):
    """Computes the information of each edge k -> j given the other parents of j, in nats.

        -1/2 log(1 - r^2),  r = corr(z_hat_j, z_hat_k | z_hat_o, o the other parents of j)

    with the partial correlation r of a linear fit, of z_hat_j and z_hat_k with noise of a tenth of
    the prior's standard deviation. Of Gaussian latents this is I(z_hat_j ; z_hat_k | z_hat_o) with
    that noise. It is a lower bound where the parent is Gaussian and independent of the other
    parents, whatever the child is, which prior and KL ask for; of a parent with two values it can
    say more than there is.

    Args:
      z_hat: [B, d]. Of independent latents B rows give about 1 / (2 B) in the mean, not 0.
      structure: its edges between z_hat nodes are read.

    Returns:
      [edges], in the order of `Structure.edges`; 1.96 for two equal latents of variance 1.

    Raises:
      ValueError: the structure is of another number of latents.
    """
    structure.require(z_hat.shape[1])
    z_hat = z_hat - jnp.mean(z_hat, axis=0)
    covariance = _product(z_hat.T, z_hat) / len(z_hat)
    found = []
    for k, j in structure.edges:
        pair = np.array([j, k])
        others = np.array([o for o in structure.z_hat_parents(j) if o != k], int)
        left = covariance[np.ix_(pair, pair)]
        if len(others):
            across = covariance[np.ix_(others, pair)]
            within = covariance[np.ix_(others, others)] + _RIDGE * jnp.eye(len(others))
            left = left - _product(across.T, jnp.linalg.solve(within, across))
        squared = left[0, 1] ** 2 / ((left[0, 0] + _NOISE) * (left[1, 1] + _NOISE))
        found.append(-0.5 * jnp.log1p(-squared))
    return jnp.stack(found)


def _product(a, b):
    # All digits of float32, of which GPUs and TPUs drop some by default: what parents that nearly
    # coincide leave is a small difference. Of TF32's digits it gave an edge 0.07 nats too many.
    return jnp.matmul(a, b, precision="highest")


def edge_reward(objective: Objective, structure: Structure, weight) -> Objective:
    """Adds -weight * sum_edges min(`edge_information`, 0.5) to the loss of a cascade, in nats.

    No edge can earn more than half a nat, so none grows at the cost of the image, and none can
    earn for another. z_hat_j and z_hat_k are drawn apart given x_hat (or x, of a cascade without
    a second pass), so what they share is in it. Each is seen within 3 standard deviations of the
    prior.

    Args:
      objective: a `cascade`, whose samples hold z_hat, with x_hat="sample" or second_pass="none":
        what the decoder's mean hides below the pixels' noise would earn the reward as a visible
        shape does. An objective does not tell, so it is the config alone that is refused.
      structure: the same Bayesian network.
      weight: nats per nat, a number or a function of the step.

    Returns:
      An `Objective` with the metric edge_information, [edges], not capped.

    Raises:
      ValueError: the structure has no edges between z_hat nodes; or, when it first runs, the
        objective is no cascade.
    """
    if not structure.edges:
        raise ValueError("the structure has no edges between z_hat nodes to reward")

    def model_loss(params, images, rng, step, axis_name=None):
        loss, (metrics, samples) = objective.model_loss(params, images, rng, step, axis_name)
        if "cascade" not in samples:
            raise ValueError("edge_reward takes a cascade: wrap it as edge_reward(cascade(...))")
        # Of all devices' rows: neither a correlation nor the cap is a mean over rows.
        z_hat = rows.all_rows(samples["cascade"]["z_hat"], axis_name)
        information = edge_information(jnp.clip(z_hat, -_BULK, _BULK), structure)
        reward = jnp.sum(jnp.minimum(information, _ENOUGH))
        metrics = {**metrics, "edge_information": information}
        return loss - at_step(weight, step) * reward, (metrics, samples)

    return objective._replace(model_loss=model_loss)
