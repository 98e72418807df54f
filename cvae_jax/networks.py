"""Encoder, decoder and critic: linen modules that map arrays to arrays and hold no state.

Parameters are float32; `dtype` is what the layers compute in, by default that of parameters and
inputs. What comes out has at least float32.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from cvae_jax import conv, scalar_mlp

_CONV_INIT = nn.initializers.lecun_normal()
# Each output pixel of the transposed convolution sums 4 of the kernel's 16 taps a channel.
_TRANSPOSE_INIT = nn.initializers.variance_scaling(
    4.0, "fan_in", "truncated_normal", in_axis=-1, out_axis=-2
)
_LARGE = range(2**18, 2**19 + 1)  # pixels of a batch: 64 to 128 images of 64x64


class Networks(NamedTuple):
    """An encoder: images [B, H, W, C] -> (mean, logvar), each [B, d]; a decoder: z -> logits."""

    encoder: nn.Module
    decoder: nn.Module


def at_least_float32(x):
    """The array as float32; float64 stays what it is."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def with_bias(module: nn.Module, operation, x, shape, init=_CONV_INIT):
    """operation(x, kernel) + bias with a linen module's parameters, computed in its dtype.

    The bias is added in float32: its gradient is a sum over all pixels, too long for bfloat16.

    Args:
      module: has the fields features and dtype, and gets the parameters kernel and bias.
      operation: (x, kernel) -> [..., features].
      x: its input.
      shape: of the kernel.
      init: of the kernel.
    """
    kernel = module.param("kernel", init, shape, jnp.float32)
    bias = module.param("bias", nn.initializers.zeros, (module.features,), jnp.float32)
    return operation(*promote_dtype(x, kernel, dtype=module.dtype)) + bias


class StridedConv(nn.Module):
    """4x4 convolution, stride 2, padding 1: [B, 2h, 2w, C] -> [B, h, w, features]."""

    features: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x):
        return with_bias(self, conv.conv, x, (4, 4, x.shape[-1], self.features))


class StridedConvTranspose(nn.Module):
    """4x4 transposed convolution, stride 2, padding 1: [B, h, w, F] -> [B, 2h, 2w, features]."""

    features: int
    dtype: Any = None

    @nn.compact
    def __call__(self, y):
        shape = (4, 4, self.features, y.shape[-1])
        return with_bias(self, conv.conv_transpose, y, shape, _TRANSPOSE_INIT)


def _by_halves(layers, x, pixels):
    """layers(x), on a CPU for each half of a large batch's rows: caches hold more of the halves.

    The halves of a larger one, as an evaluation's, would hold no better, and take more memory.

    Args:
      layers: a function of an array of rows.
      x: [B, ...].
      pixels: of the image of each row.
    """
    rows = x.shape[0]
    # An exported program's rows are a symbol.
    large = isinstance(rows, int) and rows % 2 == 0 and rows * pixels in _LARGE
    if not large or jax.default_backend() != "cpu":
        return layers(x)
    return jnp.concatenate([layers(half) for half in jnp.split(x, 2)])


class BurgessEncoder(nn.Module):
    """Strided convolutions of 32 channels down to 4x4, two layers of 256, mean and logvar."""

    num_convs: int
    latents: int
    dtype: Any = None

    @nn.compact
    def __call__(self, images):
        convs = [StridedConv(32, self.dtype) for _ in range(self.num_convs)]
        dense = [nn.Dense(n, dtype=self.dtype) for n in (256, 256, 2 * self.latents)]

        def layers(x):  # [B, H, W, C]
            for conv_layer in convs:
                x = nn.relu(conv_layer(x))
            x = x.reshape(x.shape[0], -1)  # [B, 512]
            for layer in dense[:-1]:
                x = nn.relu(layer(x))
            return at_least_float32(dense[-1](x))

        x = _by_halves(layers, images, images.shape[1] * images.shape[2])
        return x[:, : self.latents], x[:, self.latents :]


class BurgessDecoder(nn.Module):
    """The encoder's mirror: z [B, d] -> logits [B, H, W, C]."""

    num_convs: int
    channels: int
    dtype: Any = None

    @nn.compact
    def __call__(self, z):
        dense = [nn.Dense(n, dtype=self.dtype) for n in (256, 256, 512)]
        features = (self.num_convs - 1) * [32] + [self.channels]
        convs = [StridedConvTranspose(n, self.dtype) for n in features]

        def layers(x):  # [B, d]
            for layer in dense:
                x = nn.relu(layer(x))
            x = x.reshape(-1, 4, 4, 32)
            for conv_layer in convs[:-1]:
                x = nn.relu(conv_layer(x))
            return convs[-1](x)

        return _by_halves(layers, z, 4 ** (2 + self.num_convs))


def burgess(size: int, channels: int, latents: int, dtype=None) -> Networks:
    """Encoder and decoder of Burgess et al. 2018 (arXiv:1804.03599), the paper's [2].

    Args:
      size: side of the square images in pixels, a power of two from 8 (64: four convolutions).
      channels: of the images, 1 or 3.
      latents: d, the number of latent dimensions.
      dtype: that the layers compute in; None: that of parameters and images.

    Raises:
      ValueError: size is not a power of two of at least 8.
    """
    num_convs = size.bit_length() - 3
    if size < 8 or size != 4 << num_convs:
        raise ValueError(f"image size {size} is not a power of two of at least 8")
    return Networks(
        BurgessEncoder(num_convs, latents, dtype), BurgessDecoder(num_convs, channels, dtype)
    )


class Affine(nn.Module):
    """The parameters of `nn.Dense`: kernel [inputs, features] and bias [features]."""

    features: int

    @nn.compact
    def __call__(self, inputs: int):
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (inputs, self.features))
        return kernel, self.param("bias", nn.initializers.zeros, (self.features,))


class Critic(nn.Module):
    """FactorVAE's discriminator: v [B, k] -> logits [B], leaky ReLU of slope 0.2 throughout."""

    layers: int = 6
    width: int = 1000
    dtype: Any = None

    @nn.compact
    def __call__(self, v):
        inputs = (v.shape[1],) + self.layers * (self.width,)
        outputs = self.layers * (self.width,) + (1,)
        layers = [
            Affine(n, name=f"Dense_{i}")(m)
            for i, (m, n) in enumerate(zip(inputs, outputs, strict=True))
        ]
        if self.dtype is not None:
            layers, v = jax.tree.map(lambda x: x.astype(self.dtype), (layers, v))
        return at_least_float32(scalar_mlp.scalar_mlp(0.2, layers, v))
