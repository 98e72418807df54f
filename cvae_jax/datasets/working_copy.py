"""A data set's records as arrays in memory, from a working copy that is verified and remade.

tfds prepares a data set once. Its records are then read once, packed to bits, and kept beside the
records as a working copy (bits.npy, factors.npy, copy.json with a checksum), from which later
starts load in about a second.
"""

import contextlib
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

log = logging.getLogger(__name__)

LABELS = {  # factor: feature of the records
    "shape": "label_shape",
    "scale": "label_scale",
    "orientation": "label_orientation",
    "x": "label_x_position",
    "y": "label_y_position",
}
SIZE = 64  # pixels a side, of all images as stored
_CHUNK = 1024  # records read at a time
_EXAMPLES_PER_SECOND = 3500  # drawn, written by tfds and read back, on one core


class WorkingCopy(NamedTuple):
    """The working copy: images as bits, row by row, their labels, and where they come from."""

    bits: np.ndarray  # uint8 [N, 512]
    factors: np.ndarray  # int32 [N, k]
    source: str


def prepared(name: str, builder_cls: type, config, root: pathlib.Path) -> WorkingCopy:
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


def _make_copy(name: str, make_builder: Callable, folder: pathlib.Path) -> WorkingCopy:
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


def _read_records(builder) -> WorkingCopy:
    """All records of a prepared builder; raises ValueError if they are not its config's grid."""
    labels = builder.builder_config.labels().astype(np.int32)  # [N, 5]
    records = builder.as_data_source(split="train")
    if len(records) != len(labels):
        raise ValueError(f"{len(records)} records, not {len(labels)}")
    bits = np.empty((len(labels), SIZE * SIZE // 8), np.uint8)
    factors = np.empty_like(labels)
    # disable=None: no bar where the output is a file.
    for start in tqdm.trange(0, len(labels), _CHUNK, desc=f"Reading {builder.name}", disable=None):
        rows = slice(start, min(start + _CHUNK, len(labels)))
        examples = records.__getitems__(list(range(rows.start, rows.stop)))
        images = np.stack([example["image"] for example in examples])  # [n, 64, 64, 1], 0 or 1
        bits[rows] = np.packbits(images.reshape(len(examples), -1), axis=1)
        factors[rows] = [[example[label] for label in LABELS.values()] for example in examples]
    if not np.array_equal(factors, labels):
        raise ValueError("the labels are not those of the grid")
    return WorkingCopy(bits, factors, builder.info.metadata["source"])


def _read_copy(folder: pathlib.Path, config) -> WorkingCopy | None:
    """The working copy, or None if it is missing, not as it was written, or of another grid."""
    try:
        about = json.loads((folder / "copy.json").read_text())
        if _checksum(folder, about["source"]) != about["crc32"]:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # Only now: what np.load raises for a damaged header is not to be foreseen.
    bits, factors = np.load(folder / "bits.npy"), np.load(folder / "factors.npy")
    return WorkingCopy(bits, factors, about["source"]) if len(bits) == config.num_images else None


def _write_copy(folder: pathlib.Path, copy: WorkingCopy) -> None:
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
