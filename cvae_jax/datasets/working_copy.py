"""A data set's images and labels as files of plain arrays, verified, and remade where damaged.

Records, archives and pictures are read once; what they hold is kept beside them as images.npy
(bits, where images are binary), factors.npy and copy.json with a checksum. Later starts load these
in about a second, into memory or, where they are too large for it, mapped from the disk.
"""

import functools
import json
import logging
import pathlib
import shutil
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from cvae_jax import files
from cvae_jax.datasets import progress
from cvae_jax.errors import DISK, UserError, first_line

log = logging.getLogger(__name__)

MEMORY_LIMIT = 4 << 30  # bytes of images that are held in memory; larger ones stay on the disk
_CHUNK = 1024  # records read at a time


class Content(NamedTuple):
    """What a working copy is made from."""

    shape: tuple[int, int, int]  # of each image
    binary: bool  # images of 0 and 1
    factor_names: tuple[str, ...]
    source: str  # one line for results and plots
    count: int
    chunks: Iterator  # of (images uint8 [n, H, W, C], factors int [n, k])


class WorkingCopy(NamedTuple):
    """A working copy, open."""

    pixels: np.ndarray  # uint8 [N, H, W, C]; of binary images their bits [N, H W C / 8]
    factors: np.ndarray  # int32 [N, k]
    shape: tuple[int, int, int]
    binary: bool
    factor_names: tuple[str, ...]
    source: str


def prepared(
    name: str, builder_cls: type, config, root: pathlib.Path, split: str = "train"
) -> WorkingCopy:
    """Returns a split's working copy: as found, or made from the records, or from nothing.

    Args:
      name: for messages.
      builder_cls: see `image_builder.ImageBuilder`.
      config: one of its configs; with `num_images` where the number is known.
      root: tfds's root folder.
      split: a split of the builder.
    """
    folder = root / builder_cls.name / config.name / str(builder_cls.VERSION)  # tfds's own choice
    make_builder = functools.partial(builder_cls, config=config, data_dir=root)
    copy = folder / f"copy_{split}"
    made_from = str(getattr(config, "num_images", ""))

    def make():
        if folder.exists():
            try:
                return store(copy, made_from, _records(make_builder(), split))
            # RuntimeError, ParseError, zlib.error...: tfds promises none.
            except Exception as error:
                if isinstance(error, OSError) and error.errno in DISK:
                    raise
                reason = first_line(error)
                log.warning(
                    "records of %s in %s are damaged (%s): prepared again", name, folder, reason
                )
                shutil.rmtree(folder)
        _prepare(name, make_builder, folder)
        return store(copy, made_from, _records(make_builder(), split))

    return cached(name, copy, made_from, make, folder.with_name(folder.name + ".lock"))


def listing(folder: pathlib.Path, inputs) -> str:
    """Returns name, size and time of each file in a folder: they change if it is written again."""
    stats = [(file.relative_to(folder), file.stat()) for file in inputs]
    return "\n".join(f"{name} {s.st_size} {s.st_mtime_ns}" for name, s in stats)


def cached(
    name: str, folder: pathlib.Path, made_from: str, make: Callable, lock: pathlib.Path
) -> WorkingCopy:
    """Returns the working copy in `folder`; make() makes it, locked, if it is missing or damaged.

    Args:
      name: for messages.
      folder: of the copy.
      made_from: what the copy must have been made from.
      make: calls `store`.
      lock: a file that processes lock while they make it.
    """
    copy = _read(folder, made_from)  # needs no lock and no right to write
    if copy is not None:
        return copy
    lock.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(lock):
        copy = _read(folder, made_from)  # another process may have made it in the meantime
        if copy is not None:
            return copy
        if _about(folder):
            log.info("%s has changed: read again", name)
        elif (folder / "copy.json").exists():
            log.warning("the working copy of %s in %s is damaged: made again", name, folder)
        make()
        copy = _read(folder, made_from)
        if copy is None:
            raise UserError(f"the working copy of {name} in {folder} changed while it was made")
        return copy


