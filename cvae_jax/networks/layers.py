"""Linen layers that every network here is built of: the paper's strided convolutions, with bias.

Parameters are float32; `dtype` is what the layers compute in, by default that of parameters and
inputs. What comes out has at least float32.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from cvae_jax.networks import conv

_CONV_INIT = nn.initializers.lecun_normal()
# Each output pixel of the transposed convolution sums 4 of the kernel's 16 taps a channel.
_TRANSPOSE_INIT = nn.initializers.variance_scaling(
    4.0, "fan_in", "truncated_normal", in_axis=-1, out_axis=-2
)


def at_least_float32(x):
    """Returns the array as float32; float64 stays what it is."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def with_bias(module: nn.Module, operation, x, shape, init=_CONV_INIT):
    """Computes operation(x, kernel) + bias with a linen module's parameters, in its dtype.

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
