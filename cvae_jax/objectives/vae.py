"""The variational auto-encoder: the evidence lower bound, the paper's Eq. 1."""

import jax
import jax.numpy as jnp

from cvae_jax import distributions
from cvae_jax.networks import Networks
from cvae_jax.objectives import rows
from cvae_jax.objectives.base import Objective, Players


def vae(networks: Networks, *, likelihood: str = "bernoulli", pixel_weight: float = 1.0):
    """The VAE of Kingma & Welling 2014, on any encoder and decoder.

    Minimises, mean over the batch, in nats an image:

        pixel_weight * sum_pixels -log p(x | z) + sum_j KL(q(z_j | x) || N(0, 1)),  z ~ q(z | x)

    Args:
      networks: linen modules; the encoder has a field `latents`, d.
      likelihood: "bernoulli" or "gaussian" (unit variance), see `distributions.LIKELIHOODS`.
      pixel_weight: 1 is the bound itself. 4 at 32x32 pixels gives the likelihood the weight that
        it has at 64x64.

    Returns:
      An `Objective` without critics. Its samples hold z [B, d].
    """
    encoder, decoder = networks
    p_x = distributions.LIKELIHOODS[likelihood]

    def init(rng, images):
        encoder_rng, decoder_rng = jax.random.split(rng)
        encoder_params = encoder.init(encoder_rng, images)
        decoder_params = decoder.init(decoder_rng, prior(rng, 1))
        model = {"encoder": encoder_params["params"], "decoder": decoder_params["params"]}
        return Players(model=model, critic={})

    def encode(params, images):
        return encoder.apply({"params": params.model["encoder"]}, images)

    def logits_of(params, z):
        return decoder.apply({"params": params.model["decoder"]}, z)

    def decode(params, z, rng=None):
        del rng  # z holds all there is
        return p_x.mean(logits_of(params, z))

    def model_loss(params, images, rng, step, axis_name=None):
        del step
        mean, logvar = encode(params, images)  # [B, d]
        z = distributions.sample_gaussian(
            rows.normal_rows(rng, mean.shape, axis_name), mean, logvar
        )
        recon = jnp.mean(p_x.negative_log(logits_of(params, z), images))
        kl_per_dim = jnp.mean(distributions.kl_to_standard_normal(mean, logvar), axis=0)  # [d]
        kl = jnp.sum(kl_per_dim)
        loss = pixel_weight * recon + kl
        metrics = {"recon": recon, "kl": kl, "elbo": -recon - kl, "kl_per_dim": kl_per_dim}
        return loss, (metrics, {"z": z})

    def critic_loss(params, samples, rng, step, axis_name=None):
        del params, samples, rng, step, axis_name
        return 0.0, {}

    def prior(rng, n):
        return jax.random.normal(rng, (n, encoder.latents))

    return Objective(init, model_loss, critic_loss, prior, encode, decode)
