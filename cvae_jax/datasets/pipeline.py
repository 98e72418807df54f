"""From a data set's name to images by index, and the order in which training visits them.

tfds prepares a data set once. Its records are then read once, packed to bits, and kept beside
the records as a working copy (bits.npy, factors.npy, copy.json with checksums), from which later
starts load in about a second.
"""

import contextlib
import difflib
import fcntl
import functools
import json
import logging
import os
import pathlib
import shutil
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tqdm

from cvae_jax.errors import UserError

log = logging.getLogger(__name__)

NAMES = ("dsprites", "dsprites_small", "dsprites_official")

_LABELS = {  # factor: feature of the records
    "shape": "label_shape",
    "scale": "label_scale",
    "orientation": "label_orientation",
    "x": "label_x_position",
    "y": "label_y_position",
}
_SIZE = 64  # pixels a side, of all images as stored
_CHUNK = 1024  # records read at a time
_EXAMPLES_PER_SECOND = 3500  # drawn, written by tfds and read back, on one core


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
      size: pixels a side: 64, or 32 or 16 by averaging blocks.
      data_dir: tfds's root folder; "" is $TFDS_DATA_DIR, else ~/tensorflow_datasets.

    Raises:
      UserError: for an unknown name or size, an unusable folder, or a missing official file.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
        raise UserError(
            f"no data set {name!r}: did you mean {near!r}? There are {', '.join(NAMES)}"
        )
    # Imported here: tfds takes half a second, and who only needs batch_indices should not wait.
    from cvae_jax.datasets import dsprites

    builder_cls, config = {
        "dsprites": (dsprites.RenderedDsprites, "full"),
        "dsprites_small": (dsprites.RenderedDsprites, "small"),
        "dsprites_official": (dsprites.OfficialDsprites, "full"),
    }[name]
    return load_builder(name, builder_cls, builder_cls.builder_configs[config], size, data_dir)


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
        copy = _prepared_copy(name, builder_cls, config, root)
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
        factor_names=tuple(_LABELS),
        factors=copy.factors,
        images=functools.partial(_images, copy.bits, size),
    )


def _images(bits: np.ndarray, size: int, indices: np.ndarray) -> np.ndarray:
    """Images 0..255, uint8 [n, size, size, 1], from the rows [n] of bits [N, 512]."""
    rows = bits[indices]  # [n, 512]
    pixels = np.unpackbits(rows, axis=1).reshape(len(rows), _SIZE, _SIZE)  # 0 or 1
    if size == _SIZE:
        return (pixels * np.uint8(255))[..., None]
    block = _SIZE // size
    sums = pixels[:, ::block]
    for row in range(1, block):
        sums = sums + pixels[:, row::block]  # [n, size, 64]
    rows, sums = sums, sums[:, :, ::block]
    for column in range(1, block):
        sums = sums + rows[:, :, column::block]  # [n, size, size], 0..block^2
    levels = np.rint(np.arange(block**2 + 1) * (255 / block**2)).astype(np.uint8)
    return np.take(levels, sums)[..., None]


class _Copy(NamedTuple):
    """The working copy: images as bits, row by row, their labels, and where they come from."""

    bits: np.ndarray  # uint8 [N, 512]
    factors: np.ndarray  # int32 [N, k]
    source: str


def _prepared_copy(name: str, builder_cls: type, config, root: pathlib.Path) -> _Copy:
    """The working copy: as found, or made from the records, or from nothing."""
    folder = root / builder_cls.name / config.name / str(builder_cls.VERSION)  # tfds's own choice
    copy = _read_copy(folder, config)  # needs no lock and no right to write
    if copy is not None:
        return copy
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(folder.name + ".lock")):
        copy = _read_copy(folder, config)  # another process may have made it in the meantime
        if copy is not None:
            return copy
        if (folder / "copy.json").exists():
            log.warning("the working copy of %s in %s is damaged: made anew", name, folder)
        make_builder = functools.partial(builder_cls, config=config, data_dir=root)
        copy = _make_copy(name, make_builder, folder)
        _write_copy(folder, copy)
        return copy


