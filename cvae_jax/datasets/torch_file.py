"""Tensors from a .pth file without PyTorch: its pickle may build arrays and nothing else."""

import collections
import io
import math
import pathlib
import pickle
import zipfile

import numpy as np

from cvae_jax.errors import first_line

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of files from before PyTorch 1.6
_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


def read(path: pathlib.Path):
    """The content of a file that torch.save wrote, with arrays for tensors.

    Both formats are read: the zip archive and the one of before PyTorch 1.6.

    Raises:
      ValueError: not such a file, or it holds other things than tensors in containers.
    """
    try:
        return _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except Exception as e:  # a damaged pickle may raise anything, MemoryError among it
        if isinstance(e, OSError) and e.errno:  # the disk's fault, not the file's
            raise
        reason = first_line(e)
        raise ValueError(f"no file of tensors: {reason}") from e


class _Bounded:
    """A file as an unpickler reads it: no read is longer than what is left, whatever it claims."""

    def __init__(self, stream, size):
        self._stream, self._size = stream, size
        self.readline = stream.readline

    def read(self, count):
        return self._stream.read(min(count, self._size - self._stream.tell()))


class _Unpickler(pickle._Unpickler):
    """Builds containers and arrays; storages come from `storage(key, dtype, count)`.

    It is the one in Python: the one in C takes memory for as many objects as an index claims.
    """

    def __init__(self, stream, storage):
        super().__init__(stream)
        self._storage = storage

    def find_class(self, module, name):
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]

        def tensor(*args):  # one for each request: a pickle may set a function's attributes
            return _tensor(*args)

        allowed = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor"): tensor,
            ("torch._utils", "_rebuild_tensor_v2"): tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no tensor")
        return allowed[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or dtype not in _DTYPES.values():
            raise pickle.UnpicklingError(f"it asks for {kind!r} of {dtype!r}")
        return self._storage(key, dtype, count)


def _tensor(storage, offset, size, stride, *rest):
    """A view of a storage [count]; PyTorch's strides count elements."""
    del rest  # requires_grad, hooks
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if 0 in size:
        return np.empty(size, storage.dtype)
    if min((*size, *stride, offset, 0)) < 0 or last >= len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    if math.prod(size) > len(storage):  # by strides of 0; a copy of it may fill the memory
        raise pickle.UnpicklingError("a tensor repeats its storage")
    strides = [s * storage.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
            raise ValueError("its members are packed, which torch.save never does")
        (name,) = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        folder, storages = name.removesuffix("data.pkl"), {}

        def storage(key, dtype, count):
            if key not in storages:
                content = archive.read(f"{folder}data/{key}")
                storages[key] = np.frombuffer(content, dtype)
            if len(storages[key]) != count:
                raise pickle.UnpicklingError(f"storage {key} has not {count} values")
            return storages[key]

        return _Unpickler(io.BytesIO(archive.read(name)), storage).load()


def _read_legacy(path):
    storages, left = {}, path.stat().st_size

    def storage(key, dtype, count):
        nonlocal left
        if key not in storages:
            left -= count * np.dtype(dtype).itemsize
            if left < 0:
                raise pickle.UnpicklingError("its tensors are larger than the file")
            storages[key] = np.empty(count, dtype)  # filled below
        return storages[key]

    with open(path, "rb") as stream:
        bounded = _Bounded(stream, left)
        if _Unpickler(bounded, None).load() != _MAGIC:
            raise ValueError("not torch.save's")
        for _ in range(2):  # protocol, machine
            _Unpickler(bounded, None).load()
        content = _Unpickler(bounded, storage).load()
        for key in _Unpickler(bounded, None).load():
            count = int.from_bytes(stream.read(8), "little")
            array = storages[key]
            if count != len(array) or stream.readinto(memoryview(array).cast("B")) != array.nbytes:
                raise ValueError("it is cut off")
            del storages[key]
    if storages:
        raise ValueError("it lacks the values of some tensors")
    return content
