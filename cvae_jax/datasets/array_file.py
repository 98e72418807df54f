"""Arrays of a .npz or .npy file: mapped where they lie plain in it, their sizes checked first."""

import math
import struct
import zipfile

import numpy as np
from numpy.lib import format as npy

from cvae_jax import errors
from cvae_jax.datasets import arrays
from cvae_jax.datasets.dataset import Dataset
from cvae_jax.errors import UserError, first_line
from cvae_jax.files import expanded

_IN_MEMORY = 2**32  # bytes of an array that is compressed
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # of a zip's member: names' lengths come last


def load(path: str, size: int) -> Dataset:
    """Returns the images of an .npz with images, factors and factor_names, or of an .npy.

    Args:
      path: of the file; see `arrays.from_arrays` for what its arrays must be.
      size: pixels per side.

    Raises:
      UserError: the file can't be read, or its arrays are of another kind.
    """
    file = expanded(path)
    if not file.is_file():
        raise UserError(f"{errors.option('data')}: there is no file {file}")
    try:
        found = _npy(file) if _is_npy(file) else _npz(file)
    except UserError:
        raise
    except Exception as error:  # zipfile and numpy raise a dozen types
        raise UserError(f"{file} can't be read ({first_line(error)}): write it again") from error
    if "images" not in found:
        raise UserError(f"{file} has no array images: save it by numpy.savez(path, images=...)")
    source = f"{len(found['images']):,} images of {file.name}"
    return arrays.from_arrays(**found, name=f"npz:{path}", source=source, size=size)


def _is_npy(file) -> bool:
    with file.open("rb") as stream:
        return stream.read(6) == npy.MAGIC_PREFIX


def _header(stream, file):
    """(shape, order, dtype) of the array that begins at a stream's place."""
    major, _ = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise UserError(f"{file} holds Python objects: save arrays of numbers or text")
    if fortran and len(shape) > 1:
        raise UserError(f"{file} holds an array in Fortran's order: save numpy.ascontiguousarray")
    return shape, dtype


def _bytes(shape, dtype) -> int:
    return math.prod(shape) * dtype.itemsize  # Python's integers: they do not wrap around


def _npy(file) -> dict:
    with file.open("rb") as stream:
        shape, dtype = _header(stream, file)
        return {"images": _mapped(file, stream.tell(), shape, dtype, file.stat().st_size)}


def _mapped(file, begin, shape, dtype, end):
    """The array whose bytes lie in a file from begin on, and before end."""
    if begin + _bytes(shape, dtype) > end:
        raise UserError(f"{file} is too short for an array {dtype} {shape}: write it again")
    if not _bytes(shape, dtype):
        return np.zeros(shape, dtype)
    return np.memmap(file, dtype, "r", begin, shape)


def _npz(file) -> dict:
    found = {}
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        for name in arrays.NAMES:
            if name in members:
                found[name] = _member(file, archive, members[name])
    return found


def _member(file, archive, info):
    """An array of an .npz: mapped if it is not compressed, else read."""
    with archive.open(info) as stream:
        shape, dtype = _header(stream, file)
        need, head = _bytes(shape, dtype), stream.tell()
        if head + need != info.file_size:
            raise UserError(f"{file}: {info.filename} is no array {dtype} {shape}: write it again")
        if info.compress_type == zipfile.ZIP_STORED:
            begin = _begin(file, info) + head
            return _mapped(file, begin, shape, dtype, file.stat().st_size)
        if need > _IN_MEMORY:
            raise UserError(
                f"{file}: {info.filename} takes {need / 1e9:.1f} GB: save it by numpy.savez, not "
                "savez_compressed, so that it can be mapped"
            )
        content = bytearray()  # grows with what there is, whatever the headers say
        while chunk := stream.read(2**20):
            content += chunk
            if len(content) > need:
                break
        if len(content) != need:
            raise UserError(f"{file}: {info.filename} is cut short: write it again")
        return np.frombuffer(content, dtype).reshape(shape)


def _begin(file, info) -> int:
    """Where a member's bytes begin."""
    with file.open("rb") as stream:
        stream.seek(info.header_offset)
        *_, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    return info.header_offset + _LOCAL_HEADER.size + name + extra
