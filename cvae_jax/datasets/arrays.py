"""Images of one's own as arrays: checked, and made a `Dataset` without a copy."""

import functools
import logging
from collections.abc import Mapping

import numpy as np

from cvae_jax import errors
from cvae_jax.datasets.dataset import LARGEST, Dataset, images_of_blocks
from cvae_jax.errors import UserError

log = logging.getLogger(__name__)

NAMES = ("images", "factors", "factor_names")
_CHUNK = 2**26  # bytes that a check holds at once
_SCALE = 20  # images, from which many values of a factor are a scale
_FLAT = 8  # of 255: values of an image that differ by less are nearly one
_SOME = 64  # images at most that are looked at for it
_TOLERANCE = 1e-3  # that resizing may have left an image beyond [0, 1]


def from_arrays(images, factors=None, factor_names=None, *, name="array", source="", size=0):
    """Returns a `Dataset` of arrays.

    Args:
      images: [N, H, W, C] or [N, H, W], H = W, C 1 or 3: uint8, bool, or float in [0, 1]; they may
        be mapped from a file, and are read in pieces.
      factors: [N, k] or [N], numbers or text; each value is a class, in the order of numbers or of
        text. None: the images have no labels.
      factor_names: k of them; None: factor_1 to factor_k.
      name: of the data set, for messages and results.
      source: the line that names the data in results; "": what is known of the array.
      size: pixels per side: the array's own, or a divisor of it by averaging blocks; 0: its own.

    Raises:
      UserError: an array has another shape, type or range.
    """
    images = _shaped(name, _array(name, "images", images))
    stored = images.shape[1]
    size = size or stored
    if stored % size:
        raise UserError(
            f"{name} has images of {stored}x{stored} pixels and {size}x{size} are asked for, which "
            f"must be the same or a divisor of it, for means of blocks: {_remedy(stored, size)}"
        )
    factors, names = _labels(name, len(images), factors, factor_names)
    binary = _checked_range(name, images)
    few = max(1, min(_SOME, _CHUNK // (images[:1].nbytes or 1)))
    some = _decoded(stored, np.asarray(images[:: -(-len(images) // few)]))
    warn_if_flat(f"images of {name}", int(np.ptp(some, axis=(1, 2)).max()))
    return Dataset(
        name=name,
        source=source or f"{len(images):,} images of an array",
        size=size,
        channels=images.shape[3],
        factor_names=names,
        factors=factors,
        pixels=images,
        decode=functools.partial(_decoded, size),
        binary=binary,
    )


def _remedy(stored, size):
    remedy = errors.option("size")
    return remedy.format(size=stored if remedy.startswith("set") else size)


def warn_if_flat(what: str, spread: int) -> None:
    """Warns of images that are nearly of one shade each.

    Args:
      what: they are.
      spread: the largest difference of values within one of them and one of its channels, of 255.
    """
    if spread < _FLAT:
        log.warning(
            "all %s are nearly of one shade each, their values differ by at most %d of 255: look "
            "at them, at how many bits they have, or whether 1 should be 255",
            *(what, spread),
        )


def warning_if_flat(what: str, chunks):
    """Yields chunks of (images, factors) as they are, and warns if all images were flat."""
    spread = 0
    for images, factors in chunks:
        spread = max(spread, int(np.ptp(images, axis=(1, 2)).max()))
        yield images, factors
    warn_if_flat(what, spread)


def own(dataset, known=()) -> Dataset:
    """Returns what a caller passed as a data set as a `Dataset`.

    Args:
      dataset: a `Dataset`, an array of images, or a mapping with images and perhaps factors and
        factor_names, as an open .npz is one.
      known: names by which `datasets.load` finds a data set again; another gets the prefix array:.

    Raises:
      UserError: see `from_arrays`; or a `Dataset` whose images are not uint8.
    """
    if isinstance(dataset, Dataset):
        images = dataset.images(np.arange(min(2, dataset.num_images)))
        shape = (dataset.size, dataset.size, dataset.channels)
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            raise UserError(
                f"dataset= gives images {images.dtype} {images.shape[1:]}: its decode must give "
                f"uint8 of its size and channels, {shape}"
            )
        if dataset.name in known or ":" in dataset.name:
            return dataset
        return dataset._replace(name=f"array:{dataset.name}")
    if isinstance(dataset, Mapping):
        if "images" not in dataset:
            raise UserError(f"dataset= has no images: its keys are {', '.join(map(str, dataset))}")
        return from_arrays(**{name: dataset[name] for name in NAMES if name in dataset})
    return from_arrays(dataset)


def _array(name, what, values) -> np.ndarray:
    values = values if isinstance(values, np.ndarray) else np.asarray(values)
    if values.dtype.hasobject or values.dtype.names:
        raise UserError(f"{what} of {name} are Python objects: make them numbers or text")
    return values


def _shaped(name, images) -> np.ndarray:
    """Images as [N, H, W, C]."""
    if images.ndim == 3:
        images = images[..., None]
    shape = images.shape
    if images.ndim != 4 or shape[3] not in (1, 3) or shape[1] != shape[2]:
        raise UserError(
            f"images of {name} have shape {shape}: make them square, [N, H, W, C] with C 1 or 3"
        )
    if not len(images) or not 1 <= shape[1] <= LARGEST:
        raise UserError(f"images of {name} have shape {shape}: 1 to {LARGEST} pixels per side")
    floats = np.issubdtype(images.dtype, np.floating)
    if images.dtype not in (np.uint8, np.bool_) and not floats:
        raise UserError(
            f"images of {name} are {images.dtype}: make them uint8, or floats in [0, 1]"
        )
    return images


def _checked_range(name, images) -> bool:
    """Whether all pixels are black or white; refuses floats beyond [0, 1]."""
    binary = images.shape[3] == 1
    if images.dtype == np.bool_:
        return binary
    most = 255 if images.dtype == np.uint8 else 1
    rows = max(1, _CHUNK // (images[:1].nbytes or 1))
    for first in range(0, len(images), rows):
        chunk = images[first : first + rows]
        if most == 1 and not (chunk.min() >= -_TOLERANCE and chunk.max() <= 1 + _TOLERANCE):
            raise UserError(
                f"images of {name} are from {chunk.min():.3g} to {chunk.max():.3g}: make them "
                "uint8, or floats in [0, 1]"
            )
        binary = binary and bool(np.isin(chunk, (0, most)).all())
        if most == 255 and not binary:
            break
    return binary


def _decoded(size: int, rows):
    """Images uint8 [n, size, size, C] of stored rows [n, H, H, C]; of JAX arrays too."""
    xp = rows.__array_namespace__()
    if rows.dtype == np.bool_:
        rows = rows.astype(np.uint8) * np.uint8(255)
    elif rows.dtype != np.uint8:  # in float32, as a device has it, so that both round alike
        rows = xp.rint(xp.clip(rows.astype(np.float32), 0, 1) * np.float32(255)).astype(np.uint8)
    return images_of_blocks(rows.shape[1], size, rows)


def _labels(name, count, factors, names):
    """(class labels int32 [N, k], factor names)."""
    if factors is None:
        if names is not None and np.size(names):
            raise UserError(f"{name} has factor_names and no factors: add them, [N, k]")
        return np.zeros((count, 0), np.int32), ()
    factors = _array(name, "factors", factors)
    factors = factors[:, None] if factors.ndim == 1 else factors
    if factors.ndim != 2 or len(factors) != count:
        raise UserError(
            f"factors of {name} have shape {factors.shape}: they must be [{count}, k], a row for "
            "each image"
        )
    if factors.dtype.kind not in "biufUS":
        raise UserError(f"factors of {name} are {factors.dtype}: make them numbers or text")
    width = factors.shape[1]
    if names is None:
        names = [f"factor_{i}" for i in range(1, width + 1)]
    names = tuple(str(x).strip() for x in _as_text(np.atleast_1d(np.asarray(names))))
    if len(names) != width or len(set(names)) < width or not all(names):
        raise UserError(
            f"factor_names of {name} are {len(names)}, {', '.join(names)[:80]}, for {width} "
            "factors: each needs a name of its own"
        )
    columns = [_classes(name, *pair) for pair in zip(names, factors.T, strict=True)]
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0), np.int32), names


def _as_text(values):
    """Bytes, as HDF5 gives text, decoded; whatever else, as it is."""
    return np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values


def _classes(name, factor, values):
    """Each value's place among the sorted values, int32 [N]."""
    values = np.char.strip(_as_text(values)) if values.dtype.kind in "US" else values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UserError(f"factor {factor} of {name} has values that are not finite: fill them in")
    found, classes = np.unique(values, return_inverse=True)
    if len(values) > _SCALE and len(found) > len(values) / 2:
        log.warning(
            "%s: %s has %s values in %s images, each a class of its own: its scores mean little; "
            "round a quantity to fewer values",
            *(name, factor, f"{len(found):,}", f"{len(values):,}"),
        )
    return classes.astype(np.int32)
