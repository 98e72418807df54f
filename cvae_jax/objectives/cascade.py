"""The cascade and its Bayesian-network regulariser around any objective: the paper's Eq. 4 to 6."""

import jax
import jax.numpy as jnp

from cvae_jax.networks import Critic
from cvae_jax.networks.checks import of_a_decoder
from cvae_jax.objectives import distributions, rows
from cvae_jax.objectives.base import Objective
from cvae_jax.objectives.bayesian_joint import sample_joint
from cvae_jax.objectives.density_ratio import add_density_ratio
from cvae_jax.objectives.given_conditionals import sample_given
from cvae_jax.structures import Structure

__all__ = ["CRITIC_INPUTS", "SOURCES", "cascade", "sample_joint"]

CRITIC_INPUTS = ("z_hat", "joint")
SOURCES = ("prior", "posterior")
X_HATS = ("mean", "sample")
SECOND_PASSES = ("trained", "fixed", "none")
CONDITIONALS = ("own", "given")


_BULK = 3.0  # standard deviations of the prior


def without_tails(latents):
    """Maps each latent to itself up to 3 and to 3 + log(1 + |latent| - 3) beyond, sign kept.

    z_hat has tails that z has not: on an odd x_hat nothing holds the encoder's variance. One row
    far out moves the critic, and the model by it, as far as hundreds of nats.
    The map is one to one, and a KL between laws of (z, z_hat) does not change when each latent is
    mapped so, nor does what a structure says of them: the critic estimates the same number.
    """
    beyond = jnp.maximum(jnp.abs(latents) - _BULK, 0.0)
    return jnp.clip(latents, -_BULK, _BULK) + jnp.sign(latents) * jnp.log1p(beyond)


