"""Samples of p_B with given conditionals, another reading of the paper's Eq. 4.

A Bayesian network has conditionals, and the paper names none. `bayesian_joint` takes q's own, which
forbid and never ask for anything. Here they are given: a latent that is encoded again is what it
was, and a composed one is the sum of its parents. So, as Section 4.1 has it, "the dependency
structure penalizes difference between the latent variables z and the reconstructed variables".
"""

import jax
import jax.numpy as jnp

from cvae_jax.objectives.factor import permute_dims
from cvae_jax.structures import Structure

STD = 0.1  # of a latent given its parents


def sample_given(rng, z, structure: Structure):
    """Draws samples of p_B(z, z_hat) down the network from z; gradients are stopped.

        z_j      of the batch, independent of the others
        z_hat_j  ~ N(z_j, 0.1^2)                              without parents among z_hat
        z_hat_j  ~ N(sum of its n parents / sqrt(n), 0.1^2)   with parents

    So KL(q || p_B) is the total correlation of z, plus how far z_hat is from this law given z.

    Args:
      rng: a key.
      z: [B, d], the decoder's inputs, of the whole batch.
      structure: its edges between z_hat nodes are read.

    Returns:
      (z_new, z_hat_new), each [B, d].

    Raises:
      ValueError: the structure adds or drops parents among z, or is of another number of latents.
    """
    structure.require(z.shape[1])
    if not structure.has_own_z_alone:
        raise ValueError(f"given conditionals know no edges from z: {structure}")
    z_rng, noise_rng = jax.random.split(rng)
    z = permute_dims(z_rng, jax.lax.stop_gradient(z))
    noise = STD * jax.random.normal(noise_rng, z.shape)
    z_hat = z
    for j in structure.order:
        parents = structure.z_hat_parents(j)
        mean = z[:, j]
        if parents:
            mean = sum(z_hat[:, k] for k in parents) / jnp.sqrt(len(parents))
        z_hat = z_hat.at[:, j].set(mean + noise[:, j])
    return z, z_hat
