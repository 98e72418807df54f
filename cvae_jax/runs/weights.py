"""A trained model's parameters as an .npz of named arrays, read without pickle."""

import math
import zipfile
from pathlib import Path

import jax
import numpy as np

from cvae_jax.errors import UserError, first_line, of_the_disk
from cvae_jax.runs.workdir import damaged

_STEP = "step"


def _named(tree) -> dict:
    """Leaves by their paths, such as encoder/Dense_0/kernel."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def numbers(tree) -> str:
    """Returns how many numbers a tree of arrays holds, for instance "0.53 million"."""
    count = sum(x.size for x in jax.tree.leaves(tree))
    return f"{count / 1e6:.2f} million" if count >= 10_000 else f"{count:,}"


def save(path: Path, model, step: int) -> None:
    """Writes params.model of a method as float32, and the steps that it was trained for."""
    arrays = {name: np.asarray(leaf, np.float32) for name, leaf in _named(model).items()}
    np.savez(path, **arrays, **{_STEP: np.int32(step)})


def read(path: Path, like):
    """Reads (params.model, step) as `save` wrote them.

    Args:
      path: an .npz.
      like: params.model of the same method, arrays or their shapes.

    Raises:
      UserError: it can't be read, or an array is missing, too many, of another shape or type than
        in `like`, or not finite.
    """
    forms = {name: (np.dtype(np.float32), leaf.shape) for name, leaf in _named(like).items()}
    try:
        with zipfile.ZipFile(path) as archive:
            found = _read(archive, forms | {_STEP: (np.dtype(np.int32), ())})
    except Exception as error:  # zipfile, zlib and npy headers raise a dozen kinds
        if of_the_disk(error):
            raise UserError(f"can't read {path}: {error.strerror}") from None
        raise damaged(path, first_line(error)[:160]) from None
    step = int(found.pop(_STEP))
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in forms]), step


def _read(archive, forms) -> dict:
    """Arrays by name; forms: name -> (dtype, shape)."""
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    for name in names:
        if name not in forms or names.count(name) > 1:
            raise ValueError(f"{name} is one array too many for this config")
    for name in forms:
        if name not in names:
            raise ValueError(f"{name} is missing")
    return {name: _array(archive, name, *form) for name, form in forms.items()}


def _array(archive, name, dtype, shape):
    """An array of this form; what its header claims is compared before memory is taken."""
    with archive.open(f"{name}.npy") as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{name} is in an npy format that no export has")
        found, by_columns, kind = np.lib.format.read_array_header_1_0(member)
        if (kind, found, by_columns) != (dtype, shape, False):
            raise ValueError(f"{name} is {kind} {found}, not {dtype} {shape}")
        size = dtype.itemsize * math.prod(shape)
        content = member.read(size + 1)  # to its end, where zipfile compares the checksum
    if len(content) != size:
        raise ValueError(f"{name} has {len(content)} bytes, not {size}")
    array = np.frombuffer(content, dtype).reshape(shape)
    if not np.all(np.isfinite(array)) or (name == _STEP and array < 0):
        raise ValueError(f"{name} holds values that no training leaves")
    return array
