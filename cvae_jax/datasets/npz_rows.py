"""An array of bytes in an .npz, read in pieces: whole it would take gigabytes."""

import math
import pathlib
import zipfile
from collections.abc import Iterator

import numpy as np

_CHUNK = 1 << 25  # bytes read at a time


def header(member, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Returns (shape, whether in Fortran's order, dtype) of the .npy that a stream begins with.

    Raises:
      ValueError: it is none, or of another version than 1.0.
    """
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ValueError(f"{name} is in npy format {version}")
    return np.lib.format.read_array_header_1_0(member)


def chunks(path: pathlib.Path, name: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yields the array `name` of an .npz in order, uint8 [n, *shape].

    Args:
      path: of the file.
      name: of the array, which is never unpickled.
      shape: of each row.

    Raises:
      ValueError: the array is of another kind, shorter or longer than its header says.
    """
    each = math.prod(shape)
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        found, fortran_order, dtype = header(member, name)
        if found[1:] != shape or fortran_order or dtype != np.uint8:
            raise ValueError(f"{name} is {dtype} {found}")
        rows = max(1, _CHUNK // each)
        for start in range(0, found[0], rows):
            count = min(rows, found[0] - start)
            content = member.read(count * each)
            if len(content) < count * each:
                raise ValueError(f"{name} has fewer than its {found[0]:,} rows")
            yield np.frombuffer(content, np.uint8).reshape(count, *shape)
        if member.read(1):  # at the end zipfile compares the checksum as well
            raise ValueError(f"{name} has more than its {found[0]:,} rows")
