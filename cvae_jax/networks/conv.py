"""The 4x4 stride-2 convolution and its transpose: matrix products on a CPU, lax elsewhere.

XLA's own gradients of a strided convolution are many times slower on a CPU than matrix products of
the same size, of which `conv_forms` has three forms.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from cvae_jax.networks import conv_forms

_LARGE = range(2**18, 2**19 + 1)  # pixels of a batch: 64 to 128 images of 64x64


def _conv_lax(x, kernel):
    return lax.conv_general_dilated(
        x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _transpose_lax(y, kernel):
    batch, h, w, _ = y.shape
    x = jax.ShapeDtypeStruct((batch, 2 * h, 2 * w, kernel.shape[2]), y.dtype)
    return jax.linear_transpose(lambda x: _conv_lax(x, kernel), x)(y)[0]


def _kernel_gradient_lax(x, y):
    like = jax.ShapeDtypeStruct((4, 4, x.shape[-1], y.shape[-1]), x.dtype)
    return jax.linear_transpose(lambda kernel: _conv_lax(x, kernel), like)(y)[0]


def _one_kernel(plain, products):
    """`plain`, and under vmap `products` where the kernels or y are as many as the x.

    lax makes a grouped convolution of them, which GPUs compile for minutes; products become one
    batched product.
    """
    function = jax.custom_batching.custom_vmap(plain)

    @function.def_vmap
    def many(size, batched, *args):
        axes = [0 if mapped else None for mapped in batched]
        return jax.vmap(products if any(batched[1:]) else plain, axes)(*args), True

    return function


def _by_platform(plain, products):
    """As `lax.platform_dependent` takes them."""
    cpu = functools.partial(products, tiles=True)
    return {"cpu": cpu, "default": _one_kernel(plain, products)}


CONV = _by_platform(_conv_lax, conv_forms.conv)
CONV_TRANSPOSE = _by_platform(_transpose_lax, conv_forms.conv_transpose)
KERNEL_GRADIENT = _by_platform(_kernel_gradient_lax, conv_forms.kernel_gradient)


@jax.custom_vjp
def conv(x, kernel):
    """Convolves 4x4 with stride 2 and padding 1: [B, 2h, 2w, C] -> [B, h, w, F].

    Args:
      x: [B, 2h, 2w, C].
      kernel: [4, 4, C, F].
    """
    return lax.platform_dependent(x, kernel, **CONV)


@jax.custom_vjp
def conv_transpose(y, kernel):
    """Computes the adjoint of `conv` for the same kernel: [B, h, w, F] -> [B, 2h, 2w, C].

    Args:
      y: [B, h, w, F].
      kernel: [4, 4, C, F], as in `conv`.
    """
    return lax.platform_dependent(y, kernel, **CONV_TRANSPOSE)


@jax.custom_vjp
def kernel_gradient(x, y):
    """Computes `conv`'s gradient by its kernel, [4, 4, C, F]; y is that of its output.

    Args:
      x: [B, 2h, 2w, C].
      y: [B, h, w, F].
    """
    return lax.platform_dependent(x, y, **KERNEL_GRADIENT)


# <y, conv(x, k)> is linear in each of the three, so they are each other's gradients, of any order.
# The backward pass recomputes intermediates; XLA's common-subexpression elimination removes the
# duplicates.
conv.defvjp(
    lambda x, kernel: (conv(x, kernel), (x, kernel)),
    lambda saved, g: (conv_transpose(g, saved[1]), kernel_gradient(saved[0], g)),
)
conv_transpose.defvjp(
    lambda y, kernel: (conv_transpose(y, kernel), (y, kernel)),
    lambda saved, g: (conv(g, saved[1]), kernel_gradient(g, saved[0])),
)
kernel_gradient.defvjp(
    lambda x, y: (kernel_gradient(x, y), (x, y)),
    lambda saved, g: (conv_transpose(saved[1], g), conv(saved[0], g)),
)


def by_halves(layers, x, pixels):
    """Returns layers(x), on a CPU by halves of a large batch, which fit better into caches.

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