def _make_copy(name: str, make_builder: Callable, folder: pathlib.Path) -> _Copy:
    """Reads the records in `folder`, preparing them if they are not there or damaged."""
    if folder.exists():
        try:
            return _read_records(make_builder())
        except Exception as error:  # RuntimeError, ParseError, zlib.error...: tfds promises none
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            log.warning(
                "records of %s in %s are damaged (%s): prepared again", name, folder, reason
            )
            shutil.rmtree(folder)
    # tfds writes to incomplete.* and renames at the end, but a killed process leaves it behind.
    for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
        shutil.rmtree(leftover)
    builder = make_builder()
    count = builder.builder_config.num_images
    seconds = count // _EXAMPLES_PER_SECOND + 1
    log.info("preparing %s: %d images into %s, once, about %d s", name, count, folder, seconds)
    import tensorflow_datasets as tfds

    builder.download_and_prepare(
        file_format="array_record",  # the one format that needs no TensorFlow
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
    )
    return _read_records(make_builder())


def _read_records(builder) -> _Copy:
    """All records of a prepared builder; raises ValueError if they are not its config's grid."""
    labels = builder.builder_config.labels().astype(np.int32)  # [N, 5]
    records = builder.as_data_source(split="train")
    if len(records) != len(labels):
        raise ValueError(f"{len(records)} records, not {len(labels)}")
    bits = np.empty((len(labels), _SIZE * _SIZE // 8), np.uint8)
    factors = np.empty_like(labels)
    # disable=None: no bar where the output is a file.
    for start in tqdm.trange(0, len(labels), _CHUNK, desc=f"Reading {builder.name}", disable=None):
        rows = slice(start, min(start + _CHUNK, len(labels)))
        examples = records.__getitems__(list(range(rows.start, rows.stop)))
        images = np.stack([example["image"] for example in examples])  # [n, 64, 64, 1], 0 or 1
        bits[rows] = np.packbits(images.reshape(len(examples), -1), axis=1)
        factors[rows] = [[example[label] for label in _LABELS.values()] for example in examples]
    if not np.array_equal(factors, labels):
        raise ValueError("the labels are not those of the grid")
    return _Copy(bits, factors, builder.info.metadata["source"])


def _read_copy(folder: pathlib.Path, config) -> _Copy | None:
    """The working copy, or None if it is missing, not as it was written, or of another grid."""
    try:
        about = json.loads((folder / "copy.json").read_text())
        if _checksum(folder, about["source"]) != about["crc32"]:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # Only now: what np.load raises for a damaged header is not to be foreseen.
    bits, factors = np.load(folder / "bits.npy"), np.load(folder / "factors.npy")
    return _Copy(bits, factors, about["source"]) if len(bits) == config.num_images else None


def _write_copy(folder: pathlib.Path, copy: _Copy) -> None:
    for file, array in (("bits.npy", copy.bits), ("factors.npy", copy.factors)):
        with _replacing(folder / file) as part:
            np.save(part, array)
    about = {"source": copy.source, "crc32": _checksum(folder, copy.source)}
    with _replacing(folder / "copy.json") as part:  # last: it vouches for the others
        part.write(json.dumps(about).encode())


def _checksum(folder: pathlib.Path, source: str) -> int:
    """The crc32 of the working copy: its source, then its two files, headers included."""
    checksum = zlib.crc32(source.encode())
    for file in ("bits.npy", "factors.npy"):
        with open(folder / file, "rb") as stream:
            while chunk := stream.read(1 << 22):
                checksum = zlib.crc32(chunk, checksum)
    return checksum


@contextlib.contextmanager
def _replacing(path: pathlib.Path) -> Iterator:
    """A binary file that takes the name `path` only once it is whole."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Holds the lock file `path` against other processes; it goes with the process that dies."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for the process that prepares %s", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
