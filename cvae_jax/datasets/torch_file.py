"""Tensors from a .pth file without PyTorch: its pickle may build arrays and nothing else."""

import io
import pathlib
import zipfile

import numpy as np

from cvae_jax.datasets import tensor_pickle
from cvae_jax.errors import first_line, of_the_disk

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of files from before PyTorch 1.6
_PROTOCOL = 1001  # their second
_LINE = 1_000  # bytes; the longest line of a pickle is a global's name


def read(path: pathlib.Path):
    """Reads a file that torch.save wrote, with arrays for tensors.

    Both formats are read: the zip archive and the one of before PyTorch 1.6.

    Raises:
      ValueError: not such a file, or it holds other things than tensors in containers.
    """
    try:
        return _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except Exception as e:  # a damaged pickle may raise anything, MemoryError among it
        if of_the_disk(e):
            raise
        reason = first_line(e)[:200]
        raise ValueError(f"no file of tensors: {reason}") from e


class _Bounded:
    """A file of which no read is longer than what is left, whatever is claimed."""

    def __init__(self, stream, size):
        self._stream, self._size = stream, size
        self.tell = stream.tell

    def read(self, count):
        return self._stream.read(min(count, self._size - self.tell()))

    def readline(self):
        return self._stream.readline(_LINE)


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("its members are packed, which torch.save never does")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("its members are larger than the file")
        (name,) = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        folder, storages = name.removesuffix("data.pkl"), {}
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("its numbers begin with their highest byte, which is not read")

        def storage(key, dtype, count):
            if key not in storages:
                content = archive.read(f"{folder}data/{key}")
                storages[key] = np.frombuffer(content, dtype)
            return _matching(storages[key], key, dtype, count)

        content = archive.read(name)
        return tensor_pickle.load(_Bounded(io.BytesIO(content), len(content)), storage)


def _matching(array, key, dtype, count):
    if (array.dtype, len(array)) != (dtype, count):
        raise ValueError(f"storage {key[:80]} has not {count} values of {dtype}")
    return array


def _read_legacy(path):
    storages, left = {}, path.stat().st_size

    def storage(key, dtype, count):
        nonlocal left
        if key not in storages:
            left -= count * dtype.itemsize
            if left < 0:
                raise ValueError("its tensors are larger than the file")
            storages[key] = np.empty(count, dtype)  # filled below
        return _matching(storages[key], key, dtype, count)

    with open(path, "rb") as stream:
        bounded = _Bounded(stream, left)
        if tensor_pickle.load(bounded) != _MAGIC or tensor_pickle.load(bounded) != _PROTOCOL:
            raise ValueError("not torch.save's")
        tensor_pickle.load(bounded)  # the machine that wrote it
        content = tensor_pickle.load(bounded, storage)
        keys = tensor_pickle.load(bounded)
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise ValueError("it lacks the list of its storages")
        if sorted(keys) != sorted(storages):
            raise ValueError("it lacks the values of some tensors")
        for key in keys:
            count = int.from_bytes(stream.read(8), "little")
            array = storages[key]
            if count != len(array) or stream.readinto(array.view(np.uint8)) != array.nbytes:
                raise ValueError("it is cut off")
    return content
