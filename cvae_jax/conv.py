"""The 4x4 stride-2 convolution and its transpose: matrix products on a CPU, lax elsewhere.

XLA's own gradients of a strided convolution are many times slower on a CPU than matrix products of
the same size. On an image padded by 1 and cut into 2x2 blocks an output reads a square of 2x2
blocks, so the convolution is one product of all blocks with a matrix of the kernel, whose four
groups of columns are then added up, each shifted by its block:

  conv(x, k) = gather(blocks(x) @ M),  its adjoint  conv_transpose(y, k) = unblocks(spread(y) @ M')

`_unblocks` is the adjoint of `_blocks` and `_gather` that of `_spread`, so every gradient is a
product of the same three matrices.
"""

import jax
import jax.numpy as jnp
from jax import lax

_PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1))  # rows and columns: of pixels (a, b), of blocks (s, t)


def _merge(parts):
    """Four [B, h, w, C] -> [B, h, w, 4 C]. XLA copies a stack twice as fast as a transpose."""
    x = jnp.stack(parts, axis=3)
    return x.reshape(*x.shape[:3], -1)


def _pad(x, s, t):
    """[B, h, w, C] -> [B, h + 1, w + 1, C], moved by s rows and t columns."""
    return jnp.pad(x, ((0, 0), (s, 1 - s), (t, 1 - t), (0, 0)))


def _blocks(x):
    """[B, 2h, 2w, C] -> [B, h + 1, w + 1, 4 C]: of x padded by 1."""
    return _merge([_pad(x[:, 1 - a :: 2, 1 - b :: 2], 1 - a, 1 - b) for a, b in _PAIRS])


def _unblocks(x):
    """[B, h + 1, w + 1, 4 C] -> [B, 2h, 2w, C]; what falls on the padding is dropped."""
    batch, h, w, channels = x.shape
    x = x.reshape(batch, h, w, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, 2 * h, 2 * w, channels // 4)[:, 1:-1, 1:-1]


def _spread(y):
    """[B, h, w, F] -> [B, h + 1, w + 1, 4 F]: an output at each of the four blocks it reads."""
    return _merge([_pad(y, s, t) for s, t in _PAIRS])


def _gather(y):
    """[B, h + 1, w + 1, 4 F] -> [B, h, w, F]: the sum over the four blocks of each output."""
    h, w, parts = y.shape[1] - 1, y.shape[2] - 1, jnp.split(y, 4, axis=-1)
    return sum(p[:, s : s + h, t : t + w] for p, (s, t) in zip(parts, _PAIRS, strict=True))


def _patches(x):
    """[B, 2h, 2w, C] -> [B, h, w, 16 C]: the four blocks that each output reads."""
    x = _blocks(x)
    h, w = x.shape[1] - 1, x.shape[2] - 1
    return _merge([x[:, s : s + h, t : t + w] for s, t in _PAIRS])


def _unpatches(y):
    """[B, h, w, 16 C] -> [B, 2h, 2w, C]: the adjoint of `_patches`."""
    parts = zip(jnp.split(y, 4, axis=-1), _PAIRS, strict=True)
    return _unblocks(sum(_pad(p, s, t) for p, (s, t) in parts))


def _same(y):
    return y


# How x and y become rows and back, and the order of the kernel's axes [s, a, t, b, C, F] in the
# matrix: tap (2 s + a, 2 t + b) is pixel (a, b) of block (s, t).
_BLOCKS = (_blocks, _unblocks, _spread, _gather, (1, 3, 4, 0, 2, 5))  # [4 C, 4 F]
_PATCHES = (_patches, _unpatches, _same, _same, (0, 2, 1, 3, 4, 5))  # [16 C, F]


def _form(kernel):
    """Patches of images, which have few channels, are smaller than four groups of columns."""
    return _PATCHES if kernel.shape[2] < kernel.shape[3] else _BLOCKS


def _matrix(kernel):
    *_, axes = _form(kernel)
    taps = kernel.reshape(2, 2, 2, 2, *kernel.shape[2:]).transpose(axes)
    return taps.reshape(-1, kernel.shape[3] * (4 if axes[3] == 0 else 1))


def _kernel(matrix, like):
    """The inverse of `_matrix`."""
    *_, axes = _form(like)
    sizes = (2, 2, 2, 2, *like.shape[2:])
    taps = matrix.reshape([sizes[axis] for axis in axes])
    return taps.transpose([axes.index(axis) for axis in range(6)]).reshape(like.shape)


def _kernel_like(x, y):
    return jax.ShapeDtypeStruct((4, 4, x.shape[-1], y.shape[-1]), x.dtype)


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _product(x, matrix):
    return (_rows(x) @ matrix).reshape(*x.shape[:-1], -1)


def _conv_products(x, kernel):
    blocks, _, _, gather, _ = _form(kernel)
    return gather(_product(blocks(x), _matrix(kernel)))


def _transpose_products(y, kernel):
    _, unblocks, spread, _, _ = _form(kernel)
    return unblocks(_product(spread(y), _matrix(kernel).T))


def _kernel_gradient_products(x, y):
    like = _kernel_like(x, y)
    blocks, _, spread, _, _ = _form(like)
    # over all pixels: summed up in float32 at least
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    product = jnp.matmul(_rows(blocks(x)).T, _rows(spread(y)), preferred_element_type=dtype)
    return _kernel(product, like).astype(like.dtype)


def _conv_lax(x, kernel):
    return lax.conv_general_dilated(
        x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _transpose_lax(y, kernel):
    batch, h, w, _ = y.shape
    x = jax.ShapeDtypeStruct((batch, 2 * h, 2 * w, kernel.shape[2]), y.dtype)
    return jax.linear_transpose(lambda x: _conv_lax(x, kernel), x)(y)[0]


def _kernel_gradient_lax(x, y):
    like = _kernel_like(x, y)
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


# By platform, as `lax.platform_dependent` takes them.
CONV = {"cpu": _conv_products, "default": _one_kernel(_conv_lax, _conv_products)}
CONV_TRANSPOSE = {
    "cpu": _transpose_products,
    "default": _one_kernel(_transpose_lax, _transpose_products),
}
KERNEL_GRADIENT = {
    "cpu": _kernel_gradient_products,
    "default": _one_kernel(_kernel_gradient_lax, _kernel_gradient_products),
}


@jax.custom_vjp
def conv(x, kernel):
    """4x4 convolution with stride 2 and padding 1: [B, 2h, 2w, C] -> [B, h, w, F].

    Args:
      x: [B, 2h, 2w, C].
      kernel: [4, 4, C, F].
    """
    return lax.platform_dependent(x, kernel, **CONV)


@jax.custom_vjp
def conv_transpose(y, kernel):
    """The adjoint of `conv` for the same kernel: [B, h, w, F] -> [B, 2h, 2w, C].

    Args:
      y: [B, h, w, F].
      kernel: [4, 4, C, F], as in `conv`.
    """
    return lax.platform_dependent(y, kernel, **CONV_TRANSPOSE)


@jax.custom_vjp
def kernel_gradient(x, y):
    """What `conv`'s gradient by its kernel is for a gradient y of its output: [4, 4, C, F].

    Args:
      x: [B, 2h, 2w, C].
      y: [B, h, w, F].
    """
    return lax.platform_dependent(x, y, **KERNEL_GRADIENT)


# <y, conv(x, k)> is linear in each of the three, so they are each other's gradients, of any order.
# What the forward pass made of x and y, the backward makes again: XLA merges the two.
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