def _prepare(name: str, make_builder: Callable, folder: pathlib.Path) -> None:
    """Lets tfds write the records."""
    # tfds writes to incomplete.* and renames at the end, but a killed process leaves it behind.
    for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
        shutil.rmtree(leftover)
    builder = make_builder()
    count = getattr(builder.builder_config, "num_images", 0)
    if count:
        seconds = count // builder.EXAMPLES_PER_SECOND + 1
        images = f"{count:,} images"
        log.info("preparing %s: %s into %s, once, about %d s", name, images, folder, seconds)
    else:
        log.info("preparing %s into %s, once", name, folder)
    import tensorflow_datasets as tfds

    with progress.without_that_of_tfds():
        builder.download_and_prepare(
            file_format="array_record",  # the one format that needs no TensorFlow
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
        )


def _records(builder, split: str) -> Content:
    """All records of a prepared builder; raises ValueError if they are not its config's grid."""
    records = builder.as_data_source(split=split)
    labels = builder.label_features
    expected = builder.expected_labels()
    count = builder.info.splits[split].num_examples
    if len(records) != count or (expected is not None and len(expected) != count):
        raise ValueError(f"{len(records)} records, not {count}")

    def chunks():
        starts = range(0, count, _CHUNK)
        for start in progress.watched(starts, "reading", count, _CHUNK):
            stop = min(start + _CHUNK, count)
            examples = records.__getitems__(list(range(start, stop)))
            images = np.stack([example["image"] for example in examples])
            factors = [[example[label] for label in labels.values()] for example in examples]
            factors = np.array(factors, np.int32).reshape(len(images), len(labels))
            if expected is not None and not np.array_equal(factors, expected[start:stop]):
                raise ValueError("the labels are not those of the grid")
            yield images, factors

    source = builder.info.metadata[f"source_{split}"]
    shape = builder.info.features["image"].shape
    return Content(shape, builder.BINARY, tuple(labels), source, count, chunks())


def store(folder: pathlib.Path, made_from: str, content: Content) -> None:
    """Writes a working copy; images go from the chunks to the disk, never all in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("images.npy", "factors.npy", "copy.json"):
        files.remove_leftovers(folder / name)
    height, width, channels = content.shape
    row = (height * width * channels // 8,) if content.binary else content.shape
    factors = [np.empty((0, len(content.factor_names)), np.int32)]
    with files.replacing(folder / "images.npy") as part:
        _write_header(part, "|u1", (content.count, *row))
        for images, labels in content.chunks:
            rows = (
                np.packbits(images.reshape(len(images), -1), axis=1) if content.binary else images
            )
            part.write(np.ascontiguousarray(rows).data)
            factors.append(np.asarray(labels, np.int32))
    with files.replacing(folder / "factors.npy") as part:
        labels = np.concatenate(factors)
        _write_header(part, "<i4", labels.shape)
        part.write(np.ascontiguousarray(labels, "<i4").data)  # np.save hides why a disk refused
    about = {
        "source": content.source,
        "shape": list(content.shape),
        "binary": content.binary,
        "factor_names": list(content.factor_names),
        "made_from": made_from,
    }
    about["crc32"] = _checksum(folder, about)
    with files.replacing(folder / "copy.json") as part:  # last: it vouches for the others
        part.write(json.dumps(about).encode())


def _write_header(file, dtype: str, shape: tuple) -> None:
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _about(folder: pathlib.Path) -> dict | None:
    """What is said about the working copy; None: it is missing or not as it was written."""
    try:
        about = json.loads((folder / "copy.json").read_text())
        crc32 = about.pop("crc32")
        return about if _checksum(folder, about) == crc32 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read(folder: pathlib.Path, made_from: str) -> WorkingCopy | None:
    """The working copy, or None if it is missing, not as it was written, or of other data."""
    about = _about(folder)
    if about is None or about["made_from"] != made_from:
        return None
    # Only now: what np.load raises for a damaged header is not to be foreseen.
    large = (folder / "images.npy").stat().st_size > MEMORY_LIMIT
    pixels = np.load(folder / "images.npy", mmap_mode="r" if large else None)
    factors = np.load(folder / "factors.npy")
    return WorkingCopy(
        pixels,
        factors,
        tuple(about["shape"]),
        about["binary"],
        tuple(about["factor_names"]),
        about["source"],
    )


def _checksum(folder: pathlib.Path, about: dict) -> int:
    """The crc32 of a working copy: what is said about it, then its two files, headers included."""
    checksum = zlib.crc32(json.dumps(about, sort_keys=True).encode())
    for file in ("images.npy", "factors.npy"):
        with open(folder / file, "rb") as stream:
            while chunk := stream.read(1 << 22):
                checksum = zlib.crc32(chunk, checksum)
    return checksum
