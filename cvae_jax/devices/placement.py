"""The batch split over the local devices by pmap; the state replicated, without a leading axis."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "batch"


def replicate(tree, devices):
    """Puts a copy of every leaf on every device; leaves keep their shape."""
    # Not jax.make_mesh: its axes are Explicit by default.
    mesh = Mesh(np.array(devices), (AXIS,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def shard(images, devices, axis=0):
    """Splits [..., B, ...] into [devices, ..., B / devices, ...], device 0 with the first rows.

    Args:
      images: an array.
      devices: to put it on.
      axis: where B is.
    """
    parts = images.reshape(*images.shape[:axis], len(devices), -1, *images.shape[axis + 1 :])
    numpy = np if isinstance(images, np.ndarray) else jnp
    return split_rows(numpy.moveaxis(parts, axis, 0), devices)


def split_rows(images, devices):
    """Images [n, ...] on the devices by rows, for jitted functions; n a multiple of the devices."""
    mesh = Mesh(np.array(devices), (AXIS,))
    return jax.device_put(images, NamedSharding(mesh, PartitionSpec(AXIS)))
