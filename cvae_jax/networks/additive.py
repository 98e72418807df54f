"""A decoder that reads each part as the sum of itself and its wholes: an extension."""

import jax.numpy as jnp
from flax import linen as nn

from cvae_jax.networks.burgess import Networks


class Additive(nn.Module):
    """Applies a decoder to z M. Its parameters are those of that decoder, under their names."""

    decoder: nn.Module
    sums: tuple  # the rows of M

    def setup(self):
        nn.share_scope(self, self.decoder)

    def __call__(self, z):
        return self.decoder(z @ jnp.asarray(self.sums, z.dtype))


def additive(networks: Networks, sums) -> Networks:
    """Returns the networks with a decoder of z M, M [d, d] as of `structures.wholes.sums`."""
    rows = tuple(tuple(float(x) for x in row) for row in sums)
    return networks._replace(decoder=Additive(networks.decoder, rows))