def cascade(
    objective: Objective,
    structure: Structure,
    weight,
    *,
    critic_input: str = "z_hat",
    source: str = "prior",
    x_hat: str = "mean",
    second_pass: str = "trained",
    conditionals: str = "own",
    prior_batch_size: int = 0,
    smoothness: float = 0.0,
    critic: Critic | None = None,
) -> Objective:
    """Wraps an objective in the cascade: minimises its loss + weight * KL(q || p_B), in nats.

    z ~ source, x_hat of decode(z), z_hat ~ N(encode(x_hat)) with the same encoder as for the data;
    q is the law of what the critic sees and p_B the law that the structure makes of it; the critic
    sees latents without their tails (`without_tails`), which does not change the KL. The KL's
    gradient through p_B vanishes, as what p_B has of q are q's own conditionals or marginals, so
    samples of p_B are stopped.

    Args:
      objective: any base; its prior, encode and decode are used.
      structure: the Bayesian network over (z, z_hat).
      weight: of the KL, a number or a function of the step; the paper's Eq. 5 has 1.
      critic_input: "z_hat" is Eq. 6 as printed, D(z_hat), with the structure's z parents dropped;
        "joint" is D(z, z_hat).
      source: "prior" is Section 3.4 as printed, z of the objective's prior; "posterior" takes the
        batch's own z, as Fig. 2 draws it: x_hat are the reconstructions of the data.
      x_hat: "mean" takes the decoder's mean; "sample" draws x_hat ~ p(x | z), as Eq. 3 writes it,
        so that nothing can be hidden below the pixels' noise; see `Likelihood.sample`.
      second_pass: "trained" sends the KL's gradient also to the encoder where it reads x_hat;
        "fixed" does not: it reaches encoder and decoder through z and x_hat alone. An encoder that
        is trained there learns to tell samples from images, and answers them as the KL likes.
        "none" is no cascade any more: the batch's own z stand for z_hat, and the structure is one
        of the posteriors of the data.
      conditionals: of p_B; "own" are q's, by `sample_joint`; "given" are `sample_given`'s, which
        ask for z_hat = z, and for children that are the sum of their n parents by the root of n.
      prior_batch_size: prior latents drawn over all devices; those beyond the data batch
        serve as donors for samples of p_B alone, without gradient. 0: as many as the data batch.
      smoothness: weight of the critic's `slope_penalty`, which steadies training at large weights
        and makes the estimated KL too small: docs/method.md compares values.
      critic: the discriminator; FactorVAE's 6 x 1000 when None.

    Raises:
      ValueError: no `Structure`, an unknown critic_input, source, x_hat, second_pass or
        conditionals, given conditionals for a critic that does not see z, no second pass where z
        and z_hat are two, or a prior_batch_size where no z comes from the prior or conditionals are
        given; or, when it first runs, one under the batch size, a batch too small for one sample
        of p_B, or a structure of another number of latents than the objective's.
    """
    if not isinstance(structure, Structure):
        raise ValueError(
            f"structure is a {type(structure).__name__}: make it by structures.parse(text, latents)"
        )
    for name, value, known in (
        ("critic_input", critic_input, CRITIC_INPUTS),
        ("source", source, SOURCES),
        ("x_hat", x_hat, X_HATS),
        ("second_pass", second_pass, SECOND_PASSES),
        ("conditionals", conditionals, CONDITIONALS),
    ):
        if value not in known:
            raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")
    if source == "posterior" and prior_batch_size:
        raise ValueError("prior_batch_size adds prior latents: source must be prior")
    if conditionals == "given" and prior_batch_size:
        raise ValueError("given conditionals need no prior_batch_size: leave it out")
    joint = critic_input == "joint"
    if conditionals == "given" and not joint:
        raise ValueError("given conditionals are of (z, z_hat): critic_input must be joint")
    if second_pass == "none" and (joint or source != "posterior"):
        raise ValueError("without a second pass source must be posterior, and critic_input z_hat")
    structure = structure if joint else structure.marginal()

    def to_image(params, z, keys, logits):
        if x_hat == "mean" or objective.sample is None:
            return objective.decode(params, z, keys)
        at_hand = () if logits is None else (logits,)
        return objective.sample(params, z, keys, *at_hand)

    def run(params, z, rng, axis_name, logits=None):
        """Runs the cascade's second half: z [n, d] -> z_hat [n, d]."""
        decode_rng, noise_rng = jax.random.split(rng)
        keys = rows.row_keys(decode_rng, len(z), axis_name)
        encoder = jax.lax.stop_gradient(params) if second_pass == "fixed" else params
        with of_a_decoder():
            mean, logvar = objective.encode(encoder, to_image(params, z, keys, logits))
        noise = rows.normal_rows(noise_rng, z.shape, axis_name)
        return distributions.sample_z_hat(noise, mean, logvar)

    def extend(params, images, samples, rng, axis_name):
        if second_pass == "none":
            return {**samples, "cascade": {"z": samples["z"], "z_hat": samples["z"]}}
        batch = images.shape[0] * rows.num_devices(axis_name)
        pool = prior_batch_size or batch
        if pool < batch:
            raise ValueError(f"cascade.prior_batch_size {pool} is under the batch size {batch}")
        prior_rng, rows_rng, donors_rng = jax.random.split(rng, 3)
        logits = None
        if source == "posterior":
            new = {"z": samples["z"]}
            logits = samples.get("logits")  # decoded once, for the reconstruction and for x_hat
        else:
            z = objective.prior(prior_rng, pool)  # [pool, d]
            new = {"z": rows.local_rows(z[:batch], axis_name)}
        new["z_hat"] = run(params, new["z"], rows_rng, axis_name, logits)
        if pool > batch:
            new["donor_z"] = rows.local_rows(z[batch:], axis_name)
            stopped = jax.lax.stop_gradient(params)
            new["donor_z_hat"] = run(stopped, new["donor_z"], donors_rng, axis_name)
        return {**samples, "cascade": new}

    def critic_rows(z, z_hat):
        return jnp.concatenate([z, z_hat], axis=1) if joint else z_hat  # [n, 2 d or d]

    def seen(samples):
        """Returns z, z_hat and the donors' as the critic sees them."""
        return jax.tree.map(without_tails, samples["cascade"])

    def q_rows(samples):
        return critic_rows(seen(samples)["z"], seen(samples)["z_hat"])

    def given_rows(samples, rng, axis_name):
        z = rows.all_rows(samples["cascade"]["z"], axis_name)
        new = jax.tree.map(without_tails, sample_given(rng, z, structure))
        return rows.local_rows(critic_rows(*new), axis_name)

    def p_rows(samples, rng, axis_name):
        pool = {key: rows.all_rows(x, axis_name) for key, x in seen(samples).items()}
        index = rows.local_rows(jnp.arange(pool["z"].shape[0]), axis_name)
        if "donor_z" in pool:
            pool["z"] = jnp.concatenate([pool["z"], pool["donor_z"]])
            pool["z_hat"] = jnp.concatenate([pool["z_hat"], pool["donor_z_hat"]])
        z = pool["z"] if joint else None
        return critic_rows(*sample_joint(rng, z, pool["z_hat"], structure, index))

    return add_density_ratio(
        objective,
        name="cascade",
        weight=weight,
        critic=critic or Critic(),
        extend=extend,
        q_rows=q_rows,
        p_rows=given_rows if conditionals == "given" else p_rows,
        smoothness=smoothness,
    )
