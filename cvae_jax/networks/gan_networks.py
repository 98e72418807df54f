"""Generator, recogniser and discriminator of InfoGAN as linen modules.

The originals have batch normalisation, which mixes the images of a batch and needs a state of its
own. Here the generator normalises each image's features by themselves; what else it did for
stability, the objective does (see `objectives.infogan`).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from cvae_jax.networks.burgess import halvings
from cvae_jax.networks.layers import (
    StridedConv,
    StridedConvTranspose,
    at_least_float32,
    with_bias,
)


class GanNetworks(NamedTuple):
    """Networks of a GAN with latents; its recogniser shares nothing with the discriminator."""

    generator: (
        nn.Module
    )  # inputs [B, latents + categories + noise] -> images in [0, 1], [B, H, W, C]
    recogniser: nn.Module  # images -> [B, outputs]
    discriminator: nn.Module  # packs of images [B, H, W, packed * C] -> logits [B, 1]


def _normal(x):
    """Normalises each sample's features to mean 0, variance 1: GroupNorm with one group."""
    return nn.GroupNorm(num_groups=1, use_bias=False, use_scale=False)(x)


def _convolve(x, kernel):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)


class Conv(nn.Module):
    """3x3 convolution to the same size: [B, h, w, C] -> [B, h, w, features]."""

    features: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x):
        return with_bias(self, _convolve, x, (3, 3, x.shape[-1], self.features))


class OriginalGenerator(nn.Module):
    """28x28: dense 1024, dense 7x7x128, two transposed convolutions (Chen et al. 2016, table 1)."""

    channels: int
    dtype: Any = None

    @nn.compact
    def __call__(self, inputs):
        x = nn.leaky_relu(_normal(nn.Dense(1024, dtype=self.dtype)(inputs)), 0.2)
        x = nn.Dense(7 * 7 * 128, dtype=self.dtype)(x).reshape(-1, 7, 7, 128)
        x = nn.leaky_relu(_normal(x), 0.2)
        x = nn.leaky_relu(_normal(StridedConvTranspose(64, self.dtype)(x)), 0.2)
        return nn.sigmoid(StridedConvTranspose(self.channels, self.dtype)(x))


class OriginalBody(nn.Module):
    """28x28: convolutions of 64 and 128, dense layers of `widths`, the outputs."""

    outputs: int
    widths: tuple
    dtype: Any = None

    @nn.compact
    def __call__(self, images):
        x = nn.leaky_relu(StridedConv(64, self.dtype)(images), 0.1)
        x = nn.leaky_relu(StridedConv(128, self.dtype)(x), 0.1)
        x = x.reshape(x.shape[0], -1)
        for width in self.widths:
            x = nn.leaky_relu(nn.Dense(width, dtype=self.dtype)(x), 0.1)
        return at_least_float32(nn.Dense(self.outputs, dtype=self.dtype)(x))


class LeastSquaresGenerator(nn.Module):
    """Dense to a quarter of the side, twice doubled and convolved (the authors' earlier work)."""

    size: int
    channels: int
    dtype: Any = None

    @nn.compact
    def __call__(self, inputs):
        side = self.size // 4
        x = _normal(
            nn.Dense(side * side * 128, dtype=self.dtype)(inputs).reshape(-1, side, side, 128)
        )
        for features in (128, 64):
            x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
            x = nn.leaky_relu(_normal(Conv(features, self.dtype)(x)), 0.2)
        return nn.sigmoid(Conv(self.channels, self.dtype)(x))


class LeastSquaresBody(nn.Module):
    """Four strided convolutions of 16, 32, 64 and 128 channels, dense."""

    outputs: int
    dtype: Any = None

    @nn.compact
    def __call__(self, images):
        x = images
        for features in (16, 32, 64, 128):
            x = nn.leaky_relu(StridedConv(features, self.dtype)(x), 0.2)
        x = nn.Dense(self.outputs, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        return at_least_float32(x)


class StridedGenerator(nn.Module):
    """Dense 128, dense to a grid of 64 channels, then doubled by transposed convolutions."""

    size: int
    channels: int
    dtype: Any = None

    @nn.compact
    def __call__(self, inputs):
        count, side = halvings(self.size)
        hidden = (count - 3) * (64,) + (32, 32)  # at 16 the last alone: 4 -> 8 -> 16
        x = nn.leaky_relu(_normal(nn.Dense(128, dtype=self.dtype)(inputs)), 0.2)
        x = nn.Dense(side * side * 64, dtype=self.dtype)(x).reshape(-1, side, side, 64)
        x = nn.leaky_relu(_normal(x), 0.2)
        for features in hidden[1 - count :]:
            x = nn.leaky_relu(_normal(StridedConvTranspose(features, self.dtype)(x)), 0.2)
        return nn.sigmoid(StridedConvTranspose(self.channels, self.dtype)(x))


class StridedBody(nn.Module):
    """Strided convolutions of 32, 32, 64 and 64 channels, dense 128, the outputs."""

    outputs: int
    dtype: Any = None

    @nn.compact
    def __call__(self, images):
        x = images
        for features in (32, 32, 64, 64):
            x = nn.leaky_relu(StridedConv(features, self.dtype)(x), 0.2)
        x = nn.leaky_relu(nn.Dense(128, dtype=self.dtype)(x.reshape(x.shape[0], -1)), 0.2)
        return at_least_float32(nn.Dense(self.outputs, dtype=self.dtype)(x))


NETWORKS = ("", "strided")


def infogan_networks(
    size: int, channels: int, latents: int, categories: int, dtype=None, networks: str = ""
) -> GanNetworks:
    """Returns generator, recogniser and discriminator for images of a size.

    Args:
      size: side of the square images in pixels, a multiple of 16, or 28 with the original's.
      channels: of the images.
      latents: d, the number of continuous latents.
      categories: of the categorical code; 0: none.
      dtype: that the layers compute in; None: that of parameters and inputs.
      networks: "": the original's for 28x28, else the least-squares ones, which the authors have
        for 32x32 and 64x64; "strided": with the encoder's strided convolutions throughout, as those
        that FactorVAE's paper (arXiv:1802.05983) compares with on dSprites; a twentieth of the
        arithmetic.

    Raises:
      ValueError: another size, or other networks.
    """
    outputs = 2 * latents + categories
    if networks not in NETWORKS:
        raise ValueError(f"networks {networks!r} are not one of {', '.join(map(repr, NETWORKS))}")
    if size % 16 and (networks or size != 28):
        sizes = "a multiple of 16" if networks else "28 or a multiple of 16"
        raise ValueError(f"image size {size} is not {sizes}, which InfoGAN's networks take")
    if networks == "strided":
        return GanNetworks(
            StridedGenerator(size, channels, dtype),
            StridedBody(outputs, dtype),
            StridedBody(1, dtype),
        )
    if size == 28:
        # The original's recogniser shares D's 1024 and adds 128. With a body of its own 128 do, and
        # a step takes a quarter less.
        return GanNetworks(
            OriginalGenerator(channels, dtype),
            OriginalBody(outputs, (128,), dtype),
            OriginalBody(1, (1024,), dtype),
        )
    return GanNetworks(
        LeastSquaresGenerator(size, channels, dtype),
        LeastSquaresBody(outputs, dtype),
        LeastSquaresBody(1, dtype),
    )
