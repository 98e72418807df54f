"""Encoders, decoders and critics: linen modules that map arrays to arrays and hold no state."""

from cvae_jax.networks.burgess import BurgessDecoder, BurgessEncoder, Networks, burgess
from cvae_jax.networks.critic import Critic
from cvae_jax.networks.layers import (
    StridedConv,
    StridedConvTranspose,
    at_least_float32,
    with_bias,
)

__all__ = [
    "BurgessDecoder",
    "BurgessEncoder",
    "Critic",
    "Networks",
    "StridedConv",
    "StridedConvTranspose",
    "at_least_float32",
    "burgess",
    "with_bias",
]
