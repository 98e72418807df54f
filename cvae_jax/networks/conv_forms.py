"""The 4x4 stride-2 convolution as matrix products, in three forms.

Each form is a pair of linear maps of its input x and its kernel k to matrices, whose products
V_i K_i a third map joins to the output:

  conv(x, k) = join(V_1 K_1, ...),    V = split(x),    K = matrices(k)

So with Y = spread(y), where spread is the adjoint of join, and with the adjoints of the other two,

  conv_transpose(y, k) = unsplit(Y_1 K_1', ...),    kernel_gradient(x, y) = kernel(V_1' Y_1, ...)

On an image padded by 1 and cut into 2x2 blocks of pixels an output reads a square of 2x2 blocks.

* PATCHES: the four blocks of each output side by side, one product. The least memory for images of
  few channels.
* BLOCKS: the product of all blocks with four groups of columns, one for each place in the square.
* TILES: Winograd's minimal filtering (Lavin and Gray 2016, arXiv:1509.09308). Along an axis the two
  outputs d0 k0 + d1 k1 and d1 k0 + d2 k1 of three blocks d take three products in place of four,
  (d0 - d1) k0, d1 (k0 + k1), (d2 - d1) k1; along both, nine in place of sixteen.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

_LARGEST = 2**21  # numbers of the images that tiles are made of
_PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1))  # rows and columns: of pixels (a, b), of blocks (s, t)


class Form(NamedTuple):
    """Maps of arrays to lists of arrays, and their adjoints."""

    split: Callable  # x [B, 2h, 2w, C] -> V_i [B, .., .., n]
    unsplit: Callable
    spread: Callable  # y [B, h, w, F] -> Y_i [B, .., .., m]
    join: Callable
    matrices: Callable  # kernel [4, 4, C, F] -> K_i [n, m]
    kernel: Callable  # (matrices, kernel's shape) -> kernel


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
    """The adjoint of `_blocks`; what falls on the padding is dropped."""
    batch, h, w, channels = x.shape
    x = x.reshape(batch, h, w, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, 2 * h, 2 * w, channels // 4)[:, 1:-1, 1:-1]


def _squares(blocks):
    """[B, h + 1, w + 1, C] -> [B, h, w, 4 C]: the four blocks that each output reads."""
    h, w = blocks.shape[1] - 1, blocks.shape[2] - 1
    return _merge([blocks[:, s : s + h, t : t + w] for s, t in _PAIRS])


def _unsquares(y):
    """The adjoint of `_squares`."""
    return sum(_pad(p, s, t) for p, (s, t) in zip(jnp.split(y, 4, axis=-1), _PAIRS, strict=True))


def _to_places(y):
    """[B, h, w, F] -> [B, h + 1, w + 1, 4 F]: an output at each of the four blocks it reads."""
    return _merge([_pad(y, s, t) for s, t in _PAIRS])


def _from_places(y):
    """The adjoint of `_to_places`: the sum over the four blocks of each output."""
    h, w, parts = y.shape[1] - 1, y.shape[2] - 1, jnp.split(y, 4, axis=-1)
    return sum(p[:, s : s + h, t : t + w] for p, (s, t) in zip(parts, _PAIRS, strict=True))


def _thirds(blocks, axis):
    """[.., n + 1, ..] -> d0 - d1, d1, d2 - d1, each [.., n / 2, ..]: of two outputs' blocks."""
    n = blocks.shape[axis] - 1
    d0, d1, d2 = (lax.slice_in_dim(blocks, i, i + n - 1, 2, axis) for i in range(3))
    return d0 - d1, d1, d2 - d1


def _from_thirds(m, axis):
    """The adjoint of `_thirds`."""
    even = _pad_along(m[0], axis, (0, 1)) + _pad_along(m[2], axis, (1, 0))
    odd = _pad_along(m[1] - m[0] - m[2], axis, (0, 1))
    return lax.slice_in_dim(_interleave(even, odd, axis), 0, 2 * even.shape[axis] - 1, axis=axis)


def _sums(y, axis):
    """[.., n, ..] -> y0, y0 + y1, y1, each [.., n / 2, ..]: of the two outputs, or taps."""
    y0, y1 = (lax.slice_in_dim(y, i, None, 2, axis) for i in range(2))
    return y0, y0 + y1, y1


def _from_sums(m, axis):
    """The adjoint of `_sums`."""
    return _interleave(m[0] + m[1], m[1] + m[2], axis)


def _pad_along(x, axis, widths):
    return jnp.pad(x, [widths if i == axis else (0, 0) for i in range(x.ndim)])


def _interleave(even, odd, axis):
    shape = list(even.shape)
    shape[axis] *= 2
    return jnp.stack([even, odd], axis=axis + 1).reshape(shape)


def _along_both(transform, x, axes):
    """The nine parts of x that a transform to three makes along two axes."""
    return [part for third in transform(x, axes[0]) for part in transform(third, axes[1])]


def _from_both(adjoint, parts, axes):
    """The adjoint of `_along_both`."""
    return adjoint([adjoint(parts[i : i + 3], axes[1]) for i in (0, 3, 6)], axes[0])


