"""Gaussian posteriors; densities in nats."""

import jax.numpy as jnp


def sample_gaussian(noise, mean, logvar):
    """Samples mean + exp(logvar / 2) noise, reparameterised; all [B, d]."""
    return mean + jnp.exp(0.5 * logvar) * noise


# exp(5) standard deviations of the prior, 148: beyond, nothing is told apart
_MOST_LOGVAR = 10.0


def sample_z_hat(noise, mean, logvar):
    """Samples z_hat of an encoder's mean and logvar of x_hat, logvar at most 10; all [B, d].

    The posterior's KL is of the data alone: on an odd x_hat nothing holds the variance, and
    far out exp(logvar / 2) would overflow.
    """
    return sample_gaussian(noise, mean, jnp.minimum(logvar, _MOST_LOGVAR))


def kl_to_standard_normal(mean, logvar):
    """Computes KL(N(mean, exp(logvar)) || N(0, 1)) of each dimension, in nats: [B, d] -> [B, d]."""
    return 0.5 * (jnp.exp(logvar) + mean**2 - 1.0 - logvar)


def log_gaussian(z, mean, logvar):
    """Computes log N(z; mean, exp(logvar)) of each dimension, in nats; shapes broadcast."""
    return log_of_noise((z - mean) * jnp.exp(-0.5 * logvar), logvar)


def log_of_noise(noise, logvar):
    """Computes log N(z; mean, exp(logvar)) of z = mean + exp(logvar / 2) noise; shapes broadcast.

    Exact where z is rounded: of a deviation under eps |mean| z - mean says nothing of the noise.
    """
    return -0.5 * (noise**2 + logvar + jnp.log(2 * jnp.pi))
