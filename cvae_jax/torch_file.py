"""Tensors from a .pth file without PyTorch: its pickle may build arrays and nothing else."""

import collections
import io
import pathlib
import pickle
import zipfile

import numpy as np

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
    except (pickle.UnpicklingError, EOFError, KeyError, zipfile.BadZipFile, AttributeError) as e:
        raise ValueError(f"no file of tensors: {e}") from e


class _Unpickler(pickle.Unpickler):
    """Builds containers and arrays; storages come from `storage(key, dtype, count)`."""

    def __init__(self, stream, storage):
        super().__init__(stream)
        self._storage = storage

    def find_class(self, module, name):
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        allowed = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor"): _tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no tensor")
        return allowed[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage":
            raise pickle.UnpicklingError(f"it asks for {kind!r}")
        return self._storage(key, dtype, count)


def _tensor(storage, offset, size, stride, *rest):
    """A view of a storage [count]; PyTorch's strides count elements."""
    del rest  # requires_grad, hooks
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if 0 in size:
        return np.empty(size, storage.dtype)
    if min((*size, *stride, offset, 0)) < 0 or last >= len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    strides = [s * storage.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
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
    storages = {}

    def storage(key, dtype, count):
        return storages.setdefault(key, np.empty(count, dtype))  # filled below

    with open(path, "rb") as stream:
        if _Unpickler(stream, None).load() != _MAGIC:
            raise ValueError("no file of tensors")
        for _ in range(2):  # protocol, machine
            _Unpickler(stream, None).load()
        content = _Unpickler(stream, storage).load()
        for key in _Unpickler(stream, None).load():
            count = int.from_bytes(stream.read(8), "little")
            array = storages[key]
            if count != len(array) or stream.readinto(memoryview(array).cast("B")) != array.nbytes:
                raise ValueError("it is cut off")
    return content