def _taps(kernel):
    """[4, 4, C, F] -> [2, 2, 4 C, F]: tap (2 s + a, 2 t + b) is pixel (a, b) of block (s, t)."""
    taps = kernel.reshape(2, 2, 2, 2, *kernel.shape[2:]).transpose(0, 2, 1, 3, 4, 5)
    return taps.reshape(2, 2, -1, kernel.shape[3])


def _from_taps(taps, shape):
    """The adjoint, and inverse, of `_taps`."""
    return taps.reshape(2, 2, 2, 2, *shape[2:]).transpose(0, 2, 1, 3, 4, 5).reshape(shape)


PATCHES = Form(
    split=lambda x: [_squares(_blocks(x))],
    unsplit=lambda v: _unblocks(_unsquares(v[0])),
    spread=lambda y: [y],
    join=lambda y: y[0],
    matrices=lambda kernel: [_taps(kernel).reshape(-1, kernel.shape[3])],
    kernel=lambda m, shape: _from_taps(m[0], shape),
)


def _columns(taps):
    return taps.transpose(2, 0, 1, 3).reshape(taps.shape[2], -1)


def _from_columns(matrix, shape):
    return matrix.reshape(-1, 2, 2, shape[3]).transpose(1, 2, 0, 3)


BLOCKS = Form(
    split=lambda x: [_blocks(x)],
    unsplit=lambda v: _unblocks(v[0]),
    spread=lambda y: [_to_places(y)],
    join=lambda y: _from_places(y[0]),
    matrices=lambda kernel: [_columns(_taps(kernel))],
    kernel=lambda m, shape: _from_taps(_from_columns(m[0], shape), shape),
)

TILES = Form(
    split=lambda x: _along_both(_thirds, _blocks(x), (1, 2)),
    unsplit=lambda v: _unblocks(_from_both(_from_thirds, v, (1, 2))),
    spread=lambda y: _along_both(_sums, y, (1, 2)),
    join=lambda y: _from_both(_from_sums, y, (1, 2)),
    matrices=lambda kernel: [m[0, 0] for m in _along_both(_sums, _taps(kernel), (0, 1))],
    kernel=lambda m, shape: _from_taps(
        _from_both(_from_sums, [part[None, None] for part in m], (0, 1)), shape
    ),
)


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _times(x, matrix):
    return (_rows(x) @ matrix).reshape(*x.shape[:-1], -1)


def _sum_of_products(v, y):
    """V' Y over all pixels, summed up in float32 at least."""
    dtype = jnp.promote_types(v.dtype, jnp.float32)
    if v.shape[-1] <= y.shape[-1]:
        return jnp.matmul(_rows(v).T, _rows(y), preferred_element_type=dtype)
    # XLA turns the left side round: let it be the smaller. Without the barrier it is V again.
    return lax.optimization_barrier(
        jnp.matmul(_rows(y).T, _rows(v), preferred_element_type=dtype)
    ).T


def _form(batch, h, w, kernel_shape, dtype, tiles):
    """The form for outputs of h x w."""
    *_, channels, features = kernel_shape
    if channels < features:
        return PATCHES
    # A tile has two outputs a side, and differences, which would cost bfloat16 a bit. The nine
    # products gain nothing on fewer outputs than 8 x 8, nor where their sides, together 2.25 times
    # the images, are too large for a cache, as those of an evaluation's batches. An exported
    # program's batch is a symbol.
    suit = min(h, w) >= 8 and h % 2 == w % 2 == 0 and dtype.itemsize >= 4
    small = isinstance(batch, int) and 4 * batch * h * w * channels <= _LARGEST
    return TILES if tiles and suit and small else BLOCKS


def conv(x, kernel, tiles=False):
    """Convolves [B, 2h, 2w, C] with [4, 4, C, F]: [B, h, w, F].

    Args:
      x: [B, 2h, 2w, C].
      kernel: [4, 4, C, F].
      tiles: take TILES where they apply.
    """
    batch, height, width, _ = x.shape
    form = _form(batch, height // 2, width // 2, kernel.shape, x.dtype, tiles)
    pairs = zip(form.split(x), form.matrices(kernel), strict=True)
    return form.join([_times(v, k) for v, k in pairs])


def conv_transpose(y, kernel, tiles=False):
    """Computes the adjoint: [B, h, w, F] and [4, 4, C, F] -> [B, 2h, 2w, C]."""
    form = _form(*y.shape[:3], kernel.shape, y.dtype, tiles)
    pairs = zip(form.spread(y), form.matrices(kernel), strict=True)
    return form.unsplit([_times(y, k.T) for y, k in pairs])


def kernel_gradient(x, y, tiles=False):
    """Computes the kernel's gradient: [B, 2h, 2w, C] and [B, h, w, F] -> [4, 4, C, F]."""
    shape = (4, 4, x.shape[-1], y.shape[-1])
    form = _form(*y.shape[:3], shape, x.dtype, tiles)
    pairs = zip(form.split(x), form.spread(y), strict=True)
    products = [_sum_of_products(v, y) for v, y in pairs]
    return form.kernel(products, shape).astype(x.dtype)
