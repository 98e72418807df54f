"""The 4x4 stride-2 convolution and its transpose, in forms that XLA runs fast on a CPU.

XLA's own input gradient (the transposed convolution) and weight gradient of a strided convolution
are many times slower on CPU than a matrix product of the same size. Each is the adjoint of the
other, so three kernels serve both directions: `_forward`, `_input_gradient`, `_kernel_gradient`.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def _forward(x, kernel):
    """Convolve x [B, 2h, 2w, C] with kernel [4, 4, C, F], stride 2, padding 1 -> [B, h, w, F]."""
    return lax.conv_general_dilated(
        x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=_DIMENSIONS
    )


def _input_gradient(g, kernel):
    """Adjoint of `_forward` in x: g [B, h, w, F] -> [B, 2h, 2w, C].

    Output rows 2m - 1 and 2m read only g's rows m - 1 and m: one 2x2 convolution on the small grid
    computes all four parities as channels, and depth-to-space interleaves them.
    """
    batch, height, width, features = g.shape
    channels = kernel.shape[2]
    taps = kernel.reshape(2, 2, 2, 2, channels, features)[::-1, :, ::-1]  # [s, a, t, b, C, F]
    taps = taps.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, features, 4 * channels)
    y = lax.conv_general_dilated(g, taps, (1, 1), ((1, 1), (1, 1)), dimension_numbers=_DIMENSIONS)
    y = y.reshape(batch, height + 1, width + 1, 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    y = y.reshape(batch, 2 * height + 2, 2 * width + 2, channels)
    return y[:, 1:-1, 1:-1]


def _kernel_gradient(x, g):
    """Adjoint of `_forward` in kernel: x [B, 2h, 2w, C], g [B, h, w, F] -> [4, 4, C, F].

    With x in space-to-depth form the sum over pixels is a matrix product of 4 C by 4 F. The 2x2
    shifts are copied out on the side with fewer channels.
    """
    batch, height, width, features = g.shape
    channels = x.shape[3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = x.reshape(batch, height + 1, 2, width + 1, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(batch, height + 1, width + 1, 4 * channels)  # parities [a, b] as channels
    shifts = [(s, t) for s in range(2) for t in range(2)]
    if channels < features:
        rows = [x[:, s : s + height, t : t + width] for s, t in shifts]
        rows = jnp.concatenate(rows, axis=-1).reshape(-1, 16 * channels)
        product = rows.T @ g.reshape(-1, features)  # [s t a b C, F]
        product = product.reshape(2, 2, 2, 2, channels, features).transpose(0, 2, 1, 3, 4, 5)
    else:
        columns = [jnp.pad(g, ((0, 0), (s, 1 - s), (t, 1 - t), (0, 0))) for s, t in shifts]
        columns = jnp.concatenate(columns, axis=-1).reshape(-1, 4 * features)
        product = x.reshape(-1, 4 * channels).T @ columns  # [a b C, s t F]
        product = product.reshape(2, 2, channels, 2, 2, features).transpose(3, 0, 4, 1, 2, 5)
    return product.reshape(4, 4, channels, features)


@jax.custom_vjp
def conv(x, kernel):
    """4x4 convolution with stride 2 and padding 1: [B, 2h, 2w, C] -> [B, h, w, F].

    Args:
      x: [B, 2h, 2w, C].
      kernel: [4, 4, C, F].
    """
    return _forward(x, kernel)


@jax.custom_vjp
def conv_transpose(y, kernel):
    """The adjoint of `conv` for the same kernel: [B, h, w, F] -> [B, 2h, 2w, C].

    Args:
      y: [B, h, w, F].
      kernel: [4, 4, C, F], as in `conv`.
    """
    return _input_gradient(y, kernel)


def _save_inputs(function, inputs, kernel):
    return function(inputs, kernel), (inputs, kernel)


def _conv_backward(saved, g):
    x, kernel = saved
    return _input_gradient(g, kernel), _kernel_gradient(x, g)


def _conv_transpose_backward(saved, g):
    y, kernel = saved
    return _forward(g, kernel), _kernel_gradient(g, y)


conv.defvjp(functools.partial(_save_inputs, _forward), _conv_backward)
conv_transpose.defvjp(functools.partial(_save_inputs, _input_gradient), _conv_transpose_backward)
