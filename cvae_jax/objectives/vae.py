"""The variational auto-encoder and those that weigh its KL: the paper's Eq. 1 and its peers.

All share one forward pass and differ in a function of the posterior that is added to the
reconstruction. Weights may be numbers or schedules in the step, as in optax.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from cvae_jax.networks import Networks, at_least_float32
from cvae_jax.networks.checks import require_floats, require_range, require_supported
from cvae_jax.objectives import distributions, rows
from cvae_jax.objectives.base import Objective, Players, at_step
from cvae_jax.objectives.decomposition import decompose
from cvae_jax.objectives.likelihoods import LIKELIHOODS


def vae(
    networks: Networks,
    *,
    likelihood: str = "bernoulli",
    pixel_weight: float = 1.0,
    dataset_size: int | None = None,
    kl_factor=1.0,
) -> Objective:
    """Returns the VAE of Kingma & Welling 2014, on any encoder and decoder.

    Minimises, mean over the batch, in nats per image:

        pixel_weight * sum_pixels -log p(x | z) + sum_j KL(q(z_j | x) || N(0, 1)),  z ~ q(z | x)

    Args:
      networks: linen modules; the encoder has a field `latents`, d.
      likelihood: "bernoulli", which is a cross entropy and no normalised density of images that are
        not binary, or another name in `likelihoods.LIKELIHOODS`.
      pixel_weight: 1 is the bound itself. 4 at 32x32 pixels gives the likelihood the weight that
        it has at 64x64.
      dataset_size: the number of images; with it mi, tc and dwkl are logged, see `decomposition`.
      kl_factor: of the KL, or of what another objective has in its place: a number, or a function
        of the step. One that falls to 1 lets latents get into use one after the other.

    Returns:
      An `Objective` without critics. Its samples hold z [B, d] and what the decoder makes of it,
      logits [B, H, W, C].
    """
    return penalised_vae(networks, kl_of, likelihood, pixel_weight, dataset_size, kl_factor)


def beta_vae(networks: Networks, *, beta=4.0, **kwargs) -> Objective:
    """Returns the beta-VAE of Higgins et al. 2017: beta * KL in place of the KL; theirs is 4.

    Args:
      networks: as for `vae`.
      beta: a number, or a function of the step.
      **kwargs: as for `vae`.
    """

    def penalty(posterior, step, axis_name):
        return at_step(beta, step) * kl_of(posterior, step, axis_name)

    return penalised_vae(networks, penalty, **kwargs)


def annealed_vae(networks: Networks, *, gamma=1000.0, capacity=25.0, **kwargs) -> Objective:
    """Returns Burgess et al. 2018 (arXiv:1804.03599, Eq. 8): gamma * |KL - C| in place of the KL.

    Args:
      networks: as for `vae`.
      gamma: a number, or a function of the step; theirs is 1000.
      capacity: C in nats, a number or a function of the step; theirs rises from 0 to 25 over
        100,000 steps on dSprites: `optax.linear_schedule(0, 25, 100_000)`.
      **kwargs: as for `vae`.
    """

    def penalty(posterior, step, axis_name):
        kl = kl_of(posterior, step, axis_name)
        # The mean of all devices, as it enters a function that is not linear.
        kl = kl if axis_name is None else lax.pmean(kl, axis_name)
        return at_step(gamma, step) * jnp.abs(kl - at_step(capacity, step))

    return penalised_vae(networks, penalty, **kwargs)


def kl_of(posterior, step=0, axis_name=None):
    """Returns KL(q(z | x) || N(0, I)), mean over local rows, nats, of (z, mean, logvar)."""
    del step, axis_name
    _, mean, logvar = posterior
    return jnp.sum(jnp.mean(distributions.kl_to_standard_normal(mean, logvar), axis=0))


def penalised_vae(
    networks: Networks,
    penalty: Callable,
    likelihood: str = "bernoulli",
    pixel_weight: float = 1.0,
    dataset_size: int | None = None,
    kl_factor=1.0,
) -> Objective:
    """Returns the objective of a VAE with its penalty in the place of the KL.

    Minimises pixel_weight * reconstruction + kl_factor * penalty((z, mean, logvar), step,
    axis_name); the arguments are those of `vae`.
    """
    if likelihood not in LIKELIHOODS:
        known = ", ".join(LIKELIHOODS)
        raise ValueError(f"likelihood {likelihood!r} is not one of {known}")
    encoder, decoder = networks
    p_x = LIKELIHOODS[likelihood]

    def init(rng, images):
        require_supported(networks, images)
        encoder_rng, decoder_rng = jax.random.split(rng)
        encoder_params = encoder.init(encoder_rng, images)
        decoder_params = decoder.init(decoder_rng, jnp.zeros((1, encoder.latents)))
        model = {"encoder": encoder_params["params"], "decoder": decoder_params["params"]}
        if p_x.parameters:
            model["likelihood"] = jax.tree.map(jnp.float32, dict(p_x.parameters))
        return Players(model=model, critic={})

    def encode(params, images):
        require_floats(images)
        require_range(images)
        found = encoder.apply({"params": params.model["encoder"]}, images)
        return tuple(map(at_least_float32, found))  # networks of one's own may end in bfloat16

    def logits_of(params, z):
        return at_least_float32(decoder.apply({"params": params.model["decoder"]}, z))

    def parameters_of(params):
        return params.model.get("likelihood", {})

    def decode(params, z, rng=None):
        del rng  # z determines the image
        return p_x.mean(logits_of(params, z))

    def log_likelihood(params, images, z):
        require_floats(images)
        return -p_x.negative_log(logits_of(params, z), images, **parameters_of(params))

    def sample(params, z, keys, logits=None):
        logits = logits_of(params, z) if logits is None else logits
        return p_x.sample(keys, logits, **parameters_of(params))

    def model_loss(params, images, rng, step, axis_name=None):
        mean, logvar = encode(params, images)  # [B, d]
        z = distributions.sample_gaussian(
            rows.normal_rows(rng, mean.shape, axis_name), mean, logvar
        )
        posterior = (z, mean, logvar)
        logits = logits_of(params, z)
        recon = jnp.mean(p_x.negative_log(logits, images, **parameters_of(params)))
        kl_per_dim = jnp.mean(distributions.kl_to_standard_normal(mean, logvar), axis=0)  # [d]
        kl = jnp.sum(kl_per_dim)
        factor = at_step(kl_factor, step)
        loss = pixel_weight * recon + factor * penalty(posterior, step, axis_name)
        metrics = {"recon": recon, "kl": kl, "elbo": -recon - kl, "kl_per_dim": kl_per_dim}
        if dataset_size is not None:
            still = lax.stop_gradient(posterior)
            metrics |= decompose(*still, dataset_size, axis_name)._asdict()
        return loss, (metrics, {"z": z, "logits": logits})

    def critic_loss(params, samples, rng, step, axis_name=None):
        del params, samples, rng, step, axis_name
        return 0.0, {}

    def prior(rng, n):
        return jax.random.normal(rng, (n, encoder.latents))

    return Objective(
        init, model_loss, critic_loss, prior, encode, decode, log_likelihood, sample, likelihood
    )
