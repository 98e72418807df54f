"""Encoder and decoder run over many rows, in large jitted batches over all local devices."""

import functools

import jax
import numpy as np
from tqdm import tqdm

from cvae_jax.devices import placement, processes


def _rows(devices) -> int:
    """Rows on a device: what keeps a GPU busy; on a CPU, activations that stay in its caches."""
    return 128 if devices[0].platform == "cpu" else 1_000


def at_once(size: int, channels: int) -> int:
    """Returns how many images a program decodes and encodes at once: 1,000 up to 64x64 in colour.

    Larger images by as many fewer: a thousand of 512x512 would take 30 GB.
    """
    return max(1, min(1_000, 2**24 // (size * size * channels)))


def slices(num_images: int, size: int, channels: int, most: int = 1_000):
    """Yields the slices of so many images that are decoded and encoded `at_once`, or `most`."""
    step = min(at_once(size, channels), most)
    for first in range(0, num_images, step):
        yield slice(first, first + step)


def mapped(
    function,
    rows,
    num_rows: int,
    devices,
    *,
    size: int,
    channels: int,
    what: str,
    batch: int | None = None,
):
    """Computes function(rows(index)) over index 0 ... num_rows - 1, batch by batch.

    Args:
      function: jitted, of arrays with a leading axis; returns a tree of arrays with that axis.
      rows: index [b] -> b images, or a tree of host arrays with b rows.
      num_rows: n.
      devices: the rows of a batch are split over them.
      size: pixels per side of the images, which say how many fit into memory.
      channels: of the images.
      what: for the progress bar.
      batch: rows on a device; None: what suits it. Of large images no more than `at_once`.

    Returns:
      The function's tree, numpy arrays of n rows.
    """
    m = len(devices)
    each = min(batch or _rows(devices), at_once(size, channels))
    step = min(each * m, -(-num_rows // m) * m)
    whole, found = -(-num_rows // step) * step, None
    for first in tqdm(range(0, num_rows, step), desc=what, unit="batch", disable=None, leave=False):
        index = np.arange(first, first + step) % num_rows  # the last wraps: one compiled shape
        split = jax.tree.map(lambda x: placement.split_rows(x, devices), rows(index))
        part = jax.device_get(function(split))
        if found is None:
            found = jax.tree.map(lambda x: np.empty((whole, *x.shape[1:]), x.dtype), part)
        # Copied: parts that are kept lie between XLA's blocks of memory, which then fit nowhere.
        for x, y in zip(*map(jax.tree.leaves, (found, part)), strict=True):
            x[first : first + step] = y
    return jax.tree.map(lambda x: x[:num_rows], found)


# The objective's functions are static and parameters are arguments: another seed of the same
# method is run by the programs of the first.
@functools.partial(jax.jit, static_argnums=0)
def _encode(encode, params, images):
    return encode(params, images / 255.0)


@functools.partial(jax.jit, static_argnums=0)
def _decode(decode, params, z, index, rng):
    keys = jax.vmap(lambda i: jax.random.fold_in(rng, i))(index)
    return decode(params, z, keys)


def encode_all(objective, params, dataset, devices):
    """Computes posterior means and log variances of every image: two arrays [N, d].

    Several processes share the work, and each has the whole in the end.
    """
    params = placement.replicate(params, devices)
    rows = processes.share(dataset.num_images)
    own = mapped(
        functools.partial(_encode, objective.encode, params),
        lambda index: dataset.images(rows[index]),
        len(rows),
        devices,
        size=dataset.size,
        channels=dataset.channels,
        what="encoding",
    )
    return processes.joined(own, dataset.num_images)


def draw_images(objective, params, rng, num_images: int, devices):
    """Returns a function from indices [b] to those of num_images samples, uint8 [b, H, W, C].

    Every image has a key of its own, so batches and devices change nothing.
    """
    prior_rng, rest_rng = jax.random.split(rng)
    z = np.asarray(objective.prior(prior_rng, num_images))
    params = placement.replicate(params, devices)

    def images(index):
        split = [placement.split_rows(x, devices) for x in (z[index], index)]
        decoded = _decode(objective.decode, params, *split, rest_rng)
        # A decoder of one's own may leave [0, 1], and 256 would be 0.
        return np.rint(np.clip(decoded, 0, 1) * 255).astype(np.uint8)

    return images
