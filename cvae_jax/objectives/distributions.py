"""Gaussian posteriors; densities in nats."""

import jax.numpy as jnp


def sample_gaussian(noise, mean, logvar):
    """Samples mean + exp(logvar / 2) noise, reparameterised; all [B, d]."""
    return mean + jnp.exp(0.5 * logvar) * noise


def kl_to_standard_normal(mean, logvar):
    """Computes KL(N(mean, exp(logvar)) || N(0, 1)) of each dimension, in nats: [B, d] -> [B, d]."""
    return 0.5 * (jnp.exp(logvar) + mean**2 - 1.0 - logvar)


def log_gaussian(z, mean, logvar):
    """Computes log N(z; mean, exp(logvar)) of each dimension, in nats; shapes broadcast."""
    return -0.5 * ((z - mean) ** 2 * jnp.exp(-logvar) + logvar + jnp.log(2 * jnp.pi))
