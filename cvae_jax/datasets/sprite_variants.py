"""dSprites in colours, in noise and on patches of a texture, made from the images as they are read.

The variants of Locatello et al. 2019 (Color-, Noisy- and Scream-dSprites of disentanglement_lib),
with two differences. What theirs draws again at every visit is here a function of the image's
number alone, so that an image is the same in every epoch, run and evaluation. And the patches are
of a texture that is made here, not of Munch's painting. All is integer arithmetic in numpy or
JAX: the same to the bit on every machine and device.
"""

import functools

import numpy as np

from cvae_jax.datasets.dataset import Dataset, images_of_blocks

_SIZE = 64  # pixels a side of the stored images
_BITS = _SIZE * _SIZE // 8  # bytes of an image
_MARGIN = 256  # places of a patch along each side of the texture
_OCTAVES = 7  # cells of 1, 2, 4, ..., 64 pixels


def make(dataset: Dataset, kind: str) -> Dataset:
    """Returns a variant of binary images of one channel, 64x64 as they are stored.

    With m = 1 inside the sprite and 0 outside, levels in [0, 1] and U uniform:
      color    m U, U in [1/2, 1] for each image and channel
      noisy    min(m + U, 1), U in [0, 1] for each pixel and channel
      patches  b outside and 1 - b inside; b is the mean of a 64x64 patch of the texture and of U
               in [0, 1] for each image and channel

    Args:
      dataset: its pixels are bits, [N, 512] bytes.
      kind: of KINDS.

    Returns:
      A data set of three channels; behind the bits of an image is its number, four bytes.
    """
    what, paint = KINDS[kind]
    numbers = np.arange(dataset.num_images, dtype="<u4").view(np.uint8).reshape(-1, 4)
    return dataset._replace(
        source=f"{dataset.source}, {what}",
        channels=3,
        pixels=np.concatenate([dataset.pixels, numbers], axis=1),
        decode=functools.partial(_images, paint, dataset.size),
        binary=False,
    )


def _images(paint, size, rows):
    """Images uint8 [n, size, size, 3] of rows [n, 516], of numpy or of JAX."""
    xp = rows.__array_namespace__()
    inside = xp.unpackbits(rows[:, :_BITS], axis=1).reshape(len(rows), _SIZE, _SIZE, 1)
    first, second, third, fourth = (rows[:, _BITS + i].astype(np.uint32) for i in range(4))
    numbers = first | second << np.uint32(8) | third << np.uint32(16) | fourth << np.uint32(24)
    return images_of_blocks(_SIZE, size, paint(xp, inside == 1, numbers))


def _mixed(x):
    """A hash of numbers uint32 (Wellons' lowbias32), by which neighbours have nothing in common."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def uniform(numbers, count: int):
    """Returns `count` uniform bytes for each image's number [n], uint32 [n, count] in 0..255."""
    places = _mixed(np.arange(1, count + 1, dtype=np.uint32))
    keys = _mixed(numbers + np.uint32(0x9E3779B9))  # or image 0 would have the key 0
    return _mixed(keys[:, None] + places) >> np.uint32(24)


def _colored(xp, inside, numbers):
    levels = (uniform(numbers, 3) >> np.uint32(1)) + np.uint32(128)  # 128 to 255
    return xp.where(inside, levels[:, None, None, :], np.uint32(0)).astype(np.uint8)


def _noisy(xp, inside, numbers):
    noise = uniform(numbers, _SIZE * _SIZE * 3).reshape(-1, _SIZE, _SIZE, 3)
    return xp.where(inside, np.uint32(255), noise).astype(np.uint8)


def _on_patches(xp, inside, numbers):
    drawn = uniform(numbers, 5)  # a colour, then the place
    row, column = (drawn[:, i, None].astype(np.int32) + np.arange(_SIZE) for i in (3, 4))  # [n, 64]
    patches = xp.asarray(texture())[row[:, :, None], column[:, None, :]].astype(np.uint32)
    behind = (patches + drawn[:, None, None, :3]) >> np.uint32(1)
    return xp.where(inside, np.uint32(255) - behind, behind).astype(np.uint8)


@functools.cache
def texture() -> np.ndarray:
    """Returns the texture, uint8 [320, 320, 3].

    A sum over octaves of random values on a grid with linear interpolation between them, all of
    one amplitude: so each octave has the same power, as in natural images, whose power falls as
    1 / f^2 (Field 1987). Three quarters of it are common to the channels.
    """
    side = _MARGIN + _SIZE
    drawn = np.zeros((side, side, 4), np.int64)  # three channels' own, and the common
    for octave in range(_OCTAVES):
        cell = 1 << octave
        count = side // cell + 2
        values = uniform(np.array([octave], np.uint32), count * count * 4)
        values = values.reshape(count, count, 4).astype(np.int64)
        index, part = np.divmod(np.arange(side), cell)
        part = part[:, None, None]
        rows = values[index] * (cell - part) + values[index + 1] * part  # [side, count, 4]
        part = part.reshape(1, side, 1)
        drawn += (rows[:, index] * (cell - part) + rows[:, index + 1] * part) // (cell * cell)
    total = drawn[..., :3] + 3 * drawn[..., 3:]
    least, most = total.min(), total.max()
    return ((total - least) * 255 // (most - least)).astype(np.uint8)


KINDS = {
    "color": ("in colours", _colored),
    "noisy": ("in noise", _noisy),
    "patches": ("on patches of a texture", _on_patches),
}
