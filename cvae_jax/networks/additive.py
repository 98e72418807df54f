"""Networks whose latents are sums: a decoder reads z M and an encoder writes v E, an extension."""

import jax.numpy as jnp
from flax import linen as nn

from cvae_jax.networks.burgess import Networks
from cvae_jax.structures import wholes

# What a composed whole says of an image begins with this log variance in place of 0: its noise
# reaches all of its parts.
_QUIET = -3.0


class Writing(nn.Module):
    """An encoder whose means are written in another basis. Its parameters are that encoder's."""

    encoder: nn.Module
    shares: tuple  # the rows of E, [d, d]
    quieter: tuple  # is added to logvar, [d]

    @property
    def latents(self):
        return self.encoder.latents

    def setup(self):
        nn.share_scope(self, self.encoder)

    def __call__(self, images):
        mean, logvar = self.encoder(images)
        dtype = mean.dtype
        return mean @ jnp.asarray(self.shares, dtype), logvar + jnp.asarray(self.quieter, dtype)


class Reading(nn.Module):
    """A decoder of z M. Its parameters are that decoder's."""

    decoder: nn.Module
    sums: tuple  # the rows of M, [d, d]

    def setup(self):
        nn.share_scope(self, self.decoder)

    def __call__(self, z):
        return self.decoder(z @ jnp.asarray(self.sums, z.dtype))


def additive(networks: Networks, parents) -> Networks:
    """Returns the networks with latents in the bases of `structures.wholes`.

    Args:
      networks: of plain latents; own ones may be.
      parents: of the structure, see `wholes.families`.

    Raises:
      ValueError: the structure has no wholes, or wholes and parts go in a circle.
    """
    quieter = tuple(float(x) for x in _QUIET * wholes.composed(parents))
    return Networks(
        Writing(networks.encoder, _rows(wholes.shares(parents)), quieter),
        Reading(networks.decoder, _rows(wholes.sums(parents))),
    )


def _rows(matrix):
    return tuple(tuple(float(x) for x in row) for row in matrix)
