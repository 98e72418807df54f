"""FactorVAE's penalty around any objective: the total correlation of z by a critic."""

import jax

from cvae_jax.networks import Critic
from cvae_jax.objectives import distributions, rows
from cvae_jax.objectives.base import Objective
from cvae_jax.objectives.density_ratio import add_density_ratio


def permute_dims(rng, z):
    """Permutes each dimension of z [B, d] over the batch on its own, the paper's Algorithm 1."""
    return jax.random.permutation(rng, z, axis=0, independent=True)


def factor(
    objective: Objective, weight, *, critic: Critic | None = None, second_batch: bool = False
) -> Objective:
    """Adds weight * KL(q(z) || prod_j q(z_j)), in nats: Kim & Mnih 2018 (arXiv:1802.05983).

    FactorVAE is `factor(vae(networks), weight)`; weights of 10 to 40 were best on dSprites, there
    35. The critic separates z ~ q(z | x) from z with permuted dimensions.

    Args:
      objective: a base with an encoder whose samples hold z [B, d].
      weight: a number, or a function of the step.
      critic: the discriminator; the paper's 6 x 1000 when None.
      second_batch: permute other images' latents, as in the paper's Algorithm 2: of a batch the
        even rows train the model and the odd ones are permuted. False, as in most implementations:
        the same images serve both.

    Raises:
      ValueError: when it first runs with second_batch, an odd number of images on a device.
    """

    def extend(params, images, samples, rng, axis_name):
        if not second_batch:
            return {**samples, "factor": {"q": samples["z"], "p": samples["z"]}}
        if len(images) % 2:  # or even and odd rows would depend on the number of devices
            raise ValueError(f"second_batch halves a batch: {len(images)} images are odd")
        mean, logvar = objective.encode(jax.lax.stop_gradient(params), images[1::2])
        noise = rows.normal_rows(rng, mean.shape, axis_name)
        other = distributions.sample_gaussian(noise, mean, logvar)
        return {**samples, "factor": {"q": samples["z"], "p": other}}

    def p_rows(samples, rng, axis_name):
        z = rows.all_rows(samples["factor"]["p"], axis_name)
        return rows.local_rows(permute_dims(rng, z), axis_name)

    base = objective
    if second_batch:

        def model_loss(params, images, rng, step, axis_name=None):
            return objective.model_loss(params, images[::2], rng, step, axis_name)

        base = objective._replace(model_loss=model_loss)
    return add_density_ratio(
        base,
        name="factor",
        weight=weight,
        critic=critic or Critic(),
        extend=extend,
        q_rows=lambda samples: samples["factor"]["q"],
        p_rows=p_rows,
    )
